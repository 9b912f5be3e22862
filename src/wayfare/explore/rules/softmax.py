"""Softmax (Boltzmann): an action's odds grow exponentially with its score.

Source: Luce 1959, "Individual choice behavior"; drawn by adding Gumbel noise and taking the best (Gumbel 1954).
"""

from __future__ import annotations

from dataclasses import dataclass

from wayfare.arrays import array_namespace
from wayfare.draws import Draws
from wayfare.errors import BadValue
from wayfare.explore.rules.choice import allowed, checked, pick, softmax
from wayfare.explore.rules.evidence import Array, Decision, Evidence, PropensityMethod
from wayfare.explore.rules.greedy import values
from wayfare.explore.rules.priors import Prior

__all__ = ["Softmax"]


@dataclass(frozen=True)
class Softmax:
    """P(a) proportional to exp(score_a / temperature).

    temperature: above 0, in the unit of the scores        prior, untried: how a table's arms are valued, as in `Greedy`
    Raises: BadValue for a temperature out of range and for infinite scores.
    """

    temperature: float
    prior: Prior | None = None
    untried: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise BadValue("temperature", self.temperature, "finite and above 0")

    @property
    def propensity_method(self) -> PropensityMethod:
        """The equation above."""
        return "closed form"

    def propensities(self, evidence: Evidence, mask: Array | None = None) -> Array:
        """-> [..., A] float64."""
        scores = self._finite(evidence)
        return softmax(scores, allowed(scores, mask), self.temperature)

    def decide(self, evidence: Evidence, mask: Array | None, draws: Draws) -> Decision:
        """The largest of score / temperature - ln(-ln u), u = `draws.uniform(A)`."""
        scores = self._finite(evidence)
        xp = array_namespace(scores)
        mask = allowed(scores, mask)
        uniform = draws.uniform(scores.shape[-1])
        action = pick(scores / self.temperature - xp.log(-xp.log(uniform)), mask, draws)
        return Decision(action, scores, lambda: softmax(scores, mask, self.temperature))

    def _finite(self, evidence: Evidence) -> Array:
        scores = checked(values(evidence, self.prior, self.untried))
        xp = array_namespace(scores)
        if not bool(xp.all(xp.isfinite(scores))):
            raise BadValue("scores", "an infinite value", "finite for Softmax")
        return scores
