"""Exp3: exponential weights on estimated rewards, for rewards in [0, 1] that an adversary may choose.

With G(a) = sum of r / p over the rounds that took a, L(a) = sum of (1 - r) / p, K allowed actions and t rounds so far:

    horizon-aware   p(a) = (1 - gamma) softmax(gamma G / K) + gamma / K,
                    gamma = min(1, sqrt(K ln K / ((e - 1) T)))                                 (1)
    anytime         p(a) = softmax(-eta L),  eta = sqrt(ln K / (K (t + 1)))                    (2)

Sources: (1) Auer, Cesa-Bianchi, Freund & Schapire 2002, "The nonstochastic multiarmed bandit problem", figure 1 and
corollary 3.2; (2) Bubeck & Cesa-Bianchi 2012, "Regret analysis of stochastic and nonstochastic multi-armed bandit
problems", theorem 3.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from wayfare.arrays import array_namespace
from wayfare.draws import Draws
from wayfare.errors import BadValue
from wayfare.explore.rules.choice import allowed, softmax
from wayfare.explore.rules.evidence import Array, Decision, PropensityMethod, WeightedRewards

__all__ = ["Exp3"]


@dataclass(frozen=True)
class Exp3:
    """(1) with a horizon, (2) without.

    horizon: T, all rounds that there will be; None: anytime        gamma: of (1), in (0, 1]; None: as in (1)
    Raises: BadValue for a number out of range, and for evidence other than `WeightedRewards`.
    """

    horizon: int | None = None
    gamma: float | None = None

    def __post_init__(self) -> None:
        if self.horizon is not None and self.horizon < 1:
            raise BadValue("horizon", self.horizon, "at least 1, or None")
        if self.gamma is not None and not 0 < self.gamma <= 1:
            raise BadValue("gamma", self.gamma, "above 0 and at most 1")
        if self.gamma is not None and self.horizon is None:
            raise BadValue("gamma", self.gamma, "left out without a horizon: the anytime form has no such number")

    @property
    def propensity_method(self) -> PropensityMethod:
        """(1) or (2)."""
        return "closed form"

    def propensities(self, evidence: WeightedRewards, mask: Array | None = None) -> Array:
        """-> [..., A] float64."""
        if not isinstance(evidence, WeightedRewards):
            raise BadValue("evidence", type(evidence).__name__, "WeightedRewards for Exp3")
        mask = allowed(evidence.rewards, mask)
        xp = array_namespace(mask)
        k = xp.sum(xp.astype(mask, xp.float64), axis=-1, keepdims=True)
        log_k = xp.log(k)
        if self.horizon is None:
            rounds = xp.astype(evidence.rounds, xp.float64)[..., None]
            logits = -xp.sqrt(log_k / (k * (rounds + 1.0))) * (evidence.weights - evidence.rewards)
            return softmax(logits, mask)
        if self.gamma is None:
            gamma = xp.sqrt(k * log_k / ((math.e - 1.0) * self.horizon))
            gamma = xp.where(gamma < 1, gamma, 1.0)
        else:
            gamma = xp.full_like(k, self.gamma)
        share = xp.astype(mask, xp.float64) / k
        return (1.0 - gamma) * softmax(gamma * evidence.rewards / k, mask) + gamma * share

    def decide(self, evidence: WeightedRewards, mask: Array | None, draws: Draws) -> Decision:
        """Drawn from the propensities by `draws.uniform()`; they are the scores."""
        chances = self.propensities(evidence, mask)
        return Decision(draws.categorical(chances), chances, lambda: chances)
