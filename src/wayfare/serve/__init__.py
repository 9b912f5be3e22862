"""Doors through which others use a memory: HTTP and MCP. Needs `pip install 'wayfare[serve]'`.

wayfare memory serve agent.db               # on this machine, for its owner
wayfare memory token create agent.db support-agent --namespace org/support

tokens      who may come in: for which namespace, with which scopes
shapes      what is asked and answered, checked        verbs   from a checked request to a memory and back
handles     open memories, a bounded number        overviews   verbs that look and leave no trace
page        what a browser shows of it, at /
"""
