"""How a file that may be damaged is looked at: a connection that changes nothing, and findings."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wayfare.errors import Unavailable

__all__ = ["SEVERITIES", "Finding", "Findings", "Severity", "looked_at"]

Severity = Literal["note", "warning", "damage"]
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "damage")
MOST_ALIKE = 5
"""Findings of one table with one remedy that are spelled out; the rest are counted."""
SAVE = "wayfare memory doctor --salvage NEW.db copies what is whole"


@dataclass(frozen=True)
class Finding:
    """severity: `note` is only odd, `warning` is wrong but harms no text, `damage` is lost or changed data

    table: where        what: is wrong        remedy: what to do        alike: how many more there are like it
    """

    severity: Severity
    table: str
    what: str
    remedy: str
    alike: int = 0

    def __str__(self) -> str:
        more = f" (and {self.alike} more like it)" if self.alike else ""
        return f"{self.severity:7} {self.table}: {self.what}{more}; {self.remedy}"


class Findings:
    """Collects findings; many of a kind become a few and a number."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, severity: Severity, table: str, what: str, remedy: str = SAVE) -> None:
        """One more."""
        kind = (severity, table, remedy)
        self._counts[kind] += 1
        if self._counts[kind] <= MOST_ALIKE:
            self._kept.append(Finding(severity, table, what, remedy))

    def all(self) -> tuple[Finding, ...]:
        """Worst first, in the order of finding."""
        last = {(each.severity, each.table, each.remedy): i for i, each in enumerate(self._kept)}
        found = [
            Finding(each.severity, each.table, each.what, each.remedy, max(0, self._counts[kind] - MOST_ALIKE))
            if last[kind := (each.severity, each.table, each.remedy)] == i
            else each
            for i, each in enumerate(self._kept)
        ]
        return tuple(sorted(found, key=lambda each: -SEVERITIES.index(each.severity)))


def looked_at(path: str) -> sqlite3.Connection:
    """A connection that can read and not write; text that is no UTF-8 comes as it is, with surrogates.

    Raises: Unavailable where it cannot be opened.
    """
    uri = Path(path).absolute().as_uri() + "?mode=ro"
    waiting = os.path.exists(f"{path}-wal") and os.path.getsize(f"{path}-wal") > 0
    last: sqlite3.Error | None = None
    for each in (uri, *([] if waiting else [f"{uri}&immutable=1"])):  # the second where no -shm file can be made
        connection = None
        try:
            connection = sqlite3.connect(each, uri=True, isolation_level=None, timeout=30.0)
            connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
            connection.execute("PRAGMA writable_schema = ON")  # else a file that ends early is not read at all
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            return connection
        except sqlite3.DatabaseError as error:
            last = error
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if connection is not None and code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                return connection
            if connection is not None:
                connection.close()
    raise Unavailable(f"{path} cannot be opened: {last}")
