"""MOSS: optimism that stops where an arm has had its share, minimax optimal in regret.

With A arms, n pulls of arm a out of t and its mean m:

    horizon-aware   m + scale sqrt(max(0, ln(T / (A n))) / n)                                  (1)
    anytime         m + scale sqrt((1 + alpha) / 2 * max(0, ln(t / (A n))) / n)                (2)

scale 1 is for rewards in [0, 1], or of a standard deviation of at most 1/2; twice the noise's deviation otherwise.

Sources: (1) Audibert & Bubeck 2009, "Minimax policies for adversarial and stochastic bandits"; (2) Degenne & Perchet
2016, "Anytime optimal algorithms in stochastic multi-armed bandits", whose alpha is 1.35.
"""

from __future__ import annotations

from dataclasses import dataclass

from wayfare.arrays import array_namespace
from wayfare.errors import BadValue
from wayfare.explore.rules.choice import BestScore, require_table
from wayfare.explore.rules.evidence import Array, Evidence

__all__ = ["MOSS"]


@dataclass(frozen=True)
class MOSS(BestScore):
    """(1) with a horizon, (2) without; arms never pulled come first.

    horizon: T, all pulls that there will be; None: anytime        scale: above 0        alpha: of (2), at least 0
    Raises: BadValue for a number out of range.
    """

    horizon: int | None = None
    scale: float = 1.0
    alpha: float = 1.35

    def __post_init__(self) -> None:
        if self.horizon is not None and self.horizon < 1:
            raise BadValue("horizon", self.horizon, "at least 1, or None")
        if not 0 < self.scale < float("inf"):
            raise BadValue("scale", self.scale, "above 0 and finite")
        if not 0 <= self.alpha < float("inf"):
            raise BadValue("alpha", self.alpha, "finite and at least 0")

    def scores(self, evidence: Evidence) -> Array:
        """-> [..., A]."""
        table = require_table(evidence, self)
        mean = table.mean()
        xp = array_namespace(mean)
        n = xp.astype(table.counts, xp.float64, copy=False)
        divisor = xp.where(n > 0, n, 1.0)
        of = xp.sum(n, axis=-1, keepdims=True) if self.horizon is None else self.horizon
        share = of / (n.shape[-1] * divisor)
        room = xp.log(xp.where(share > 1, share, 1.0))
        factor = self.scale * (1.0 if self.horizon is not None else ((1.0 + self.alpha) / 2.0) ** 0.5)
        return xp.where(n > 0, mean + factor * xp.sqrt(room / divisor), xp.inf)
