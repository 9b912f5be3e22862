"""How alike what memories say is, and which are near to one: by their vectors, where there are none by their words.

Only the vector of what a memory says counts, not those of its keys. Of what was merged or forgotten the vector is still
there; where it is not (the namespace has moved to another embedder since) nothing is known of how alike it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.index.cache import NamespaceCache, caches
from wayfare.memory.index.tokens import tokens
from wayfare.memory.records import Record
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import RECORD_COLUMNS, record_from
from wayfare.memory.upkeep.plans import Look, marks, parts

__all__ = ["Likeness", "Seen"]

Vector = NDArray[np.float64]
BEGIN, MOST = 16, 4_096
"""How many neighbours are asked for first, and in the end at most."""
BY_WORDS = 50


@dataclass(frozen=True)
class Seen:
    """What is to be known of a record.

    times: event_from, event_to, valid_from, valid_to        words: distinct, as the index knows them
    keys: (role, text)
    """

    number: int
    id: str
    version: int
    status: str
    kind: str
    form: str
    content: str
    updated_at: float
    times: tuple[float | None, ...]
    tags: tuple[str, ...]
    keys: frozenset[tuple[str, str]]
    words: frozenset[str]


class Likeness:
    """In one snapshot. What it has read it remembers."""

    def __init__(self, look: Look) -> None:
        self._tx: Transaction = look.tx
        self._ns = look.ns
        self._cache: NamespaceCache = caches(look.engine.database)[look.ns]
        self._space = look.engine.serving(look.tx)
        self._seen: dict[str, Seen] = {}
        self._ids: dict[int, str] = {}
        self._vectors: dict[int, Vector | None] = {}

    def fresh(self, changed: frozenset[str] | None, kinds: Iterable[str] | None) -> list[Seen]:
        """The active ones among those that have changed; None: all."""
        chosen = None if kinds is None else set(kinds)
        if changed is None:
            self._read("status = 'active'", ())
        else:
            for part in parts(sorted(changed)):
                self._read(f"id IN ({marks(part)})", tuple(part))
        found = [self._seen[id] for id in sorted(self._seen)]
        return [each for each in found if each.status == "active" and (chosen is None or each.kind in chosen)]

    def seen(self, id: str) -> Seen:
        """A record that is there."""
        if id not in self._seen:
            self._read("id = ?", (id,))
        return self._seen[id]

    def readable(self, id: str) -> bool:
        """Whether its text is still there."""
        if id not in self._seen:
            self._read("id = ?", (id,))
        return id in self._seen and bool(self._seen[id].content)

    def near(self, one: Seen, threshold: float) -> list[Seen]:
        """Active others that may be so similar: none that is gets lost, but for what an approximate search misses."""
        vector = self._vector(one)
        if vector is None:
            numbers, _ = self._cache.words(one.content, BY_WORDS)
        else:
            k = BEGIN
            while True:
                numbers, scores = self._cache.nearest(vector.astype(np.float32), k)
                if len(numbers) < k or scores[-1] < threshold or k >= MOST:
                    break
                k *= 4
            numbers = numbers[scores >= threshold - 1e-6]
        missing = [number for number in numbers.tolist() if number not in self._ids]
        for part in parts(missing):
            self._read(f"record IN ({marks(part)})", tuple(part))
        found = [self._seen[self._ids[number]] for number in numbers.tolist() if number in self._ids]
        return [each for each in found if each.status == "active" and each.id != one.id]

    def similarity(self, a: Seen, b: Seen) -> float | None:
        """At most 1; None where it is not known."""
        mine, other = self._vector(a), self._vector(b)
        if mine is not None and other is not None:
            return min(1.0, float(np.dot(mine, other)))
        if self._space is not None:
            return None
        return len(a.words & b.words) / max(1, len(a.words | b.words))

    def _read(self, where: str, given: tuple[object, ...]) -> None:
        rows = self._tx.execute(
            f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND status != 'tombstone' AND {where} ORDER BY record",
            (self._ns, *given),
        ).fetchall()
        keys: dict[int, set[tuple[str, str]]] = {}
        for part in parts([row[0] for row in rows]):
            entries = self._tx.execute(
                f"SELECT record, role, text FROM entries WHERE record IN ({marks(part)}) AND ns = ? AND alive = 1"
                " AND role NOT IN ('content', 'context') ORDER BY ordinal",
                (*part, self._ns),
            )
            for number, role, text in entries.fetchall():
                keys.setdefault(number, set()).add((role, text))
        for row in rows:
            record = record_from(row, "")
            self._ids[row[0]] = record.id
            times = (record.event_from, record.event_to, record.valid_from, record.valid_to)
            self._seen[record.id] = Seen(
                row[0], record.id, record.version, record.status, record.kind, _carrier(record), record.content,
                record.updated_at, times, record.tags,
                frozenset(keys.get(row[0], ())), frozenset(tokens(record.content)),
            )  # fmt: skip

    def _vector(self, one: Seen) -> Vector | None:
        if self._space is None:
            return None
        if one.number not in self._vectors:
            row = self._tx.execute(
                "SELECT MAX(ordinal) FROM entries WHERE record = ? AND ns = ? AND role = 'content'",
                (one.number, self._ns),
            ).fetchone()
            found = None if row[0] is None else self._tx.vectors.one(self._ns, self._space, int(row[0]))
            self._vectors[one.number] = None if found is None else found.astype(np.float64)
        return self._vectors[one.number]


def _carrier(record: Record) -> str:
    """Those that carry other bytes are never the same, however alike their texts."""
    return record.form if record.payload is None else f"{record.form} {record.payload.digest}"
