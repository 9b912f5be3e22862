"""Myopic Bayes: the arm of highest posterior mean, as if no pull were to follow.

It explores nothing for the sake of learning; yet under a prior of mean 0 one bad pull puts an arm below all untried
ones, so that the next one is tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wayfare.explore.rules.choice import BestScore, require_table
from wayfare.explore.rules.evidence import Array, Evidence
from wayfare.explore.rules.priors import GaussianArms, Prior

__all__ = ["MyopicBayes"]


@dataclass(frozen=True)
class MyopicBayes(BestScore):
    """prior: `GaussianArms` or `BernoulliArms`, what is believed before the first pull."""

    prior: Prior = field(default_factory=GaussianArms)

    def scores(self, evidence: Evidence) -> Array:
        """-> [..., A] posterior means."""
        return self.prior.posterior_mean(require_table(evidence, self))
