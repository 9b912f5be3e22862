"""Where a memory lies: a file or PostgreSQL, the same tables and statements.

addresses       which of them an address means        database    what is asked of either
file, blocks    an SQLite file                        postgres/   one namespace of a server
schema, migrations, rows    the tables, and what their rows stand for
stops, turnstile            calls that nobody waits for any more; writers in turn
erasing         what a purge needs beneath the rows
doctor, row_checks, index_checks, looking       what is wrong        salvage, remains, carried_*     saving the rest
"""
