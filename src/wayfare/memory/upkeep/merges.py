"""What the log knows of merges: what stands for a record by now, what it has taken in, and what somebody took back."""

from __future__ import annotations

import json
from dataclasses import dataclass

from wayfare.memory.store.database import Transaction

__all__ = ["Merges", "merges_of"]


@dataclass(frozen=True)
class Merges:
    """Of one record, as they stand.

    took: ids that were merged into it, each with those that had been merged into these
    into: what it was merged into; None where it was not        version: of `into`, right after that
    undone: operations of merges that it had a part in and that were undone
    """

    took: tuple[str, ...] = ()
    into: str | None = None
    version: int = 0
    undone: frozenset[str] = frozenset()


def merges_of(tx: Transaction, ns: int, id: str) -> Merges:
    """Read from its rows of the log."""
    return _merges(tx, ns, id, frozenset())


def _merges(tx: Transaction, ns: int, id: str, above: frozenset[str]) -> Merges:
    """above: those on the way here: one that was gone back on after a merge may have taken in what had taken it in."""
    above |= {id}
    rows = tx.execute(
        "SELECT op, operation, body FROM log WHERE ns = ? AND id = ? AND op IN ('MERGE', 'MERGED', 'UNMERGE')"
        " ORDER BY seq",
        (ns, id),
    ).fetchall()
    standing: list[tuple[str, str, str]] = []
    undone = set()
    for op, operation, body in rows:
        if op != "UNMERGE":
            standing.append((op, operation, body))
        elif standing:
            undone.add(standing.pop()[1])
    took: dict[str, None] = {}
    into, version = None, 0
    for op, operation, body in standing:
        if op == "MERGED":
            into = json.loads(body)["into"]
            version = _version_after(tx, ns, into, operation)
            continue
        into = None
        for source, *_ in json.loads(body)["from"]:
            if source not in above:
                took[source] = None
                took.update(dict.fromkeys(_merges(tx, ns, source, above).took))
    return Merges(tuple(took), into, version, frozenset(undone))


def _version_after(tx: Transaction, ns: int, id: str, operation: str) -> int:
    row = tx.execute(
        "SELECT version FROM log WHERE ns = ? AND id = ? AND op = 'MERGE' AND operation = ? ORDER BY seq DESC LIMIT 1",
        (ns, id, operation),
    ).fetchone()
    return 0 if row is None else int(row[0])
