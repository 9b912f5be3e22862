"""How many attempts each task of a step gets, out of a budget for all of them.

A group of n attempts teaches only where some succeed and some fail. With chance p of success its value is

    V(p, n) = [1 - p^n - (1 - p)^n] p (1 - p)^2,  V(p, 0) = 0                                              (1)
    V(p, n + 1) - V(p, n) = p (1 - p)^2 [p^n (1 - p) + (1 - p)^n p]                                        (2)

the chance of both outcomes, times about what a step of gradient then adds to p. (2) falls with n from n = 1 on, so that
taking the largest gains first, over all tasks, is the exact optimum; `allocate_dynamic` solves the same knapsack by
dynamic programming, for tests. From one attempt down it does not fall, hence a least number of at least 1.

`Knapsack` adds what a run needs: tasks not known yet get the mean, tasks at 0 or 1 a fixed few, and where those in
between need less than what is left,

    need_i = ln(1 - alpha) / ln max(p_i, 1 - p_i),  cut off at n_up                                        (3)

the surplus goes to the tasks at 0, which is what revives them; to the other remaining ones where there are none.

Every allocation sums to the budget. Chances are float64 NumPy arrays, NaN where unknown.

Source: (1, 3) Li et al. 2025 (arXiv 2509.25849); (2) and its use are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from wayfare.errors import BadValue

__all__ = [
    "Allocation",
    "Effective",
    "Knapsack",
    "allocate_dynamic",
    "allocate_knapsack",
    "effective_share",
    "gain",
    "proportional_to_variance",
    "uniform",
    "value",
]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
ROUNDING = 1e-9


def value(p: npt.ArrayLike, n: npt.ArrayLike) -> Floats:
    """(1), of any shapes that broadcast."""
    p, n = np.asarray(p, dtype=np.float64), np.asarray(n)
    return np.where(n > 0, _mixed(p, np.maximum(n, 1)) * p * (1 - p) ** 2, 0.0)


def gain(p: npt.ArrayLike, n: npt.ArrayLike) -> Floats:
    """(2), of any shapes that broadcast; n at least 1."""
    p, n = np.asarray(p, dtype=np.float64), np.asarray(n)
    return np.asarray(p * (1 - p) ** 2 * (p**n * (1 - p) + (1 - p) ** n * p))


def _mixed(p: Floats, n: Any) -> Floats:
    """The chance of both outcomes in n attempts."""
    return np.asarray(1.0 - p**n - (1.0 - p) ** n)


def uniform(tasks: int, total: int) -> Counts:
    """[M]: as equal as can be; the first tasks get what does not divide. Raises: BadValue for numbers out of range."""
    if tasks < 1 or total < 0:
        raise BadValue("tasks, total", (tasks, total), "at least 1 and at least 0")
    return np.full(tasks, total // tasks, dtype=np.int64) + (np.arange(tasks) < total % tasks)


def allocate_knapsack(p: npt.ArrayLike, total: int, n_low: int = 2, n_up: int = 128) -> Counts:
    """[M] int64: the n that maximise the sum of (1) over n_low <= n <= n_up, summing to total.

    p: [M] between 0 and 1        n_low: at least 1. Equal gains go to the task with fewer attempts, then to the first.

    Raises: BadValue for a p out of range or unknown, or a total that the limits do not allow.
    """
    chances = _checked(p, total, n_low, n_up)
    more = np.arange(n_low, n_up)[:, None]  # gains [n_up - n_low, M], one row a further attempt
    # rounding must not let a later gain pass an earlier one of its task
    gains = np.minimum.accumulate(gain(chances[None], more), axis=0)
    taken = np.argsort(-gains, axis=None, kind="stable")[: total - n_low * len(chances)]
    return n_low + np.bincount(taken % len(chances), minlength=len(chances)).astype(np.int64)


def allocate_dynamic(p: npt.ArrayLike, total: int, n_low: int = 2, n_up: int = 128) -> Counts:
    """As `allocate_knapsack`, in time M x total x n_up, whatever the shape of (1)."""
    chances = _checked(p, total, n_low, n_up)
    spare, span = total - n_low * len(chances), n_up - n_low
    best = np.full(spare + 1, -np.inf)
    best[0] = 0.0
    chosen = np.zeros((len(chances), spare + 1), dtype=np.int64)
    for task, chance in enumerate(chances):
        worth = value(chance, np.arange(n_low, n_up + 1))
        table = np.full((span + 1, spare + 1), -np.inf)
        for k in range(min(span, spare) + 1):
            table[k, k:] = best[: spare + 1 - k] + worth[k]
        chosen[task], best = table.argmax(axis=0), table.max(axis=0)
    n = np.empty(len(chances), dtype=np.int64)
    for task in reversed(range(len(chances))):
        n[task] = n_low + chosen[task, spare]
        spare -= chosen[task, spare]
    return n


def proportional_to_variance(p: npt.ArrayLike, total: int, n_low: int = 2, n_up: int = 128) -> Counts:
    """[M]: n in proportion to p (1 - p) within the limits, the largest remainders rounded up.

    Unknown tasks get the mean; where the limits leave the known ones no room then, all get the same.
    Raises: BadValue, see `allocate_knapsack`, though p may be NaN.
    """
    p = np.asarray(p, dtype=np.float64)
    _checked(np.nan_to_num(p), total, n_low, n_up)
    mean = int(np.clip(total // len(p), n_low, n_up))
    known = ~np.isnan(p)
    n = np.full(len(p), mean, dtype=np.int64)
    left = total - mean * int((~known).sum())
    if known.any() and n_low * known.sum() <= left <= n_up * known.sum():
        n[known] = _proportional(np.maximum(p[known] * (1 - p[known]), 1e-12), left, n_low, n_up)
        return n
    return uniform(len(p), total)


def _proportional(weight: Floats, total: int, n_low: int, n_up: int) -> Counts:
    low, high = 0.0, (n_up + 1.0) / weight.min()
    for _ in range(200):
        scale = 0.5 * (low + high)
        low, high = (scale, high) if np.clip(scale * weight, n_low, n_up).sum() < total else (low, scale)
    share = np.clip(high * weight, n_low, n_up)
    n: Counts = np.floor(share + ROUNDING).astype(np.int64)
    while (short := total - int(n.sum())) > 0:
        rising = np.argsort(np.where(n < n_up, n - share, np.inf), kind="stable")[: min(short, int((n < n_up).sum()))]
        n[rising] += 1
    return n


class Effective(NamedTuple):
    """Expected share of groups with both outcomes: samples, each attempt counts once; tasks, each group does."""

    samples: float
    tasks: float


def effective_share(p: npt.ArrayLike, n: npt.ArrayLike) -> Effective:
    """p: [M] true chances        n: [M] attempts. A published gain by samples may be none by tasks: say both."""
    chances, counts = np.asarray(p, dtype=np.float64), np.asarray(n)
    mixed = np.where(counts > 0, _mixed(chances, np.maximum(counts, 1)), 0.0)
    return Effective(float((mixed * counts).sum() / max(counts.sum(), 1)), float(mixed.mean()))


class Allocation(NamedTuple):
    """n: [M] int64, summing to the budget        n_up: as used: raised where the budget did not fit under the set one

    how: 'knapsack'; 'surplus', part of it went to tasks that seem dead; 'none between', all of it did, since no task is
    known to lie between 0 and 1
    """

    n: Counts
    n_up: int
    how: Literal["knapsack", "surplus", "none between"]


@dataclass(frozen=True)
class Knapsack:
    """See the module.

    n_low, n_up: limits of a task between 0 and 1        dead, solved: attempts of a task at 0 and at 1
    need: (3) by 'quantile' of the attempts until both outcomes are seen, or by their 'mean' 1 / (p (1 - p)) - 1
    alpha: of (3), between 0 and 1

    Raises: BadValue for a number or a name out of range.
    """

    n_low: int = 2
    n_up: int = 128
    dead: int = 2
    solved: int = 2
    need: Literal["quantile", "mean"] = "quantile"
    alpha: float = 0.9

    def __post_init__(self) -> None:
        if not 1 <= self.n_low <= self.n_up:
            raise BadValue("n_low, n_up", (self.n_low, self.n_up), "at least 1 and in rising order")
        for field, number in (("dead", self.dead), ("solved", self.solved)):
            if number < 0:
                raise BadValue(field, number, "at least 0")
        if self.need not in ("quantile", "mean"):
            raise BadValue("need", self.need, "'quantile' or 'mean'")
        if not 0 < self.alpha < 1:
            raise BadValue("alpha", self.alpha, "between 0 and 1")

    def allocate(self, p: npt.ArrayLike, total: int) -> Allocation:
        """p: [M], NaN where unknown. Raises: BadValue for a p out of range or a total that leaves some without."""
        p = np.asarray(p, dtype=np.float64)
        least = len(p) * max(self.n_low, self.dead, self.solved)
        if total < least:
            raise BadValue("total", total, f"at least {least} for {len(p)} tasks")
        _checked(np.nan_to_num(p), total, 1, total)
        dead, solved, between = p == 0, p == 1, (p > 0) & (p < 1)
        n = np.where(dead, self.dead, np.where(solved, self.solved, total // len(p))).astype(np.int64)
        n[between] = 0
        left, how = total - int(n.sum()), "knapsack"
        others = dead if dead.any() else ~between
        n_up = self.n_up
        if not between.any():
            n[others] += uniform(int(others.sum()), left)
            return Allocation(n, max(n_up, int(n.max())), "none between")
        spent = min(left, max(self._needed(p[between]), self.n_low * int(between.sum())))
        if others.any() and spent < left:
            n[others] += uniform(int(others.sum()), left - spent)
            left, how = spent, "surplus"
        n_up = max(n_up, -(-left // int(between.sum())))
        n[between] = allocate_knapsack(p[between], left, self.n_low, n_up)
        assert n.sum() == total
        return Allocation(n, max(n_up, int(n.max())), "surplus" if how == "surplus" else "knapsack")

    def _needed(self, p: Floats) -> int:
        """(3), summed."""
        if self.need == "mean":
            cost = 1.0 / (p * (1.0 - p)) - 1.0
        else:
            cost = np.log(1.0 - self.alpha) / np.log1p(-np.minimum(p, 1.0 - p))
        return int(np.minimum(np.floor(cost), self.n_up).sum())


def _checked(p: npt.ArrayLike, total: int, n_low: int, n_up: int) -> Floats:
    chances = np.asarray(p, dtype=np.float64)
    if chances.ndim != 1 or not len(chances):
        raise BadValue("p", list(chances.shape), "[M], one a task")
    wrong = ~((chances >= 0) & (chances <= 1))
    if wrong.any():
        raise BadValue("p", float(chances[wrong][0]), "between 0 and 1")
    if not 1 <= n_low <= n_up:
        raise BadValue("n_low, n_up", (n_low, n_up), "at least 1 and in rising order")
    if not n_low * len(chances) <= total <= n_up * len(chances):
        raise BadValue("total", total, f"between {n_low} and {n_up} for each of {len(chances)} tasks")
    return chances
