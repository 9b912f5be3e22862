"""What is believed of an arm before it is pulled, and what its rewards make of that belief (conjugate updates).

Gaussian arms, reward ~ N(mu, noise_sd^2), mu ~ N(mean, sd^2); after n pulls of average x, with
g = n sd^2 / (n sd^2 + noise_sd^2):

    mu ~ N(mean + g (x - mean), sd^2 (1 - g))                                                         (1)

sd = 0 is a *known* arm: nothing is learned of it. Bernoulli arms, reward 0 or 1 with chance p ~ Beta(a, b): after s
successes and f failures p ~ Beta(a + s, b + f); rewards between 0 and 1 count as fractions of a success.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wayfare.arrays import array_namespace
from wayfare.errors import BadValue
from wayfare.explore.rules.choice import as_float
from wayfare.explore.rules.evidence import ArmTable, Array

__all__ = ["BernoulliArms", "GaussianArms", "Prior"]


def _require(field: str, value: Any, least: float, *, strictly: bool = False) -> None:
    numbers = np.asarray(value, dtype=np.float64)
    if not np.all(np.isfinite(numbers) & ((numbers > least) if strictly else (numbers >= least))):
        raise BadValue(field, value, f"finite and {'above' if strictly else 'at least'} {least:g}")


@dataclass(frozen=True)
class GaussianArms:
    """Prior (1), each field a number or one number an arm (a sequence, [A]).

    mean, sd: of the arm's expected reward; sd 0 is a known arm        noise_sd: of a reward around it
    Raises: BadValue for a negative or infinite sd or noise_sd.
    """

    mean: Any = 0.0
    sd: Any = 1.0
    noise_sd: Any = 1.0

    def __post_init__(self) -> None:
        _require("mean", self.mean, -np.inf)
        _require("sd", self.sd, 0.0)
        _require("noise_sd", self.noise_sd, 0.0)

    def posterior(self, table: ArmTable) -> tuple[Array, Array]:
        """-> mean and standard deviation of mu, both [..., A] float64, by (1)."""
        xp = array_namespace(table.counts)
        n = xp.astype(table.counts, xp.float64)
        start, sd, noise = (as_float(x, n) for x in (self.mean, self.sd, self.noise_sd))
        signal = n * sd * sd
        whole = signal + noise * noise
        gain = xp.where(signal > 0, signal / xp.where(signal > 0, whole, xp.ones_like(whole)), xp.zeros_like(whole))
        mean = start + gain * (table.mean() - start)
        return mean, sd * xp.sqrt(1.0 - gain)

    def posterior_mean(self, table: ArmTable) -> Array:
        """-> [..., A] float64."""
        return self.posterior(table)[0]


@dataclass(frozen=True)
class BernoulliArms:
    """Prior Beta(a, b) on each arm's chance of paying 1, each a number or one number an arm.

    Raises: BadValue unless a and b are above 0.
    """

    a: Any = 1.0
    b: Any = 1.0

    def __post_init__(self) -> None:
        _require("a", self.a, 0.0, strictly=True)
        _require("b", self.b, 0.0, strictly=True)

    def posterior(self, table: ArmTable) -> tuple[Array, Array]:
        """-> a and b of the posterior, both [..., A] float64. Raises: BadValue for rewards outside 0 to 1."""
        xp = array_namespace(table.counts)
        n, s = xp.astype(table.counts, xp.float64, copy=False), xp.astype(table.sums, xp.float64, copy=False)
        failures = n - s
        if not bool(xp.all(s >= 0)) or not bool(xp.all(failures >= 0)):
            raise BadValue(
                "sums", float(xp.max(xp.abs(s))), "between 0 and counts: rewards of Bernoulli arms lie in 0 to 1"
            )
        return as_float(self.a, n) + s, as_float(self.b, n) + failures

    def posterior_mean(self, table: ArmTable) -> Array:
        """-> [..., A] float64."""
        a, b = self.posterior(table)
        return a / (a + b)


Prior = GaussianArms | BernoulliArms
