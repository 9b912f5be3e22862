"""What is least worth keeping goes, until what is left fits a limit.

    keep = max(0, mean - width) * recency * (1 + log(1 + used))                          (1)

mean, width: of what credit has taught about a memory, shrunk towards the others that are looked at (`utility` (2));
their difference is the lower end of an interval of one standard deviation, so that what has proved itself stays before
what was only lucky once. recency: `decay` (1). used: how often it was said to have been acted upon. Pinned kinds have
no score: they count, and stay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.memory.candidates import HALF_LIFE
from wayfare.memory.decay import Decay
from wayfare.memory.operations import Archive, Delete
from wayfare.memory.policy import LEARNED
from wayfare.memory.records import checked_name
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.job_rows import SILENT
from wayfare.memory.upkeep.plans import Look, Plan, Planned, Step
from wayfare.memory.utility import gaussian_posterior

__all__ = ["Evict", "lower_bounds"]

THIRTY_DAYS = Decay(HALF_LIFE)


@dataclass(frozen=True)
class Evict:
    """Those with the least keep-score (1), until at most `limit` active memories are left.

    limit: of the namespace, or of one `kind`        decay: half-lives by kind (30 days), and pinned kinds
    then: archive (kept, recalled no more) or delete (hidden at once; its history stays until it is purged)
    Raises: BadValue.
    """

    limit: int
    kind: str | None = None
    decay: Decay = THIRTY_DAYS
    then: Literal["archive", "delete"] = "archive"

    name: ClassVar[str] = "evict"
    silent: ClassVar[frozenset[str]] = SILENT
    heeds_own: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if isinstance(self.limit, bool) or not isinstance(self.limit, int) or self.limit < 0:
            raise BadValue("limit", self.limit, "a whole number of memories, 0 or more")
        if self.kind is not None:
            checked_name("kind", self.kind)
        if not isinstance(self.decay, Decay):
            raise BadValue("decay", self.decay, "a Decay: half-lives and pinned kinds")
        if self.then not in ("archive", "delete"):
            raise BadValue("then", self.then, "archive or delete")

    def settings(self) -> dict[str, Any]:
        """As `Job.settings`."""
        decay = [self.decay.half_life, dict(self.decay.kinds), self.decay.pinned]
        return {"limit": self.limit, "kind": self.kind, "decay": decay, "then": self.then}

    def plan(self, look: Look) -> Plan:
        """The least worth keeping first."""
        over = self._count(look.tx, look.ns) - self.limit
        if over <= 0:
            return Plan()
        where, given = self._where(look.ns)
        rows = look.tx.execute(
            "SELECT r.id, r.version, r.kind, coalesce(r.event_from, r.created_at), coalesce(u.n, 0.0),"
            " coalesce(u.total, 0.0), coalesce(u.squares, 0.0), coalesce(u.used, 0) FROM records r"
            f" LEFT JOIN utilities u ON u.record = r.record WHERE {where} ORDER BY r.id",
            given,
        ).fetchall()
        worth = lower_bounds(rows)
        order = []
        for (id, version, kind, since, *_, used), least in zip(rows, worth.tolist(), strict=True):
            if kind not in self.decay.pinned:
                recency = self.decay.recency(kind, look.now - since)
                keep = max(0.0, least) * recency * (1 + math.log1p(used))
                order.append((keep, recency, id, version, least, used))
        order.sort()
        what = "memories" if self.kind is None else f"memories of kind {self.kind}"
        steps = []
        for keep, recency, id, version, least, used in order[:over]:
            why = (
                f"evicted: at most {self.limit} {what} are kept; its score is {keep:.3g}"
                f" (utility {max(0.0, least):.3g}, recency {recency:.3g}, used {used} times)"
            )
            op = Archive(id, why) if self.then == "archive" else Delete(id, why)
            steps.append(Planned(Step(self.then, (id,), why), (op,), {id: version}, guard=self._guard))
        return Plan(steps, len(rows))

    def _guard(self, tx: Transaction, ns: int) -> str:
        """Others may have made room meanwhile."""
        return "" if self._count(tx, ns) > self.limit else f"no more than {self.limit} are left"

    def _where(self, ns: int) -> tuple[str, tuple[Any, ...]]:
        where = "r.ns = ? AND r.status = 'active'"
        return (where, (ns,)) if self.kind is None else (f"{where} AND r.kind = ?", (ns, self.kind))

    def _count(self, tx: Transaction, ns: int) -> int:
        where, given = self._where(ns)
        (count,) = tx.execute(f"SELECT COUNT(*) FROM records r WHERE {where}", given).fetchone()
        return int(count)


def lower_bounds(rows: Sequence[Sequence[Any]]) -> NDArray[np.float64]:
    """mean - width of (1), [n]. rows: with n, total and squares of the credits at places 4 to 6"""
    n, total, squares = (np.array([row[place] for row in rows], np.float64) for place in (4, 5, 6))
    mean, width, _ = gaussian_posterior(n, total, squares, LEARNED.prior, LEARNED.kappa)
    return mean - width
