"""Where a memory of many users lies: PostgreSQL with pgvector, the same tables and statements as the file's.

installing, schema    what an administrator makes once: tables, policies of rows, a role without privileges
database              transactions bound to one namespace        pools    connections, shared by a process
vectors               pgvector instead of blocks
"""
