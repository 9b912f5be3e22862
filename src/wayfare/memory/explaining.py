"""Looking back: what was recalled for whom and why, and which outcomes a memory owes its utility to.

`Memory` is this and the other verbs; they are apart so that each file holds one idea.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wayfare.errors import BadValue, NoSuchReceipt
from wayfare.memory import reading
from wayfare.memory.engine import Engine
from wayfare.memory.governing import Governing
from wayfare.memory.opening import Ground
from wayfare.memory.recalled import Recall, RecalledItem, rendered
from wayfare.memory.receipts import COLUMNS, Receipt, receipt_from
from wayfare.memory.records import checked_name

__all__ = ["CreditedOnce", "Explaining"]

MOST = 1_000
LAST = 2**62


@dataclass(frozen=True)
class CreditedOnce:
    """What one outcome did to one memory.

    seq: of the outcome in the log        reward: in the declared range        granted: its weight, of `base` before the
    actor's cap        voided: taken out again, or replaced by a correction
    """

    seq: int
    task: str
    source: str
    actor: str
    time: float
    reward: float
    base: float
    granted: float
    voided: bool


class Explaining(Governing):
    """The verbs that look back."""

    engine: Engine
    _ground: Ground

    def receipt(self, id: str) -> Receipt:
        """What one recall had to choose from, what it showed, and with which probability. Raises: NoSuchReceipt."""
        checked_name("receipt", id)
        ground = self._ground
        with ground.database.read() as tx:
            row = tx.execute(f"SELECT {COLUMNS} FROM receipts WHERE ns = ? AND id = ?", (ground.ns, id)).fetchone()
        if row is None:
            raise NoSuchReceipt(id)
        return receipt_from(row)

    def receipts(self, *, task: str | None = None, before: int | None = None, limit: int = 50) -> list[Receipt]:
        """Receipts without their candidates, the last first.

        task: only of this one        before: `seq` of the last one of the page before        Raises: BadValue.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST:
            raise BadValue("limit", limit, f"a whole number from 1 to {MOST}")
        if before is not None and (isinstance(before, bool) or not isinstance(before, int) or not 0 < before < LAST):
            raise BadValue("before", before, "the seq of a receipt")
        ground = self._ground
        of_task = "" if task is None else " AND task = ?"
        given = (
            ground.ns,
            LAST if before is None else before,
            *(() if task is None else (checked_name("task", task),)),
        )
        columns = COLUMNS.replace("body", "NULL")
        with ground.database.read() as tx:
            rows = tx.execute(
                f"SELECT {columns} FROM receipts WHERE ns = ? AND seq < ?{of_task} ORDER BY seq DESC LIMIT ?",
                (*given, limit),
            ).fetchall()
        return [receipt_from(row) for row in rows]

    def recalled(self, receipt: Receipt) -> Recall:
        """A recall once more, from its receipt: of what it showed, what is still there, as it stands now."""
        ground = self._ground
        places: list[tuple[int, str]] = []
        with ground.database.read() as tx:
            for path in (ground.namespace, *ground.also_read):
                ns = tx.namespace(path)
                if ns is not None:
                    places.append((ns, path))
            found = reading.read_records(tx, places, [id for id, _ in receipt.shown])
        seen = receipt.candidates
        relevance = [0.0] * len(receipt.shown) if seen is None else [float(seen.relevance[i]) for i in receipt.slate]
        kept = [
            (found[id], near, chance)
            for (id, _), near, chance in zip(receipt.shown, relevance, receipt.inclusion, strict=True)
            if id in found
        ]
        text, shown = rendered([record for record, _, _ in kept])
        items = tuple(
            RecalledItem(record, near, near, chance, {}, part)
            for (record, near, chance), part in zip(kept, shown, strict=True)
        )
        return Recall(
            receipt.id, receipt.task, receipt.query, items, text, True, "", receipt.policies.get(receipt.side, ""),
            receipt.side, receipt.probability if receipt.shares else None,
            len(receipt.shown) if seen is None else len(seen), ground.namespace, receipt,
        )  # fmt: skip

    def credits(self, id: str) -> list[CreditedOnce]:
        """Every outcome that reached a memory, oldest first. Raises: NoSuchRecord."""
        record = self.engine.get(id)
        ground = self._ground
        low, high = ground.reward_range
        with ground.database.read() as tx:
            rows: list[Any] = tx.execute(
                "SELECT o.seq, o.task, o.source, o.actor, o.time, o.reward, c.base, c.granted, o.voided, o.replaced"
                " FROM records r JOIN credits c ON c.ns = r.ns AND c.record = r.record"
                " JOIN outcomes o ON o.ns = c.ns AND o.seq = c.seq WHERE r.ns = ? AND r.id = ? ORDER BY o.seq",
                (ground.ns, record.id),
            ).fetchall()
        return [
            CreditedOnce(
                seq, task, source, actor, time, low + reward * (high - low), base, granted,
                voided is not None or replaced is not None,
            )
            for seq, task, source, actor, time, reward, base, granted, voided, replaced in rows
        ]  # fmt: skip
