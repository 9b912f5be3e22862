"""What is wrong with a memory, by counts and ids. It only looks.

duplicates      the same text, but for case and white space, under several active memories (of several kinds)
near            groups in which every two texts are almost the same, as `duplicates` would merge them
echoes          what only restates a memory that had been recalled before it was written
never           active memories that no recall has shown yet
orphans         links from or to a memory that is forgotten, or not there
provenance      memories that name a source which is forgotten or not there, or a recall that left no receipt
stale           memories whose sources were revised, superseded or forgotten since (`derivatives`)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wayfare.memory.echo import echo_of
from wayfare.memory.engine import Engine
from wayfare.memory.index.cache import caches
from wayfare.memory.records import Record
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import RECORD_COLUMNS, record_from
from wayfare.memory.upkeep.derivatives import SweepStale
from wayfare.memory.upkeep.duplicates import MergeDuplicates, groups
from wayfare.memory.upkeep.plans import Look, marks, parts

__all__ = ["Audit", "audit"]

NEAR = 5
"""Memories of which a new one may be an echo, beside those that it names as its sources."""
RECALLED = "recall:"


@dataclass(frozen=True)
class Audit:
    """statuses: status -> how many memories        threshold: of `near`

    duplicates, near: groups of ids        echoes: (id, id of what it restates)        never: ids
    orphans: (source, type, target)        provenance: (id, what it names)        stale: (id, why)
    """

    statuses: Mapping[str, int]
    threshold: float
    duplicates: tuple[tuple[str, ...], ...]
    near: tuple[tuple[str, ...], ...]
    echoes: tuple[tuple[str, str], ...]
    never: tuple[str, ...]
    orphans: tuple[tuple[str, str, str], ...]
    provenance: tuple[tuple[str, str], ...]
    stale: tuple[tuple[str, str], ...]

    @property
    def active(self) -> int:
        """Memories that can be recalled."""
        return self.statuses.get("active", 0)

    @property
    def never_recalled(self) -> float:
        """Share of the active ones."""
        return len(self.never) / self.active if self.active else 0.0


def audit(engine: Engine, threshold: float = 0.92) -> Audit:
    """Look at all of a namespace, in one snapshot. threshold: of near duplicates. Raises: BadValue; StoreError."""
    merging = MergeDuplicates(threshold)  # checks it
    with engine.database.read() as tx:
        ns = engine.number(tx)
        if ns is None:
            return Audit({}, threshold, (), (), (), (), (), (), ())
        look = Look(engine, tx, ns, engine.clock(), None)
        near, _ = groups(look, merging.threshold, None)
        stale = SweepStale().plan(look).steps
        readable = [ns, *(number for path in engine.also_read if (number := engine.number(tx, path)) is not None)]
        return Audit(
            dict(
                tx.execute(
                    "SELECT status, COUNT(*) FROM records WHERE ns = ? GROUP BY status ORDER BY status", (ns,)
                ).fetchall()
            ),
            threshold, _same(tx, ns), tuple(tuple(each.id for each in members) for _, members in near),
            _echoes(engine, tx, ns), _never(tx, ns), _orphans(tx, ns, readable), _broken(tx, ns, readable),
            tuple((each.step.ids[0], each.step.reason) for each in stale),
        )  # fmt: skip


def _same(tx: Transaction, ns: int) -> tuple[tuple[str, ...], ...]:
    """Of one kind the store itself lets no two say the same."""
    by: dict[bytes, list[str]] = {}
    rows = tx.execute("SELECT content_hash, id FROM records WHERE ns = ? AND status = 'active' ORDER BY id", (ns,))
    for hashed, id in rows:
        by.setdefault(bytes(hashed), []).append(id)
    return tuple(tuple(ids) for ids in by.values() if len(ids) > 1)


def _never(tx: Transaction, ns: int) -> tuple[str, ...]:
    rows = tx.execute(
        "SELECT r.id FROM records r LEFT JOIN utilities u ON u.record = r.record"
        " WHERE r.ns = ? AND r.status = 'active' AND coalesce(u.recalled, 0) = 0 ORDER BY r.id",
        (ns,),
    )
    return tuple(id for (id,) in rows)


def _echoes(engine: Engine, tx: Transaction, ns: int) -> tuple[tuple[str, str], ...]:
    first: dict[int, float] = {}  # record -> when it was recalled first
    for time, body in tx.execute("SELECT time, body FROM log WHERE ns = ? AND op = 'RECALL' ORDER BY seq", (ns,)):
        for number in json.loads(body)["records"]:
            first.setdefault(int(number), time)
    if not first:
        return ()
    shown = _records(tx, ns, sorted(first))
    numbers = {record.id: number for number, record in shown.items()}
    cache = caches(engine.database)[ns]
    rows = tx.execute(
        f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND status = 'active' AND payload IS NULL ORDER BY id",
        (ns,),
    ).fetchall()
    found = []
    for row in rows:
        record = record_from(row, "")
        nearby = {int(number) for number in cache.words(record.content, NEAR)[0]}
        nearby |= {numbers[parent] for each in record.provenance for parent in each.parents if parent in numbers}
        before = [
            shown[number]
            for number in sorted(nearby)
            if number in shown and number < row[0] and first[number] <= record.created_at
        ]
        of = echo_of(record.content, before)
        if of is not None:
            found.append((record.id, of))
    return tuple(found)


def _records(tx: Transaction, ns: int, numbers: list[int]) -> dict[int, Record]:
    found = {}
    for part in parts(numbers):
        rows = tx.execute(
            f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND record IN ({marks(part)})"
            " AND status != 'tombstone'",
            (ns, *part),
        )
        found.update({int(row[0]): record_from(row, "") for row in rows.fetchall()})
    return found


def _orphans(tx: Transaction, ns: int, readable: list[int]) -> tuple[tuple[str, str, str], ...]:
    there = f"SELECT 1 FROM records r WHERE r.ns IN ({marks(readable)}) AND r.status != 'tombstone' AND r.id"
    rows = tx.execute(
        f"SELECT source, type, target FROM links l WHERE l.ns = ? AND (NOT EXISTS ({there} = l.source)"
        f" OR NOT EXISTS ({there} = l.target)) ORDER BY source, type, target",
        (ns, *readable, *readable),
    )
    return tuple((source, type, target) for source, type, target in rows.fetchall())


def _broken(tx: Transaction, ns: int, readable: list[int]) -> tuple[tuple[str, str], ...]:
    named: list[tuple[str, str]] = []
    rows = tx.execute(
        "SELECT id, provenance FROM records WHERE ns = ? AND status != 'tombstone' AND provenance != '[]' ORDER BY id",
        (ns,),
    )
    for id, provenance in rows:
        for uri, _, _, parents in json.loads(provenance):
            named += [(id, parent) for parent in parents]
            if uri.startswith(RECALLED):
                named.append((id, uri))
    gone = _absent(tx, readable, {name for _, name in named if not name.startswith(RECALLED)})
    gone |= _unwritten(tx, ns, {name for _, name in named if name.startswith(RECALLED)})
    return tuple(dict.fromkeys(pair for pair in named if pair[1] in gone))


def _absent(tx: Transaction, readable: list[int], ids: set[str]) -> set[str]:
    there: set[Any] = set()
    for part in parts(sorted(ids)):
        rows = tx.execute(
            f"SELECT id FROM records WHERE ns IN ({marks(readable)}) AND id IN ({marks(part)})"
            " AND status != 'tombstone'",
            (*readable, *part),
        )
        there |= {id for (id,) in rows.fetchall()}
    return ids - there


def _unwritten(tx: Transaction, ns: int, uris: set[str]) -> set[str]:
    there: set[str] = set()
    for part in parts(sorted(uris)):
        given = [uri.removeprefix(RECALLED) for uri in part]
        rows = tx.execute(f"SELECT id FROM receipts WHERE ns = ? AND id IN ({marks(given)})", (ns, *given))
        there |= {RECALLED + id for (id,) in rows.fetchall()}
    return uris - there
