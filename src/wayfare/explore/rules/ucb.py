"""UCB1: optimism in the face of uncertainty, a mean plus a bonus that shrinks with pulls.

Source: Auer, Cesa-Bianchi & Fischer 2002, "Finite-time analysis of the multiarmed bandit problem", figure 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from wayfare.arrays import array_namespace
from wayfare.errors import BadValue
from wayfare.explore.rules.choice import BestScore, require_table
from wayfare.explore.rules.evidence import ArmTable, Array, Evidence

__all__ = ["UCB1"]


@dataclass(frozen=True)
class UCB1(BestScore):
    """Score of an arm pulled n times out of t: mean + alpha * sqrt(2 ln t / n); arms never pulled come first.

    alpha: at least 0; 1 is UCB1 for rewards in [0, 1]. Raises: BadValue for an alpha out of range.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < float("inf"):
            raise BadValue("alpha", self.alpha, "finite and at least 0")

    def value(self, table: ArmTable) -> Array:
        """-> [..., A] mean reward, 0 where never pulled."""
        return table.mean()

    def bonus(self, table: ArmTable) -> Array:
        """-> [..., A], infinite where never pulled."""
        xp = array_namespace(table.counts)
        n = xp.astype(table.counts, xp.float64)
        t = xp.sum(n, axis=-1, keepdims=True)
        log_t = xp.log(xp.where(t > 1, t, xp.ones_like(t)))
        width = self.alpha * xp.sqrt(2.0 * log_t / xp.where(n > 0, n, xp.ones_like(n)))
        return xp.where(n > 0, width, xp.full_like(n, xp.inf))

    def scores(self, evidence: Evidence) -> Array:
        """-> [..., A] value + bonus."""
        table = require_table(evidence, self)
        return self.value(table) + self.bonus(table)
