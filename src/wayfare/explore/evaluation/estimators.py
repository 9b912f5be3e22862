"""What a policy would have earned, from a log of another's decisions: five estimators, as sums over the rows.

With w = pi(a | x) / p, the target's chance of the action taken over the logged one, q [N, A] predicted rewards and
q(pi) = sum_a pi(a | x) q(x, a):

    ips         mean of w r                                                                                   (1)
    snips       sum of w r / sum of w                                                                         (2)
    dm          mean of q(pi)                                                                                 (3)
    dr          mean of q(pi) + w (r - q(x, a))                                                               (4)
    switch-dr   mean of q(pi) + w 1{w <= tau} (r - q(x, a))                                                   (5)

(1), (4) are unbiased where the log takes every action that the target may take; (3) is as good as q. Clipping puts
min(w, c) for w, SWITCH trusts q where w is above tau: both trade variance for a bias that no interval here counts.

Sources: (1) Horvitz & Thompson 1952; (2) Swaminathan & Joachims 2015, "The self-normalized estimator for
counterfactual learning"; (3), (4) Dudik, Langford & Li 2011, "Doubly robust policy evaluation and learning";
(5) Wang, Agarwal & Dudik 2017, "Optimal and adaptive off-policy evaluation in contextual bandits".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue

__all__ = [
    "Terms",
    "clip_weights",
    "direct_method",
    "doubly_robust",
    "importance_weights",
    "ips",
    "self_normalised_ips",
    "switch_doubly_robust",
    "switch_threshold",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

GRID = 21
"""Thresholds tried, as many as in (5), section 4."""


@dataclass(frozen=True)
class Terms:
    """An estimate as the ratio of two sums over the rows, of which every interval can be had.

    numerator: [N]        denominator: [N], ones but for self-normalised estimates
    """

    numerator: Floats
    denominator: Floats

    @property
    def value(self) -> float:
        """Sum of the numerators over sum of the denominators."""
        return float(self.numerator.sum() / self.denominator.sum())

    @property
    def influence(self) -> Floats:
        """[N] what each row adds to the error, to first order; of mean 0."""
        return np.asarray((self.numerator - self.value * self.denominator) / self.denominator.mean())


def importance_weights(target: Floats, actions: Integers, propensities: Floats) -> Floats:
    """target: [N, A] probabilities, actions, propensities: [N] -> [N] w."""
    return np.asarray(_taken(target, actions) / propensities)


def clip_weights(weights: Floats, threshold: float) -> Floats:
    """weights: [N] -> [N], none above the threshold. Raises: BadValue unless it is above 0."""
    if not threshold > 0:
        raise BadValue("clip", threshold, "above 0")
    return np.asarray(np.minimum(weights, threshold))


def ips(weights: Floats, rewards: Floats) -> Terms:
    """(1): weights, rewards: [N]."""
    return _mean(weights * rewards)


def self_normalised_ips(weights: Floats, rewards: Floats) -> Terms:
    """(2): weights, rewards: [N]. Raises: BadValue where all weights are 0."""
    if not weights.any():
        raise BadValue("target", "weight 0 in every row", "a policy that may take an action that the log took")
    return Terms(weights * rewards, weights)


def direct_method(target: Floats, predicted: Floats) -> Terms:
    """(3): target, predicted: [N, A]."""
    return _mean((target * predicted).sum(axis=1))


def doubly_robust(weights: Floats, rewards: Floats, actions: Integers, target: Floats, predicted: Floats) -> Terms:
    """(4): weights, rewards, actions: [N], target, predicted: [N, A]."""
    return _mean((target * predicted).sum(axis=1) + weights * (rewards - _taken(predicted, actions)))


def switch_doubly_robust(
    weights: Floats, rewards: Floats, actions: Integers, target: Floats, predicted: Floats, threshold: float
) -> Terms:
    """(5): as `doubly_robust`, the model alone where a weight is above the threshold, tau.

    Raises: BadValue for a negative threshold.
    """
    if not threshold >= 0:
        raise BadValue("switch", threshold, "at least 0")
    return doubly_robust(np.where(weights <= threshold, weights, 0.0), rewards, actions, target, predicted)


def switch_threshold(
    weights: Floats, rewards: Floats, actions: Integers, target: Floats, predicted: Floats, span: float
) -> float:
    """tau of least estimated mean squared error, variance + bias^2, as in section 4 of (5).

    The bias is at most span times the target's mass where w is above tau. That mass needs the propensities of actions
    not taken, which no log has; here it is  1 - mean of w 1{w <= tau},  which estimates it from those that were. Tried
    are 21 thresholds in equal ratios from the 5 % to the 95 % quantile of the weights above 0, and no switch at all.

    span: highest less lowest reward
    """
    some = weights[weights > 0]
    if not len(some):
        return float("inf")
    low, high = np.quantile(some, [0.05, 0.95])
    best, least = float("inf"), float("inf")
    for tau in [*np.geomspace(low, high, GRID).tolist(), float(weights.max())]:
        terms = switch_doubly_robust(weights, rewards, actions, target, predicted, tau).numerator
        missing = max(0.0, 1.0 - float(np.where(weights <= tau, weights, 0.0).mean()))
        error = float(terms.var()) / len(terms) + (span * missing) ** 2
        if error < least:
            best, least = tau, error
    return best


def _mean(terms: Floats) -> Terms:
    return Terms(terms, np.ones_like(terms))


def _taken(table: Floats, actions: Integers) -> Floats:
    """table: [N, A] -> [N], the entries of the actions taken."""
    return np.asarray(table[np.arange(len(actions)), actions])
