"""Epsilon-greedy: mostly what looks best, with probability epsilon any allowed action.

Source: Watkins 1989, "Learning from delayed rewards", section 7.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from wayfare.arrays import array_namespace
from wayfare.draws import Draws
from wayfare.errors import BadValue
from wayfare.explore.rules.choice import allowed, checked, pick, share_ties
from wayfare.explore.rules.evidence import Array, Decision, Evidence, PropensityMethod
from wayfare.explore.rules.greedy import values
from wayfare.explore.rules.priors import Prior

__all__ = ["EpsilonGreedy"]


@dataclass(frozen=True)
class EpsilonGreedy:
    """P(a) = (1 - epsilon) * share among the best + epsilon / number of allowed actions.

    epsilon: in [0, 1]        prior, untried: how a table's arms are valued, as in `Greedy`
    Raises: BadValue for an epsilon out of range.
    """

    epsilon: float
    prior: Prior | None = None
    untried: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise BadValue("epsilon", self.epsilon, "between 0 and 1")

    @property
    def propensity_method(self) -> PropensityMethod:
        """The equation above."""
        return "closed form"

    def propensities(self, evidence: Evidence, mask: Array | None = None) -> Array:
        """-> [..., A] float64."""
        scores = checked(values(evidence, self.prior, self.untried))
        return self._mixed(scores, allowed(scores, mask))

    def decide(self, evidence: Evidence, mask: Array | None, draws: Draws) -> Decision:
        """Explore when `draws.uniform()` < epsilon; then, and among the best, the largest of `draws.uniform(A)`."""
        scores = checked(values(evidence, self.prior, self.untried))
        xp = array_namespace(scores)
        mask = allowed(scores, mask)
        explore = draws.uniform() < self.epsilon
        wanted = xp.where(explore[..., None], xp.zeros_like(scores), scores)
        action = pick(wanted, mask, draws)
        return Decision(action, scores, lambda: self._mixed(scores, mask))

    def _mixed(self, scores: Array, mask: Array) -> Array:
        xp = array_namespace(scores)
        anything = share_ties(xp.zeros_like(scores), mask)
        return (1.0 - self.epsilon) * share_ties(scores, mask) + self.epsilon * anything
