"""Epsilon-greedy: mostly what looks best, with probability epsilon any allowed action.

Source: Watkins 1989, "Learning from delayed rewards", section 7.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wayfare.arrays import array_namespace
from wayfare.draws import Draws
from wayfare.errors import BadValue
from wayfare.explore.rules.choice import allowed, checked, pick, require_table, share_ties
from wayfare.explore.rules.evidence import Array, Decision, Evidence, PropensityMethod
from wayfare.explore.rules.greedy import values
from wayfare.explore.rules.priors import Prior
from wayfare.explore.rules.schedules import Schedule

__all__ = ["EpsilonGreedy"]


@dataclass(frozen=True)
class EpsilonGreedy:
    """P(a) = (1 - epsilon) * share among the best + epsilon / number of allowed actions.

    epsilon: in [0, 1], or a schedule over the pulls that an `ArmTable` counts
    prior, untried: how a table's arms are valued, as in `Greedy`
    Raises: BadValue for an epsilon out of range, or a schedule with evidence that does not count pulls.
    """

    epsilon: float | Schedule
    prior: Prior | None = None
    untried: float = 0.0

    def __post_init__(self) -> None:
        number = isinstance(self.epsilon, (int, float))
        if not (number and 0 <= self.epsilon <= 1) and not hasattr(self.epsilon, "at"):  # type: ignore[operator]
            raise BadValue("epsilon", self.epsilon, "between 0 and 1, or a schedule")

    @property
    def propensity_method(self) -> PropensityMethod:
        """The equation above."""
        return "closed form"

    def propensities(self, evidence: Evidence, mask: Array | None = None) -> Array:
        """-> [..., A] float64."""
        scores = checked(values(evidence, self.prior, self.untried))
        return self._mixed(scores, allowed(scores, mask), self._chance(evidence))

    def decide(self, evidence: Evidence, mask: Array | None, draws: Draws) -> Decision:
        """Explore when `draws.uniform()` < epsilon; then, and among the best, the largest of `draws.uniform(A)`."""
        scores = checked(values(evidence, self.prior, self.untried))
        xp = array_namespace(scores)
        mask = allowed(scores, mask)
        epsilon = self._chance(evidence)
        explore = draws.uniform() < epsilon
        wanted = xp.where(explore[..., None], xp.zeros_like(scores), scores)
        action = pick(wanted, mask, draws)
        return Decision(action, scores, lambda: self._mixed(scores, mask, epsilon))

    def _chance(self, evidence: Evidence) -> Any:
        """Of exploring: a number, or [...] by the schedule."""
        if isinstance(self.epsilon, (int, float)):
            return self.epsilon
        counts = require_table(evidence, self).counts
        return self.epsilon.at(array_namespace(counts).sum(counts, axis=-1), counts.shape[-1])

    def _mixed(self, scores: Array, mask: Array, epsilon: Any) -> Array:
        xp = array_namespace(scores)
        anything = share_ties(xp.zeros_like(scores), mask)
        epsilon = epsilon if isinstance(epsilon, (int, float)) else epsilon[..., None]
        return (1.0 - epsilon) * share_ties(scores, mask) + epsilon * anything
