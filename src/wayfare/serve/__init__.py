"""Doors through which others use a memory: HTTP and MCP. Needs `pip install 'wayfare[serve]'`.

    wayfare memory serve agent.db               # on this machine, for its owner
    wayfare memory token create agent.db support-agent --namespace org/support

What every door shares
    tokens              who may come in: for which namespace, with which scopes
    shapes, answers     what is asked and answered      verb, verbs     from a checked request to a memory and back
    overviews           verbs that look and leave no trace              keeping     verbs that look after a memory
    handles             open memories, a bounded number                 doors       all of this, and threads to work in

Over HTTP
    routes, overview_routes, keeping_routes     a verb each             app         all of them, from begin to end
    gate, strict, rates, problems       what is let in, how bodies are read, how often, and how it is refused
    settings, running   what a server is told, and how it runs          telemetry   what it tells its operators
    page                what a browser shows of it, at /                mcp         the Model Context Protocol, at /mcp
"""
