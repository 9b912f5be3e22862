"""KL-UCB: optimism measured by divergence, asymptotically optimal; and IMED, the same constant without optimism.

With t pulls in all, n of arm a, its mean m, the best mean m*, and d the divergence of the arms' family:

    KL-UCB    index(a) = max {q : n d(m, q) <= ln t + c ln ln t}, the largest is taken              (1)
    IMED      index(a) = n d(m, m*) + ln n, the smallest is taken                                   (2)

Sources: (1) Garivier & Cappe 2011, "The KL-UCB algorithm for bounded stochastic bandits and beyond", algorithm 1, who
prove it with c = 3 and advise c = 0; (2) Honda & Takemura 2015, "Non-asymptotic analysis of a new bandit algorithm for
semi-bounded rewards".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wayfare.arrays import array_namespace
from wayfare.errors import BadValue
from wayfare.explore.rules.choice import BestScore, require_table
from wayfare.explore.rules.divergence import Family
from wayfare.explore.rules.evidence import Array, Evidence

__all__ = ["IMED", "KLUCB"]


@dataclass(frozen=True)
class KLUCB(BestScore):
    """(1); arms never pulled come first.

    family: of the rewards; Bernoulli serves any in [0, 1]        c: at least 0
    Raises: BadValue for a c out of range, and for Bernoulli rewards outside 0 to 1.
    """

    family: Family = field(default_factory=Family)
    c: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.c < float("inf"):
            raise BadValue("c", self.c, "finite and at least 0")

    def scores(self, evidence: Evidence) -> Array:
        """-> [..., A]."""
        table = require_table(evidence, self)
        mean = self.family.means(table)
        xp = array_namespace(mean)
        n = xp.astype(table.counts, xp.float64, copy=False)
        t = xp.sum(n, axis=-1, keepdims=True)
        log_t = xp.log(xp.where(t > 1, t, 1.0))
        level = log_t + self.c * xp.log(xp.where(log_t > 1, log_t, 1.0))
        upper = self.family.upper_mean(mean, level / xp.where(n > 0, n, 1.0))
        return xp.where(n > 0, upper, xp.inf)


@dataclass(frozen=True)
class IMED(BestScore):
    """(2) with its sign turned, so that the largest score is taken; arms never pulled come first.

    family: of the rewards; Bernoulli serves any in [0, 1]
    Raises: BadValue for Bernoulli rewards outside 0 to 1.
    """

    family: Family = field(default_factory=Family)

    def scores(self, evidence: Evidence) -> Array:
        """-> [..., A]."""
        table = require_table(evidence, self)
        mean = self.family.means(table)
        xp = array_namespace(mean)
        n = xp.astype(table.counts, xp.float64, copy=False)
        tried = n > 0
        best = xp.max(xp.where(tried, mean, -xp.inf), axis=-1, keepdims=True)
        best = xp.where(xp.isfinite(best), best, 0.0)
        # where the best mean is 1 a worse arm's divergence is infinite, and is multiplied by n above 0 only
        cost = xp.where(tried, n, 1.0) * self.family.divergence(xp.where(tried, mean, best), best + 0.0 * mean)
        return xp.where(tried, -(cost + xp.log(xp.where(tried, n, 1.0))), xp.inf)
