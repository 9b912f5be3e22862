"""A memory in the place of another: what is written against a different interface goes on with few lines changed.

    langgraph   `WayfareStore`, a LangGraph `BaseStore`     needs `pip install 'wayfare[langgraph]'`
    mem0        what mem0 has kept becomes memories         needs nothing: it reads what mem0 has written

documents       JSON documents under a key in a tuple of names, as records
matching        which documents a filter lets pass, and which tuples a pattern
distinct        several records may say the same
"""
