"""The links of a namespace, changed; and what the log tells of each change, so that it can be undone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from wayfare.memory.records import Link
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import link_row

__all__ = ["Links"]

_KEPT = "weight, evidence, valid_from, valid_to"


class Links:
    """Of one transaction. told: [source, target, type, before, after] of each change that no row of the log has told of
    yet: `weight, evidence, valid_from, valid_to`, or null where there was or is none."""

    def __init__(self, tx: Transaction, ns: int, time: float) -> None:
        self._tx, self._ns, self._time = tx, ns, time
        self.told: list[list[Any]] = []

    def put(self, link: Link) -> None:
        """Write a link; where it is there, over it."""
        row = link_row(link)
        before = self._tx.execute(
            f"SELECT {_KEPT} FROM links WHERE ns = ? AND source = ? AND type = ? AND target = ?",
            (self._ns, link.source, link.type, link.target),
        ).fetchone()
        self.told.append([link.source, link.target, link.type, _told(before), _told(row[3:7])])
        self._tx.execute(
            "INSERT INTO links (ns, source, target, type, weight, evidence, valid_from, valid_to, checksum, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (ns, source, type, target) DO UPDATE SET"
            " weight = excluded.weight, evidence = excluded.evidence, valid_from = excluded.valid_from,"
            " valid_to = excluded.valid_to, checksum = excluded.checksum",
            (self._ns, *row, self._time),
        )

    def drop(self, source: str, target: str, type: str) -> bool:
        """Take a link away; whether there was one."""
        gone = self._tx.execute(
            f"DELETE FROM links WHERE ns = ? AND source = ? AND type = ? AND target = ? RETURNING {_KEPT}",
            (self._ns, source, type, target),
        ).fetchone()
        if gone is not None:
            self.told.append([source, target, type, _told(gone), None])
        return gone is not None


def _told(row: Sequence[Any] | None) -> list[Any] | None:
    return None if row is None else [row[0], json.loads(row[1]), row[2], row[3]]
