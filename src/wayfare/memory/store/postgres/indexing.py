"""Indices for large namespaces: an HNSW index over the vectors of one space, made while everybody goes on.

    index_large("postgresql://owner@db.example/app")

Building takes some minutes for a million vectors, and memory (`maintenance_work_mem`). An index that was left half made
by a stopped run is dropped and made again; one of a space that serves no more is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

from wayfare.errors import BadValue, StoreError
from wayfare.memory.store.postgres.driver import psycopg, without_password
from wayfare.memory.store.postgres.errors import named
from wayfare.memory.store.postgres.schema import SCHEMA, vector_table
from wayfare.memory.store.postgres.vectors import FEWEST_INDEXED, MOST_INDEXED_DIMENSIONS, space_index

__all__ = ["Indexed", "index_large"]


@dataclass(frozen=True)
class Indexed:
    """What became of the index of one space. action: made | dropped | left (too many dimensions for one)"""

    namespace: str
    space: int
    vectors: int
    action: str

    def __str__(self) -> str:
        return f"{self.namespace}: index over {self.vectors:,} vectors {self.action}"


def index_large(address: str, *, fewest: int = FEWEST_INDEXED) -> list[Indexed]:
    """Make the missing indices over spaces of at least `fewest` vectors, drop those that serve nobody.

    address: of the role that owns the tables and sees every namespace (a superuser, or one with BYPASSRLS)
    Raises: BadValue for a role that sees no rows; StoreError; Unavailable.
    """
    driver, shown = psycopg(), without_password(address)
    found: list[Indexed] = []
    try:
        with driver.connect(address, autocommit=True, connect_timeout=10) as connection:
            (sees,) = connection.execute(
                "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            if not sees:
                raise BadValue("address", shown, "of a role that sees every namespace: a superuser, or with BYPASSRLS")
            (there,) = connection.execute(f"SELECT to_regclass('{SCHEMA}.spaces') IS NOT NULL").fetchone()
            if not there:
                raise StoreError(f"{shown} has no memory yet: `wayfare memory install` makes its tables")
            whole = _indices(connection)
            spaces = connection.execute(
                f"SELECT n.path, s.space, s.dimension, n.space = s.space FROM {SCHEMA}.spaces s"
                f" JOIN {SCHEMA}.namespaces n ON n.ns = s.ns ORDER BY s.space"
            ).fetchall()
            for path, space, dimension, serves in spaces:
                name = space_index(space)
                if name in whole and not (whole[name] and serves):
                    connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {SCHEMA}.{name}")
                    del whole[name]
                    if not serves:
                        found.append(Indexed(path, space, 0, "dropped"))
                if not serves or name in whole:
                    continue
                made = _made(connection, path, space, dimension, fewest)
                if made is not None:
                    found.append(made)
    except driver.Error as error:
        raise named(error, shown) from error
    return found


def _indices(connection: object) -> dict[str, bool]:
    """Those that there are, and whether they are whole."""
    rows = connection.execute(  # type: ignore[attr-defined]
        "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname LIKE 'nearest\\_in\\_%%'",
        (SCHEMA,),
    ).fetchall()
    return {str(name): bool(valid) for name, valid in rows}


def _made(connection: object, path: str, space: int, dimension: int, fewest: int) -> Indexed | None:
    execute = connection.execute  # type: ignore[attr-defined]
    table = f"{SCHEMA}.{vector_table(dimension)}"
    (there,) = execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    if not there:
        return None
    (count,) = execute(f"SELECT count(*) FROM {table} WHERE space = {int(space)}").fetchone()
    if count < fewest:
        return None
    if dimension > MOST_INDEXED_DIMENSIONS:
        return Indexed(path, space, count, "left: pgvector indexes at most 2,000 dimensions")
    row = execute(
        "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " WHERE e.extname = 'vector'"
    ).fetchone()
    execute(
        f"CREATE INDEX CONCURRENTLY {space_index(space)} ON {table} USING hnsw"
        f" (embedding {row[0]}.vector_ip_ops) WHERE space = {int(space)}"
    )
    return Indexed(path, space, count, "made")
