"""Thompson sampling: draw each arm's mean from its posterior and take the best draw.

An arm's propensity is the posterior probability that it is the best.
Source: Thompson 1933, "On the likelihood that one unknown probability exceeds another in view of the evidence of two
samples".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wayfare.draws import Draws
from wayfare.explore.rules.best_of import beta_is_best, gaussian_is_best
from wayfare.explore.rules.choice import allowed, checked, pick, require_table
from wayfare.explore.rules.evidence import Array, Decision, Evidence, PropensityMethod
from wayfare.explore.rules.priors import BernoulliArms, GaussianArms

__all__ = ["BetaThompson", "GaussianThompson"]


@dataclass(frozen=True)
class GaussianThompson:
    """prior: what is believed of each arm; a known arm (sd 0) is sampled at its mean."""

    prior: GaussianArms = field(default_factory=GaussianArms)

    @property
    def propensity_method(self) -> PropensityMethod:
        """One-dimensional integrals, error below 1e-6."""
        return "quadrature"

    def propensities(self, evidence: Evidence, mask: Array | None = None) -> Array:
        """-> [..., A] float64: chance that each allowed arm is the best of them."""
        mean, sd = self.prior.posterior(require_table(evidence, self))
        return gaussian_is_best(checked(mean), sd, allowed(mean, mask))

    def decide(self, evidence: Evidence, mask: Array | None, draws: Draws) -> Decision:
        """The largest of mean + sd * `draws.normal(A)`; equal known arms go by `draws.uniform(A)`."""
        mean, sd = self.prior.posterior(require_table(evidence, self))
        if mask is not None:
            mask = allowed(mean, mask)
        arms = mean.shape[-1]
        sampled = checked(mean + sd * draws.normal(arms))
        action = pick(sampled, mask, draws)
        return Decision(action, sampled, lambda: gaussian_is_best(mean, sd, allowed(mean, mask)))


@dataclass(frozen=True)
class BetaThompson:
    """prior: what is believed of each arm's chance to pay 1."""

    prior: BernoulliArms = field(default_factory=BernoulliArms)

    @property
    def propensity_method(self) -> PropensityMethod:
        """One-dimensional integrals, error below 1e-6."""
        return "quadrature"

    def propensities(self, evidence: Evidence, mask: Array | None = None) -> Array:
        """-> [..., A] float64: chance that each allowed arm is the best of them."""
        a, b = self.prior.posterior(require_table(evidence, self))
        return beta_is_best(a, b, allowed(checked(a), mask))

    def decide(self, evidence: Evidence, mask: Array | None, draws: Draws) -> Decision:
        """The largest of `draws.beta(a, b)`."""
        a, b = self.prior.posterior(require_table(evidence, self))
        if mask is not None:
            mask = allowed(a, mask)
        sampled = draws.beta(a, b)
        action = pick(sampled, mask, draws)
        return Decision(action, sampled, lambda: beta_is_best(a, b, allowed(a, mask)))
