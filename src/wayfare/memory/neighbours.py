"""What a planner sees of the store: the records nearest to a draft, and what an earlier draft of the batch became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.index.cache import NamespaceCache
from wayfare.memory.index.tokens import tokens
from wayfare.memory.operations import Add, Archive, Delete, Merge, Operation, Supersede, Update
from wayfare.memory.planners import Neighbour, Wanted
from wayfare.memory.records import Record
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import RECORD_COLUMNS, record_from

__all__ = ["Surroundings"]

Vector = NDArray[np.float32]
SPARE = 3
"""Times as many are looked for as are wanted: a record may be near by a key, not by what it says."""


class Surroundings:
    """Of the drafts of one batch. What carries a payload is more than its text, and near to none.

    vectors: text -> [D], of the serving space; nothing where there is none."""

    def __init__(
        self, tx: Transaction, ns: int, cache: NamespaceCache, space: int | None, vectors: Mapping[str, Vector]
    ) -> None:
        self._tx, self._ns, self._cache, self._space, self._vectors = tx, ns, cache, space, vectors
        self._batch: dict[str, Record] = {}
        self._gone: set[str] = set()

    def of(self, draft: Add, wanted: Wanted, without: Sequence[str] = ()) -> list[Neighbour]:
        """Active records near a draft, the nearest first; those with the wanted tag all, in the order of their ids."""
        hidden = self._gone | set(without)
        found: dict[str, Neighbour] = {}
        if wanted.nearest:
            near = [self._compared(draft, record) for record in self._near(draft, wanted.nearest, hidden)]
            near += [self._compared(draft, record) for record in self._batch.values() if record.id not in hidden]
            near.sort(key=lambda neighbour: (-neighbour.similarity, neighbour.record.id))
            found = {neighbour.record.id: neighbour for neighbour in near[: wanted.nearest]}
        if wanted.tag is not None:
            tagged = self._read("record IN (SELECT record FROM tags WHERE ns = ? AND tag = ?)", (self._ns, wanted.tag))
            known = {record.id: record for record in tagged} | {
                id: record for id, record in self._batch.items() if wanted.tag in record.tags
            }
            for id in sorted(known):
                if id not in hidden and id not in found and known[id].id == id:
                    found[id] = self._compared(draft, known[id])
        return list(found.values())

    def note(self, ops: Sequence[Operation]) -> None:
        """These will have been applied before the next draft's."""
        for op in ops:
            match op:
                case Add():
                    self._keep(op)
                case Update():
                    self._change(op)
                case Supersede():
                    self._gone.add(op.id)
                    if isinstance(op.by, Add):
                        self._keep(op.by)
                case Merge():
                    self._gone.update(id for id in op.ids if id != op.into)
                    if isinstance(op.into, Add):
                        self._keep(op.into)
                case Delete() | Archive():
                    self._gone.add(op.id)

    def _keep(self, add: Add) -> None:
        if add.id is not None and add.payload is None:
            self._batch[add.id] = Record(
                add.id, add.content, add.kind, add.form, tags=tuple(add.tags), meta=add.meta,
                event_from=add.event_from, event_to=add.event_to, valid_from=add.valid_from, valid_to=add.valid_to,
            )  # fmt: skip

    def _change(self, op: Update) -> None:
        record = self._batch.get(op.id)
        if record is None:
            found = self._read("id = ?", (op.id,))
            if not found:
                return
            record = found[0]
        fields = {name: value for name, value in op.changes.items() if name not in ("keys", "context", "payload")}
        self._batch[op.id] = replace(record, version=record.version + 1, **fields)

    def _near(self, draft: Add, k: int, hidden: set[str]) -> list[Record]:
        vector = self._vectors.get(draft.content)
        if vector is not None:
            numbers, _ = self._cache.nearest(vector, k * SPARE + len(hidden))
        else:
            numbers, _ = self._cache.words(draft.content, k * SPARE + len(hidden))
        if not len(numbers):
            return []
        marks = ", ".join("?" * len(numbers))
        records = self._read(f"record IN ({marks})", tuple(numbers.tolist()))
        return [record for record in records if record.id not in hidden and record.id not in self._batch]

    def _read(self, where: str, values: Sequence[object]) -> list[Record]:
        rows = self._tx.execute(
            f"SELECT {RECORD_COLUMNS} FROM records WHERE ns = ? AND status = 'active' AND payload IS NULL AND {where}",
            (self._ns, *values),
        ).fetchall()
        return [record_from(row, "") for row in rows]

    def _compared(self, draft: Add, record: Record) -> Neighbour:
        mine = self._vectors.get(draft.content)
        if mine is not None:
            other = self._vectors.get(record.content)
            if other is None:
                other = self._stored(record.id)
            if other is not None:
                return Neighbour(record, min(1.0, float(np.dot(mine, other))))
        own, its = set(tokens(draft.content)), set(tokens(record.content))
        return Neighbour(record, len(own & its) / max(1, len(own | its)))

    def _stored(self, id: str) -> Vector | None:
        """The vector of what a record says, not of its keys."""
        row = self._tx.execute(
            "SELECT e.ordinal FROM records r JOIN entries e ON e.record = r.record"
            " WHERE r.ns = ? AND r.id = ? AND e.role = 'content' AND e.alive = 1 ORDER BY e.ordinal LIMIT 1",
            (self._ns, id),
        ).fetchone()
        if row is None or self._space is None:
            return None
        return self._tx.vectors.one(self._ns, self._space, int(row[0]))
