"""Saves what can be saved: every row that answers to its checksum, into a new file that opens and works.

A table is read forwards until a page cannot be read, then backwards, and what lies between is asked for row by row, by
the keys that other rows name. What rests on other rows is made anew from what was saved: tags, the index with its
words, lexical vectors, utilities and accounts (a replay of the credits). Holes are closed so that the new file is
consistent: a lost row of the log becomes one of op LOST, a lost earlier version an empty one, as a purge leaves it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from wayfare.errors import BadValue, StoreError
from wayfare.memory.store.carried_outcomes import Carried
from wayfare.memory.store.file import FileDatabase
from wayfare.memory.store.looking import looked_at
from wayfare.memory.store.remains import Remains
from wayfare.memory.store.schema import VERSION

__all__ = ["Saved", "salvage"]

MOST_NAMED = 20


@dataclass(frozen=True)
class Saved:
    """What was carried over.

    rows: by table        rejected: rows that could be read, and did not answer to their checksum or to other rows
    unread: tables of which some pages could not be read        records: ids that the log knows and that are lost
    """

    source: str
    target: str
    rows: dict[str, int]
    rejected: dict[str, int]
    unread: tuple[str, ...]
    records: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.target}: " + (", ".join(f"{n} {table}" for table, n in self.rows.items() if n) or "nothing")]
        lines += [f"left out: {n} of {table}, which do not hold together" for table, n in self.rejected.items() if n]
        if self.unread:
            lines.append(f"pages that cannot be read: of {', '.join(self.unread)}")
        if self.records:
            named = ", ".join(self.records[:MOST_NAMED])
            lines.append(f"lost: {len(self.records)} memories, {named}{' ...' if self.records[MOST_NAMED:] else ''}")
        return "\n".join(lines if len(lines) > 1 else [*lines, "nothing is lost"])


def salvage(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> Saved:
    """Copy what is whole into a new file; the source stays as it is.

    Raises: BadValue where the source is not there, or the target is; Damaged where nothing of it can be read;
    StoreError where its tables are of another version; Unavailable where the target cannot be written.
    """
    old, new = os.path.abspath(os.fspath(source)), os.path.abspath(os.fspath(target))
    if not os.path.isfile(old):
        raise BadValue("source", str(source), "a file that is there")
    for each in (new, f"{new}-wal", f"{new}-shm"):
        if os.path.exists(each):
            raise BadValue("target", str(target), "a new file: nothing is overwritten")
    connection = looked_at(old)
    try:
        remains = Remains(connection, old)
        if remains.version not in (None, VERSION):
            raise StoreError(
                f"{old} has tables of version {remains.version}: first `wayfare memory migrate` to {VERSION}"
            )
        database = FileDatabase(new)
        try:
            with database.write() as tx:
                carried = Carried(remains, tx)
                carried.run()
            database.checkpoint()
        except BaseException:
            database.close()
            for each in (new, f"{new}-wal", f"{new}-shm"):
                if os.path.exists(each):
                    os.remove(each)
            raise
        database.close()
        rejected = {table: n for table, n in carried.rejected.items() if n}
        return Saved(old, new, dict(carried.rows), rejected, tuple(sorted(remains.unread)), carried.lost())
    finally:
        connection.close()
