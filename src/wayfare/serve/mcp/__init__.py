"""The door for whatever speaks the Model Context Protocol: six tools. Needs `pip install 'wayfare[serve]'`.

    wayfare memory mcp agent.db                     # stdio: one user, one store, started by the client
    wayfare memory serve agent.db                   # streamable HTTP at /mcp, beside the HTTP routes

tools       what a model sees of each verb: arguments, answer, hints, and the answer in words
calls       the SDK's server: which tools a token may see, and a call from arguments to answer
stdio       over a process's own standard streams            mounted     over HTTP, with tokens

Here `mcp` alone is the official SDK: this package is always named in full.
"""
