"""Inverse gap weighting: turn any predictor of rewards into a policy; the further an action trails, the rarer it is.

With predicted rewards f over the k allowed actions, b the best of them, and greed gamma,

    SquareCB   p(a) = 1 / (k + gamma (f(b) - f(a)))                     for a other than b           (1)
    FastCB     p(a) = l(b) / (k l(b) + gamma (l(a) - l(b))), l = 1 - f  for a other than b           (2)

and p(b) is what remains, never below 1 / k. Among T exact ties any one may be b, each with chance 1 / T: averaged over
that choice the tied actions share equally what the others leave, and this is what is drawn from and given as the
propensity.

Source: (1) Foster & Rakhlin 2020, "Beyond UCB: optimal and efficient contextual bandits with regression oracles"
(SquareCB); (2) Foster & Krishnamurthy 2021, "Efficient first-order contextual bandits: prediction, allocation, and
triangular discrimination" (FastCB).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import compress
from typing import Any, NoReturn

import numpy as np
from array_api_compat import to_device

from wayfare.arrays import array_namespace
from wayfare.draws import Draws
from wayfare.errors import BadValue
from wayfare.explore.rules.choice import allowed, as_float, checked, one_row, share_ties
from wayfare.explore.rules.evidence import Array, Decision, Evidence, PropensityMethod
from wayfare.explore.rules.greedy import values

__all__ = ["FastCB", "SquareCB", "gamma_at"]


def gamma_at(learned: Any, actions: Any = 1, scale: float = 10.0, exponent: float = 0.5) -> Any:
    """scale * (actions * learned) ^ exponent: greed that grows with the rewards learned from; 0 (uniform) before any.

    The defaults are Vowpal Wabbit's schedule. With `actions` the number of choices it is c sqrt(k m): for a generation
    of a policy that is fitted to m rows and then frozen.

    learned, actions: numbers, or arrays that broadcast (one a row of the evidence)
    Raises: BadValue for a number below 0.
    """
    for field, value in (("learned", learned), ("actions", actions), ("scale", scale), ("exponent", exponent)):
        low = value if isinstance(value, (int, float)) else float(array_namespace(value).min(value))
        if not low >= 0:
            raise BadValue(field, low, "at least 0")
    return scale * (actions * learned) ** exponent


class _InverseGap(ABC):
    """What (1) and (2) share."""

    gamma: Any
    least: float

    def __post_init__(self) -> None:
        gamma = self.gamma
        if not isinstance(gamma, (int, float)):
            gamma = float(np.min(np.asarray(to_device(gamma, "cpu"))))
        if not gamma >= 0:
            raise BadValue("gamma", gamma, "at least 0")
        if not 0 <= self.least <= 1:
            raise BadValue("least", self.least, "between 0 and 1")

    @property
    def propensity_method(self) -> PropensityMethod:
        """The equation above."""
        return "closed form"

    def propensities(self, evidence: Evidence, mask: Array | None = None) -> Array:
        """-> [..., A] float64."""
        scores = checked(values(evidence, prior=None, untried=0.0))
        return self._shares(scores, allowed(scores, mask))

    def decide(self, evidence: Evidence, mask: Array | None, draws: Draws) -> Decision:
        """By one draw, `draws.uniform()`: the first action at which the running sum of propensities exceeds it."""
        scores = checked(values(evidence, prior=None, untried=0.0))
        shares = self._shares(scores, allowed(scores, mask))
        return Decision(draws.categorical(shares), scores, lambda: shares)

    @abstractmethod
    def _chance(self, scores: Array, top: Array, many: Array, gamma: Array) -> Array:
        """scores: [..., A], top: [..., 1] the best allowed, many: [..., 1] k, gamma: [..., 1] -> p(a) were it not b."""

    @abstractmethod
    def _chances(self, scores: list[float], top: float, many: int, gamma: float) -> list[float]:
        """`_chance` of one row's allowed actions."""

    def _shares(self, scores: Array, mask: Array) -> Array:
        if one_row(scores) and isinstance(self.gamma, (int, float)):
            return self._shares_of_row(scores.tolist(), mask.tolist(), float(self.gamma))
        xp = array_namespace(scores)
        if not bool(xp.all(xp.isfinite(scores) | ~mask)):
            self._refuse_infinite()
        best = share_ties(scores, mask)
        first = best > 0
        top = xp.max(xp.where(mask, scores, xp.full_like(scores, -xp.inf)), axis=-1, keepdims=True)
        many = xp.sum(xp.astype(mask, xp.float64), axis=-1, keepdims=True)
        behind = mask & ~first
        chance = self._chance(xp.where(behind, scores, top - 1.0), top, many, self._greed(scores))
        if self.least > 0:
            floor = xp.minimum(xp.full_like(many, self.least), 1.0 / many)
            chance = xp.maximum(chance, floor)
        chance = xp.where(behind, chance, xp.zeros_like(chance))
        return chance + best * (1.0 - xp.sum(chance, axis=-1, keepdims=True))

    def _shares_of_row(self, scores: list[float], mask: list[bool], gamma: float) -> Array:
        among = list(compress(scores, mask))
        top, many = max(among), len(among)
        if not (math.isfinite(top) and math.isfinite(min(among))):
            self._refuse_infinite()
        floor = min(self.least, 1.0 / many)
        chances = zip(among, self._chances(among, top, many, gamma), strict=True)
        shares = [0.0 if score == top else p if p > floor else floor for score, p in chances]
        rest = (1.0 - sum(shares)) / among.count(top)
        shares = [rest if score == top else p for score, p in zip(among, shares, strict=True)]
        if many < len(scores):
            every = iter(shares)
            shares = [next(every) if may else 0.0 for may in mask]
        return np.array(shares)

    def _refuse_infinite(self) -> NoReturn:
        raise BadValue("scores", "an infinite value", f"finite for {type(self).__name__}")

    def _greed(self, scores: Array) -> Array:
        """gamma as [..., 1] beside the scores. Raises: BadValue for a shape that does not broadcast."""
        gamma = as_float(self.gamma, scores)
        if gamma.ndim:
            rows = tuple(scores.shape[:-1])
            try:
                array_namespace(scores).broadcast_to(gamma, rows)
            except (ValueError, RuntimeError) as error:
                raise BadValue("gamma", list(gamma.shape), f"a number, or broadcastable to {list(rows)}") from error
        return gamma[..., None]


@dataclass(frozen=True)
class SquareCB(_InverseGap):
    """Inverse gap weighting (1), for predictors fitted by squared error.

    gamma: greed, at least 0, or one a row (it broadcasts over the rows): 0 is uniform, infinity greedy; see `gamma_at`
    least: no allowed action has a smaller propensity than this, or than 1 / k where that is smaller

    Scores are rewards, larger is better; of a table of arms the mean rewards, 0 where never pulled.
    Raises: BadValue for a setting out of range, and for infinite scores.
    """

    gamma: Any
    least: float = 0.0

    def _chance(self, scores: Array, top: Array, many: Array, gamma: Array) -> Array:
        return 1.0 / (many + gamma * (top - scores))

    def _chances(self, scores: list[float], top: float, many: int, gamma: float) -> list[float]:
        return [1.0 / (many + gamma * (top - score)) if score < top else 1.0 for score in scores]


@dataclass(frozen=True)
class FastCB(_InverseGap):
    """Inverse gap weighting (2), for chances of success fitted by log loss: where the best action almost never fails,
    little is explored.

    gamma, least: as in `SquareCB`
    least_loss: losses below this are taken for it, since at a loss of 0 nothing would be explored ever after

    Scores are chances of success; those outside 0 to 1 count as the nearer end.
    Raises: BadValue for a setting out of range, and for infinite scores.
    """

    gamma: Any
    least_loss: float = 1e-6
    least: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.least_loss <= 1:
            raise BadValue("least_loss", self.least_loss, "above 0 and at most 1")

    def _chance(self, scores: Array, top: Array, many: Array, gamma: Array) -> Array:
        xp = array_namespace(scores)
        loss, low = (xp.clip(1.0 - x, self.least_loss, 1.0) for x in (scores, top))
        gap = loss - low
        # a clipped gap of 0 has no weight, whatever gamma: infinity times 0 would not be a number
        weighted = xp.where(gap > 0, gamma * xp.where(gap > 0, gap, xp.ones_like(gap)), xp.zeros_like(gap))
        return low / (many * low + weighted)

    def _chances(self, scores: list[float], top: float, many: int, gamma: float) -> list[float]:
        low, *losses = (min(max(1.0 - score, self.least_loss), 1.0) for score in (top, *scores))
        return [low / (many * low + gamma * (loss - low)) if loss > low else 1.0 / many for loss in losses]
