"""Looks for damage in a file of memories, without changing a byte of it; and saves what can be saved.

    report = doctor("agent.db")
    print(report)                           # what was found, and what to do about it
    salvage("agent.db", "saved.db")         # every row that answers to its checksum, into a new file

What is looked at: pages and SQLite's own indices (its integrity check); the checksum of every row that has one; what
rows say of one another; the index against the texts; utilities against a replay of the credits. A part that cannot be
read is a finding, and the others are looked at all the same.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from wayfare.errors import BadValue
from wayfare.memory.store.file import FileTransaction
from wayfare.memory.store.index_checks import CHECKS as INDEX_CHECKS
from wayfare.memory.store.looking import Finding, Findings, looked_at
from wayfare.memory.store.row_checks import CHECKS as ROW_CHECKS
from wayfare.memory.store.row_checks import count, present, tables, version_of
from wayfare.memory.store.salvage import Saved, salvage
from wayfare.memory.store.schema import VERSION

__all__ = ["Finding", "Report", "Saved", "doctor", "guarded", "reported", "salvage"]


@dataclass(frozen=True)
class Report:
    """What a look at a file has found. worst: severity of the worst finding; `clean` without any

    version: of the tables, None where the file does not say        rows: by table, as far as they can be read
    """

    path: str
    version: int | None
    worst: Literal["clean", "note", "warning", "damage"]
    findings: tuple[Finding, ...]
    rows: dict[str, int]

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {table}" for table, count in self.rows.items() if count)
        head = f"{self.path}: tables of version {self.version}; {counts or 'no rows'}"
        if not self.findings:
            return f"{head}\nnothing is wrong: pages, checksums, references, index and utilities agree"
        return "\n".join([head, *map(str, self.findings)])


def doctor(path: str | os.PathLike[str]) -> Report:
    """Look for damage. The file stays as it is; others may go on using it.

    Raises: BadValue where there is no file; Unavailable where it cannot be opened at all.
    """
    name = os.path.abspath(os.fspath(path))
    if not os.path.isfile(name):
        raise BadValue("path", str(path), "a file that is there")
    found = Findings()
    connection = looked_at(name)
    version: int | None = None
    rows: dict[str, int] = {}
    try:
        tx = FileTransaction(connection, name, writing=False)
        if not _pages(connection, found):
            return reported(name, None, found, rows)
        guarded(found, "meta", lambda: tables(tx, found))
        version = version_of(tx)
        for table in present(tx):
            guarded(found, table, lambda table=table: rows.update({table: count(tx, table)}))  # type: ignore[misc]
        if version == VERSION:
            for table, check in (*ROW_CHECKS, *INDEX_CHECKS):
                guarded(found, table, lambda check=check: check(tx, found))  # type: ignore[misc]
        elif version is not None and version < VERSION:
            found.add(
                "note", "meta", f"tables of version {version}: only pages were looked at",
                f"wayfare memory migrate brings them to {VERSION}; then look again",
            )  # fmt: skip
    finally:
        connection.close()
    return reported(name, version, found, rows)


def _pages(connection: sqlite3.Connection, found: Findings) -> bool:
    """SQLite's own look at pages and indices; whether anything can be read."""
    try:
        for (said,) in connection.execute("PRAGMA integrity_check(100)"):
            if said != "ok":
                found.add("damage", "pages", " ".join(str(said).split()))
        return True
    except sqlite3.DatabaseError as error:
        found.add("damage", "pages", str(error))
    try:
        connection.execute("SELECT name FROM sqlite_master").fetchall()
        return True
    except sqlite3.DatabaseError:
        return False


def guarded(found: Findings, table: str, check: Callable[[], object]) -> None:
    """Whatever a check stumbles over is a finding: what is read here may be anything."""
    try:
        check()
    except Exception as error:
        found.add("damage", table, f"could not be looked at to the end: {type(error).__name__}: {error}")


def reported(path: str, version: int | None, found: Findings, rows: dict[str, int]) -> Report:
    """What was found, with the worst of it."""
    findings = found.all()
    return Report(path, version, findings[0].severity if findings else "clean", findings, rows)
