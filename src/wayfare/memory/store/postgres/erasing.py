"""What erasing takes in PostgreSQL: VACUUM, and a search of every row of the namespace.

An earlier version of a row lies in its page until VACUUM, which this role may run from PostgreSQL 17 on (before, the
server's own autovacuum does, in its time). Bytes in the gaps of pages, in the write-ahead log, on replicas and in
backups are the server's: how long those live is its administrator's to settle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wayfare.errors import Unavailable
from wayfare.memory.scanning import Place, Runs
from wayfare.memory.store import payload_rows
from wayfare.memory.store.postgres.driver import psycopg
from wayfare.memory.store.postgres.errors import named
from wayfare.memory.store.postgres.schema import SCHEMA

if TYPE_CHECKING:
    from wayfare.memory.store.database import Transaction
    from wayfare.memory.store.postgres.database import PostgresDatabase

__all__ = ["PostgresErasing"]

MAINTAIN = 170_000


class PostgresErasing:
    """The `Erasing` of one namespace."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def own_words(self, tx: Transaction) -> Iterator[str]:
        """As `Erasing.own_words`: none, the tables of the server hold no memory."""
        return iter(())

    def settle(self) -> None:
        """As `Erasing.settle`."""
        database = self._database
        with database.lent() as connection:
            if connection.info.server_version < MAINTAIN:
                return
            try:
                names = connection.execute(
                    "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = %s AND tablename NOT IN"
                    " ('meta', 'roles')",
                    (SCHEMA,),
                ).fetchall()
                connection.execute("VACUUM (TRUNCATE false) " + ", ".join(f"{SCHEMA}.{name}" for (name,) in names))
            except psycopg().Error as error:
                raise Unavailable(f"emptied, but not vacuumed: {named(error, database.path)}") from error

    def scan(self, runs: Runs) -> tuple[int, list[Place]]:
        """As `Erasing.scan`: texts and bytes of every row that the namespace has."""
        total, found = 0, []
        with self._database.read() as tx:
            ns = tx.namespace(self._database.own)
            columns = tx.execute(
                "SELECT c.table_name, c.column_name FROM information_schema.columns c WHERE c.table_schema = ?"
                " AND c.data_type IN ('text', 'bytea') AND EXISTS (SELECT 1 FROM information_schema.columns n"
                " WHERE n.table_schema = c.table_schema AND n.table_name = c.table_name AND n.column_name = 'ns')",
                (SCHEMA,),
            ).fetchall()
            for table, column in columns:
                for value in _values(tx, ns, table, column):
                    data = value.encode() if isinstance(value, str) else bytes(value)
                    total += len(data)
                    found += [Place(f"{table}.{column}", at, run) for at, run in runs.find(data)]
        return total, found

    def rebuild(self) -> bool:
        """As `Erasing.rebuild`: not from here."""
        return False


def _values(tx: Transaction, ns: int | None, table: str, column: str) -> Iterator[str | bytes]:
    if (table, column) == ("payloads", "data"):  # together they may be larger than what this process can hold
        for digest in payload_rows.stored(tx, ns or 0):
            yield from (data for _, data in payload_rows.pieces(tx, ns or 0, digest))
        return
    rows = tx.execute(f'SELECT "{column}" FROM "{table}" WHERE ns = ? AND "{column}" IS NOT NULL', (ns,))
    yield from (value for (value,) in rows)
