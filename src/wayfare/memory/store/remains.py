"""What can still be read of a damaged file: rows, past the pages that cannot.

A table is read forwards until a page cannot be read, then backwards, and the whole numbers between are asked for one by
one; whoever knows other keys asks for those. Nothing is believed here: checksums are the reader's business.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from wayfare.errors import Damaged

__all__ = ["KEYS", "Remains", "Row"]

Row = dict[str, Any]
KEYS = {
    "namespaces": "ns", "spaces": "space", "records": "record", "versions": "ns, id, version",
    "links": "ns, source, type, target", "log": "ns, seq", "answers": "ns, key", "entries": "ns, ordinal",
    "policies": "ns, id", "standing": "ns", "tasks": "ns, id", "receipts": "ns, seq", "outcomes": "ns, seq",
    "credits": "ns, record, seq", "blocks": "block", "copies": "ns, id", "tokens": "id", "payloads": "ns, digest, part",
}  # fmt: skip
"""Tables that are read, and their primary keys; the others are made anew."""
NUMBERED = ("namespaces", "spaces", "records", "log", "entries", "receipts", "outcomes")
MOST_ASKED = 1_000_000
"""Numbers in a hole that are asked for."""


class Remains:
    """unread: tables with pages that cannot be read        version: of the tables, None where that cannot be read

    Raises: Damaged where not even the list of tables can be read.
    """

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self.unread: set[str] = set()
        self._columns: dict[str, list[str]] = {}
        try:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                if name in KEYS or name == "meta":
                    self._columns[name] = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
        except sqlite3.DatabaseError as error:
            raise Damaged(f"{path}: not even the list of tables can be read: {error}") from error
        if not self._columns:
            raise Damaged(f"{path} has none of a memory's tables")
        said = [row["value"] for row in self.ask("meta", "key = ?", ("version",))]
        self.version = int(said[0]) if said and str(said[0]).isdigit() else None

    def ask(self, table: str, where: str, values: Sequence[object]) -> list[Row]:
        """The rows of which something is known."""
        found: list[Row] = []
        if table in self._columns:
            try:
                found += self._select(table, f"WHERE {where}", values)
            except sqlite3.DatabaseError:
                self.unread.add(table)
        return found

    def rows(self, table: str) -> Iterator[Row]:
        """All that can be read without knowing what is missing, each once."""
        if table not in self._columns:
            self.unread.add(table)
            return
        key = KEYS[table].split(", ")
        seen: set[tuple[Any, ...]] = set()
        for direction in ("", " DESC"):
            try:
                for row in self._select(table, f"NOT INDEXED ORDER BY {', '.join(each + direction for each in key)}"):
                    at = tuple(row[each] for each in key)
                    if at not in seen:
                        seen.add(at)
                        yield row
                return
            except sqlite3.DatabaseError:
                self.unread.add(table)
        if table in NUMBERED:
            yield from self._between(table, key, seen)

    def _select(self, table: str, rest: str, values: Sequence[object] = ()) -> Iterator[Row]:
        columns = self._columns[table]
        for row in self._connection.execute(f"SELECT {', '.join(columns)} FROM {table} {rest}", values):
            yield dict(zip(columns, row, strict=True))

    def _between(self, table: str, key: Sequence[str], seen: set[tuple[Any, ...]]) -> Iterator[Row]:
        where = " AND ".join(f"{each} = ?" for each in key)
        last: dict[tuple[Any, ...], int] = {}
        for at in seen:
            if not all(isinstance(each, int) for each in at):
                continue
            last[at[:-1]] = max(last.get(at[:-1], 0), at[-1])
        for head, most in last.items():
            for number in range(min(most, MOST_ASKED)):
                if (*head, number) not in seen:
                    yield from self.ask(table, where, (*head, number))
