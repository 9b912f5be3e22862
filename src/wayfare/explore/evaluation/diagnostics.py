"""Whether a log can tell anything of a target, and whether its propensities are what they say.

Of the weights w = pi(a | x) / p:

    effective sample size    (sum w)^2 / sum w^2: as many rows of the target's own would say as much, roughly   (1)
    largest weight           one row with a weight of a tenth of N decides a tenth of the estimate
    mean weight              1 on average where the log takes all that the target may take; below, what is missing

Of the propensities alone: the mean of 1/p estimates how many actions have a chance, so that it must match how many are
allowed. Propensities of another policy, of a stale model, or written after rounding do not.

Source: (1) Kong 1992, "A note on importance sampling using standardized weights".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfare.explore.evaluation.log import DecisionLog

__all__ = ["Calibration", "calibration", "effective_sample_size", "mean_and_z", "no_overlap"]

Floats = NDArray[np.float64]

CERTAIN = 1e-12
"""A target's chance below this is rounding."""


@dataclass(frozen=True)
class Calibration:
    """inverse: mean of 1/p    allowed: mean number of allowed actions    z: their difference in standard errors"""

    inverse: float
    allowed: float
    z: float

    def __str__(self) -> str:
        return f"mean of 1/p {self.inverse:.4g} for {self.allowed:.4g} allowed actions (z = {self.z:.1f})"


def effective_sample_size(weights: Floats) -> float:
    """weights: [N] -> (sum w)^2 / sum w^2, from 1 to N; 0 where all are 0."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def calibration(log: DecisionLog) -> Calibration | None:
    """The test of the propensities; None for a log without. A |z| above 4 is no accident.

    An action that is allowed but never taken by the logging policy makes z fall, too.
    """
    if log.propensities is None:
        return None
    allowed = log.allowed.sum(axis=1).astype(np.float64)
    inverse = 1.0 / log.propensities
    return Calibration(float(inverse.mean()), float(allowed.mean()), mean_and_z(inverse - allowed)[1])


def mean_and_z(x: Floats, expected: float = 0.0) -> tuple[float, float]:
    """x: [N] -> its mean, and the mean less what is expected in standard errors; exact agreement is z = 0."""
    mean = float(x.mean())
    off = mean - expected
    if abs(off) <= 1e-9 * max(1.0, float(np.abs(x).max())):
        return mean, 0.0
    error = math.sqrt(float(x.var(ddof=1)) / len(x)) if len(x) > 1 else 0.0
    return mean, off / error if error > 0 else math.copysign(math.inf, off)


def no_overlap(log: DecisionLog, target: Floats) -> float:
    """Share of the contexts in which the target may take what the log shows to be impossible.

    Shown so: an action that the whole log never takes, or any other than the one taken with propensity 1. A log holds
    the propensities of actions taken only; where impossible actions hide among those, the mean weight falls below 1.

    target: [N, A] probabilities
    """
    taken = np.bincount(log.actions, minlength=log.shape[1]) > 0
    possible = np.broadcast_to(taken, log.shape).copy()
    if log.propensities is not None:
        possible[log.propensities >= 1.0 - CERTAIN] = False
        possible[np.arange(len(log)), log.actions] = True
    return float(((target > CERTAIN) & ~possible).any(axis=1).mean())
