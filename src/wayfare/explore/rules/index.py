"""Index policies: the posterior mean plus what a pull teaches, solved exactly one arm at a time (`wayfare.stopping`).

With a geometrically distributed horizon `Gittins` is optimal. `FiniteHorizonIndex`, which knows how many pulls are
left, is optimal for one unknown arm among known ones and otherwise very good, but not optimal: it is an index policy.
Source: Gittins 1979, "Bandit processes and dynamic allocation indices".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from array_api_compat import device, to_device
from numpy.typing import NDArray

from wayfare.arrays import array_namespace
from wayfare.errors import BadValue
from wayfare.explore.rules.choice import BestScore, require_table
from wayfare.explore.rules.evidence import ArmTable, Array, Evidence
from wayfare.explore.rules.priors import BernoulliArms, GaussianArms, Prior
from wayfare.stopping import (
    bernoulli_finite_horizon_index,
    bernoulli_gittins_index,
    finite_horizon_bonus,
    gittins_bonus,
)

__all__ = ["FiniteHorizonIndex", "Gittins"]


@dataclass(frozen=True)
class FiniteHorizonIndex(BestScore):
    """For a block of `horizon` pulls, of which the table's counts have been made.

    prior: `GaussianArms` or `BernoulliArms`, what is believed before the first pull
    Raises: BadValue for a horizon below 1, and for a table with `horizon` pulls or more.
    """

    horizon: int
    prior: Prior = field(default_factory=GaussianArms)

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise BadValue("horizon", self.horizon, "at least 1")

    def value(self, table: ArmTable) -> Array:
        """-> [..., A] posterior means."""
        return self.prior.posterior_mean(table)

    def bonus(self, table: ArmTable) -> Array:
        """-> [..., A] how much more than its mean each arm is worth; 0 for a known arm and at the last pull."""
        xp = array_namespace(table.counts)
        counts = xp.astype(xp.round(table.counts), xp.int64)
        left = self.horizon - xp.sum(counts, axis=-1, keepdims=True)
        if not bool(xp.all(left >= 1)):
            raise BadValue("pulls", int(self.horizon - xp.min(left)), f"below the horizon of {self.horizon}")
        if isinstance(self.prior, BernoulliArms):
            a, b = self.prior.posterior(table)
            index = _unique(bernoulli_finite_horizon_index, a, b, left + xp.zeros_like(counts))
            return index - self.value(table)
        which, tables = _tables(
            self.prior, counts.shape[-1], lambda sd, noise: finite_horizon_bonus(self.horizon, sd, noise)
        )
        return _looked_up(tables, (which, counts, left), table.counts)

    def scores(self, evidence: Evidence) -> Array:
        """-> [..., A] value + bonus, the known payoff that each arm is worth."""
        table = require_table(evidence, self)
        return self.value(table) + self.bonus(table)


@dataclass(frozen=True)
class Gittins(BestScore):
    """For payoffs that weigh discount^t, or a block that goes on with probability `discount` after each pull.

    prior: `GaussianArms` or `BernoulliArms`, what is believed before the first pull
    Raises: BadValue unless 0 <= discount < 1.
    """

    discount: float
    prior: Prior = field(default_factory=GaussianArms)

    def __post_init__(self) -> None:
        if not 0 <= self.discount < 1:
            raise BadValue("discount", self.discount, "at least 0 and below 1")

    def value(self, table: ArmTable) -> Array:
        """-> [..., A] posterior means."""
        return self.prior.posterior_mean(table)

    def bonus(self, table: ArmTable) -> Array:
        """-> [..., A] how much more than its mean each arm is worth; 0 for a known arm."""
        xp = array_namespace(table.counts)
        if isinstance(self.prior, BernoulliArms):
            a, b = self.prior.posterior(table)
            index = _unique(lambda a, b: bernoulli_gittins_index(a, b, self.discount), a, b)
            return index - self.value(table)
        counts = xp.astype(xp.round(table.counts), xp.int64)
        most = 1 << max(5, int(xp.max(counts)).bit_length())  # few sizes, so that tables are reused
        which, tables = _tables(
            self.prior, counts.shape[-1], lambda sd, noise: gittins_bonus(self.discount, most, sd, noise)
        )
        return _looked_up(tables, (which, counts), table.counts)

    def scores(self, evidence: Evidence) -> Array:
        """-> [..., A] value + bonus, the known payoff that each arm is worth."""
        table = require_table(evidence, self)
        return self.value(table) + self.bonus(table)


def _tables(
    prior: GaussianArms, arms: int, solve: Callable[[float, float], NDArray[np.float64]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """[A] which of the distinct priors each arm has, and the solutions of those, stacked."""
    sds, noises = (np.broadcast_to(np.asarray(x, dtype=np.float64), (arms,)) for x in (prior.sd, prior.noise_sd))
    distinct, which = np.unique(np.stack([sds, noises], axis=1), axis=0, return_inverse=True)
    return which.reshape(arms), np.stack([solve(float(sd), float(noise)) for sd, noise in distinct])


def _looked_up(tables: NDArray[np.float64], place: tuple[Any, ...], like: Array) -> Array:
    """tables[place] in the library of `like`."""
    xp = array_namespace(like)
    flat = xp.zeros_like(like, dtype=xp.int64)
    for size, part in zip(tables.shape, place, strict=True):
        flat = flat * size + xp.asarray(part, dtype=xp.int64, device=device(like))
    values = xp.asarray(tables.ravel(), device=device(like))
    return xp.reshape(xp.take(values, xp.reshape(flat, (-1,)), axis=0), flat.shape)


def _unique(solve: Callable[..., NDArray[np.float64]], *parts: Array) -> Array:
    """solve(*parts), each distinct state once, on NumPy; the answer in the library of the parts."""
    xp = array_namespace(parts[0])
    arrays = [np.asarray(to_device(x, "cpu"), dtype=np.float64).ravel() for x in parts]
    states, inverse = np.unique(np.stack(arrays, axis=1), axis=0, return_inverse=True)
    answer = solve(*states.T)[inverse.reshape(-1)]
    return xp.reshape(xp.asarray(answer, device=device(parts[0])), parts[0].shape)
