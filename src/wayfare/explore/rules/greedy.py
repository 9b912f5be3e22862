"""Greedy: take what looks best."""

from __future__ import annotations

from dataclasses import dataclass

from wayfare.errors import BadValue
from wayfare.explore.rules.choice import BestScore
from wayfare.explore.rules.evidence import Array, Evidence, LinearTable, Scores, WeightedRewards
from wayfare.explore.rules.priors import Prior

__all__ = ["Greedy", "values"]


def values(evidence: Evidence, prior: Prior | None, untried: float) -> Array:
    """[..., A]: scores as they are; of regressions, their predictions; of a table of arms, the posterior means under
    `prior`, or without one the mean rewards. Raises: BadValue for other evidence."""
    if isinstance(evidence, Scores):
        return evidence.scores
    if isinstance(evidence, LinearTable):
        return evidence.mean()
    if isinstance(evidence, WeightedRewards):
        raise BadValue("evidence", "WeightedRewards", "Scores, an ArmTable or a LinearTable: only Exp3 reads the other")
    return evidence.mean(untried) if prior is None else prior.posterior_mean(evidence)


@dataclass(frozen=True)
class Greedy(BestScore):
    """Over scores, or over the arms of a table.

    prior: read a table's arms by their posterior means (that is `MyopicBayes`); None: by their mean rewards
    untried: without a prior, the value of an arm never pulled; infinite: every arm is tried first
    """

    prior: Prior | None = None
    untried: float = 0.0

    def scores(self, evidence: Evidence) -> Array:
        """-> [..., A]."""
        return values(evidence, self.prior, self.untried)
