"""What an administrator does once: the schema, its tables and policies, and a role that has no privilege but their use.

    install("postgresql://postgres@db.example/app", role="wayfare_app", password="...")
    Memory("postgresql://wayfare_app:...@db.example/app", namespace="org/user")

Everything is one transaction; run again, it adds what is missing: another role, or the tables of a later version.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from wayfare.errors import BadValue, StoreError
from wayfare.memory.store.postgres.driver import psycopg, without_password
from wayfare.memory.store.postgres.errors import named
from wayfare.memory.store.postgres.schema import SCHEMA, STEPS, WITHOUT_TENANT, for_installing, table_names
from wayfare.memory.store.schema import VERSION

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["install", "privileged"]

OLDEST_SERVER, OLDEST_PGVECTOR = 160_000, (0, 8)
ROLE = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def install(address: str, *, role: str, password: str | None = None) -> None:
    """Make the schema `wayfare` in a database, and let `role` use it.

    address: of a role that may create schemas, roles and, where it is not there yet, the extension `vector`
    role: made with this password if it is not there; given no password it logs in as the server lets it

    Raises: BadValue for a role that could see every tenant's rows; StoreError for a server or pgvector that is too old,
    or tables of a later version; Unavailable.
    """
    if not ROLE.fullmatch(role):
        raise BadValue("role", role, "lower-case letters, digits and underscores, at most 63")
    driver = psycopg()
    shown = without_password(address)
    try:
        with driver.connect(address, autocommit=False, connect_timeout=10) as connection:
            _checked_server(connection, shown)
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('wayfare.install'))")
            _extension(connection, shown)
            version = _version(connection)
            if version is None:
                _make(connection)
            elif version > VERSION:
                raise StoreError(
                    f"{shown} was set up by a later Wayfare: its tables are of version {version}, known is {VERSION}"
                )
            elif version < VERSION:
                _bring_forward(connection, shown, version)
            _admit(connection, role, password)
    except driver.Error as error:
        raise named(error, shown) from error


def privileged(connection: Connection[tuple[object, ...]]) -> str:
    """Why the role of a connection could see more than its namespace; "" where it cannot."""
    row = connection.execute(
        "SELECT r.rolname, r.rolsuper, r.rolbypassrls, EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relowner = r.oid)"
        " FROM pg_roles r WHERE r.rolname = current_user",
        (SCHEMA,),
    ).fetchone()
    if row is None:
        return ""
    role, superuser, bypasses, owns = row
    for holds, what in ((superuser, "is a superuser"), (bypasses, "has BYPASSRLS"), (owns, "owns the tables")):
        if holds:
            return f"role {role!r} {what}"
    return ""


def _checked_server(connection: Connection[tuple[object, ...]], shown: str) -> None:
    if connection.info.server_version < OLDEST_SERVER:
        raise StoreError(f"{shown} is PostgreSQL {connection.info.server_version // 10_000}; 16 or later is needed")


def _extension(connection: Connection[tuple[object, ...]], shown: str) -> None:
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
    assert row is not None
    version = str(row[0])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_PGVECTOR:
        raise StoreError(f"{shown} has pgvector {version}; 0.8 or later is needed: ALTER EXTENSION vector UPDATE")


def _version(connection: Connection[tuple[object, ...]]) -> int | None:
    row = connection.execute("SELECT to_regclass('wayfare.meta')").fetchone()
    if row is None or row[0] is None:
        return None
    row = connection.execute("SELECT value FROM wayfare.meta WHERE key = 'version'").fetchone()
    return None if row is None else int(str(row[0]))


def _make(connection: Connection[tuple[object, ...]]) -> None:
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    _run(connection, [f"SET LOCAL search_path = {SCHEMA}, {_extension_schema(connection)}", *for_installing()])
    connection.execute(
        "INSERT INTO meta (key, value) VALUES ('version', %s), ('salt', %s)", (str(VERSION), os.urandom(16).hex())
    )
    _run(connection, ["REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA wayfare FROM PUBLIC"])


def _bring_forward(connection: Connection[tuple[object, ...]], shown: str, version: int) -> None:
    """One version at a time, within the transaction of the installation. Raises: StoreError where no step leads on."""
    _run(connection, [f"SET LOCAL search_path = {SCHEMA}, {_extension_schema(connection)}"])
    while version < VERSION:
        if version not in STEPS:
            raise StoreError(f"{shown} has tables of version {version}; no step leads from there to {VERSION}")
        _run(connection, STEPS[version]())
        version += 1
        connection.execute("UPDATE meta SET value = %s WHERE key = 'version'", (str(version),))


def _extension_schema(connection: Connection[tuple[object, ...]]) -> str:
    row = connection.execute(
        "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " WHERE e.extname = 'vector'"
    ).fetchone()
    assert row is not None
    return str(row[0])


def _admit(connection: Connection[tuple[object, ...]], role: str, password: str | None) -> None:
    """Make the role if it is not there, and grant it the use of what there is."""
    from psycopg import sql

    name = sql.Identifier(role)
    row = connection.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
    if row is None:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    elif row[0]:
        raise BadValue("role", role, "one that is neither superuser nor has BYPASSRLS, which see every tenant's rows")
    if password is not None:
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(password)))
    connection.execute("INSERT INTO wayfare.roles (role) VALUES (%s) ON CONFLICT DO NOTHING", (role,))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA wayfare TO {}").format(name))
    connection.execute(sql.SQL("GRANT SELECT ON wayfare.meta TO {}").format(name))
    # A server asks who is calling before it knows for which namespace.
    connection.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON wayfare.tokens TO {}").format(name))
    for function in ("own_namespace()", "readable_namespaces()", "make_vectors(INTEGER)"):
        connection.execute(sql.SQL(f"GRANT EXECUTE ON FUNCTION wayfare.{function} TO {{}}").format(name))
    made = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'wayfare'").fetchall()
    names = [str(each) for (each,) in made]
    for table in names:
        if table.startswith("vectors_") or (table in table_names() and table not in WITHOUT_TENANT):
            connection.execute("SELECT wayfare.admit(%s, %s)", (role, table))


def _run(connection: Connection[tuple[object, ...]], statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(statement.encode())
