"""UCB1: optimism in the face of uncertainty, a mean plus a bonus that shrinks with pulls.

Source: Auer, Cesa-Bianchi & Fischer 2002, "Finite-time analysis of the multiarmed bandit problem", figure 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from array_api_compat import device

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
        return self._parts(table)[1]

    def scores(self, evidence: Evidence) -> Array:
        """-> [..., A] value + bonus."""
        value, bonus = self._parts(require_table(evidence, self))
        return value + bonus

    def _parts(self, table: ArmTable) -> tuple[Array, Array]:
        """Value and bonus, [..., A] each."""
        xp = array_namespace(table.counts)
        n = xp.astype(table.counts, xp.float64, copy=False)
        # a product is quicker than a sum over a short axis, and as exact: counts are integers
        t = xp.matmul(n, xp.ones(n.shape[-1], dtype=xp.float64, device=device(n)))[..., None]
        log = 2.0 * xp.log(xp.where(t > 1, t, 1.0))
        sums, tried = xp.astype(table.sums, xp.float64, copy=False), n > 0
        if bool(xp.all(tried)):
            width = xp.sqrt(log / n)
            return sums / n, width if self.alpha == 1 else self.alpha * width
        divisor = xp.where(tried, n, 1.0)
        return sums / divisor, xp.where(tried, self.alpha * xp.sqrt(log / divisor), xp.inf)
