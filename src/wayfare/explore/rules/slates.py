"""Slates: sets of k out of n, drawn with a probability that can be written down, and inclusion chances to first and
second order.

A policy over slates is a finite mixture sum_c a_c P_c(S), every component one of

    Top(scores)              the k best, for certain; equal scores go to the earlier place
    ConditionalPoisson(w)    P(S) = prod_{i in S} w_i / e_k(w),   w > 0                                          (1)

where e_k is the elementary symmetric polynomial. With prefix and suffix tables A[i, j] = e_j(w_0 .. w_{i-1}) and
B[i, j] = e_j(w_i .. w_{n-1}), sums of positive terms alone,

    pi_i    = w_i sum_j A[i, j] B[i + 1, k - 1 - j] / e_k(w)                                                     (2)
    pi_{ij} = pi_i * (chance of j among the others, for k - 1)                                                   (3)

The recursion that divides item i out of e_k again subtracts, and loses six digits when the weights span e^12; this one
loses none. Slates are sets: places in any order.

Source: Chen, Dempster & Liu 1994, "Weighted finite population sampling to maximize entropy" (conditional Poisson
sampling, there by the recursion); Tille 2006, "Sampling Algorithms", chapter 5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.draws import Draws
from wayfare.errors import BadValue

__all__ = ["ConditionalPoisson", "SlateMixture", "Top", "elementary"]

Floats = NDArray[np.float64]
SHARES_SUM = 1e-9
"""How far the shares of a mixture may be from one in sum."""


def _row(field: str, values: ArrayLike) -> Floats:
    row = np.asarray(values, np.float64)
    if row.ndim != 1:
        raise BadValue(field, list(row.shape), "a row [n]")
    return row


class Top:
    """The k best of `scores` [n], for certain; equal ones in the order in which they stand.

    Raises: BadValue for NaN.
    """

    def __init__(self, scores: ArrayLike) -> None:
        self.scores = _row("scores", scores)
        if np.isnan(self.scores).any():
            raise BadValue("scores", "NaN", "numbers")

    def __len__(self) -> int:
        return len(self.scores)

    def best(self, k: int) -> list[int]:
        """The k best, best first."""
        found: list[int] = np.argsort(-self.scores, kind="stable")[:k].tolist()
        return found


class ConditionalPoisson:
    """Sets in proportion to the product of their weights (1).

    weights: [n], finite and above 0; a common factor changes nothing
    Raises: BadValue.
    """

    def __init__(self, weights: ArrayLike) -> None:
        self.weights = _row("weights", weights)
        if len(self.weights) and not (float(self.weights.min()) > 0 and math.isfinite(float(self.weights.sum()))):
            raise BadValue("weights", self.weights.tolist(), "finite and above 0")

    def __len__(self) -> int:
        return len(self.weights)


def elementary(weights: Iterable[float], k: int) -> list[float]:
    """e_0 .. e_k of the weights: sums over all sets of so many of them of their product."""
    row = [1.0] + [0.0] * k
    for w in weights:
        row = [1.0, *[a + w * b for a, b in zip(row[1:], row, strict=False)]]
    return row


class _Tables:
    """A conditional Poisson design of a fixed size k, 0 < k < n: its weights, scaled, and the tables of (2)."""

    def __init__(self, weights: Floats, k: int) -> None:
        # between the k-th and the next the scale is such that e_k neither overflows nor vanishes
        order = np.sort(weights)
        scale = math.sqrt(order[-k]) * math.sqrt(order[-k - 1])
        self.k, self.weights = k, (weights / scale).tolist()
        self.prefix = _table(self.weights, k)
        self.whole = self.prefix[-1][k]
        if not 0 < self.whole < math.inf:
            span = math.log(order[-1] / order[0])
            raise BadValue("weights", f"a span of e^{span:.0f}", f"closer together for k = {k}")

    @cached_property
    def suffix(self) -> list[list[float]]:
        """B, [n + 1][k + 1]."""
        return _table(self.weights[::-1], self.k)[::-1]

    def probability(self, slate: Sequence[int]) -> float:
        chance = 1.0 / self.whole
        for i in slate:
            chance *= self.weights[i]
        return chance

    @cached_property
    def inclusion(self) -> Floats:
        """(2)."""
        last, whole = self.k - 1, self.whole
        rows = zip(self.weights, self.prefix, self.suffix[1:], strict=False)
        return np.array([w * sum(map(mul, before, after[last::-1])) / whole for w, before, after in rows])

    def pairs(self) -> Floats:
        """(3), with pi on the diagonal: one design of n - 1 items for each item left out, all at once."""
        pi, n, k = self.inclusion, len(self.weights), self.k - 1
        found = np.zeros((n, n))
        if k:
            others = np.array([[j for j in range(n) if j != i] for i in range(n)])
            weights = np.array(self.weights)[others]
            before, after = _batch(weights, k), _batch(weights[:, ::-1], k)
            without = np.einsum("tnj,tnj->nt", before[:-1, :, :k], after[-2::-1, :, k - 1 :: -1]) * weights
            found[np.arange(n)[:, None], others] = pi[:, None] * without / before[-1, :, k, None]
            found = (found + found.T) / 2
        np.fill_diagonal(found, pi)
        return found

    def sample(self, uniforms: Sequence[float]) -> list[int]:
        """Item after item: i is taken with chance w_i B[i + 1, r - 1] / B[i, r], r being still wanted."""
        wanted, taken, last = self.k, [], len(self.weights)
        for i, (weight, uniform) in enumerate(zip(self.weights, uniforms, strict=True)):
            if not wanted:
                break
            if last - i == wanted or uniform * self.suffix[i][wanted] < weight * self.suffix[i + 1][wanted - 1]:
                taken.append(i)
                wanted -= 1
        return taken


def _table(weights: Sequence[float], k: int) -> list[list[float]]:
    """[n + 1][k + 1]: e_j of the first i weights. A loop over floats: NumPy's calls cost more than such short rows."""
    row = [1.0] + [0.0] * k
    rows = [row]
    for w in weights:
        row = [1.0, *[a + w * b for a, b in zip(row[1:], row, strict=False)]]
        rows.append(row)
    return rows


def _batch(weights: Floats, k: int) -> Floats:
    """weights: [B, n] -> [n + 1, B, k + 1], the table of each row."""
    many, n = weights.shape
    tables = np.zeros((n + 1, many, k + 1))
    tables[:, :, 0] = 1.0
    for i in range(n):
        tables[i + 1, :, 1:] = tables[i, :, 1:] + weights[:, i, None] * tables[i, :, :-1]
    return tables


class SlateMixture:
    """A mixture of designs over sets of k' = min(k, n) out of n.

    parts: (share, component), shares above or equal 0 with sum one, components over the same n items
    Raises: BadValue.
    """

    def __init__(self, parts: Sequence[tuple[float, Top | ConditionalPoisson]], k: int) -> None:
        if not parts:
            raise BadValue("parts", [], "one component at least")
        sizes = {len(part) for _, part in parts}
        if len(sizes) != 1:
            raise BadValue("parts", sorted(sizes), "over the same number of items")
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 0:
            raise BadValue("k", k, "a whole number, 0 or more")
        shares = [float(share) for share, _ in parts]
        if not (min(shares) >= 0 and abs(math.fsum(shares) - 1) <= SHARES_SUM):
            raise BadValue("shares", shares, "0 or above, with sum one")
        self.n = sizes.pop()
        self.k = min(int(k), self.n)
        self.parts = [(share, part) for share, (_, part) in zip(shares, parts, strict=True)]

    @cached_property
    def _designs(self) -> list[_Tables | frozenset[int]]:
        """Of each component: tables, or the only set it ever shows."""
        if self.k in (0, self.n):
            return [frozenset(range(self.k))] * len(self.parts)
        return [
            frozenset(part.best(self.k)) if isinstance(part, Top) else _Tables(part.weights, self.k)
            for _, part in self.parts
        ]

    def probability(self, slate: Iterable[int]) -> float:
        """Of drawing exactly this set. Raises: BadValue unless it is k' different places."""
        places = [int(i) for i in slate]
        chosen = frozenset(places)
        if not len(places) == len(chosen) == self.k or any(not 0 <= i < self.n for i in chosen):
            raise BadValue("slate", places, f"{self.k} different places below {self.n}")
        found = 0.0
        for (share, _), design in zip(self.parts, self._designs, strict=True):
            if isinstance(design, _Tables):
                found += share * design.probability(places)
            elif design == chosen:
                found += share
        return found

    def inclusion(self) -> Floats:
        """[n], the chance of each item to be shown; the sum is k'."""
        found = np.zeros(self.n)
        for (share, _), design in zip(self.parts, self._designs, strict=True):
            if isinstance(design, _Tables):
                found += share * design.inclusion
            else:
                found[list(design)] += share
        return found

    def pairs(self) -> Floats:
        """Gamma, [n, n]: the chance of two items to be shown together, `inclusion` on the diagonal."""
        found = np.zeros((self.n, self.n))
        for (share, _), design in zip(self.parts, self._designs, strict=True):
            if isinstance(design, _Tables):
                found += share * design.pairs()
            else:
                places = list(design)
                found[np.ix_(places, places)] += share
        return found

    def sample(self, draws: Draws | Any) -> tuple[list[int], int]:
        """A set, in the order of its places, and which component it came from.

        draws: of one decision; `draws.uniform()` chooses the component, `draws.uniform(n)` the items
        """
        which = 0
        if len(self.parts) > 1:
            left = float(draws.uniform())
            which = max(i for i, (share, _) in enumerate(self.parts) if share > 0)  # where rounding leaves a rest
            for i, (share, _) in enumerate(self.parts):
                if left < share:
                    which = i
                    break
                left -= share
        design = self._designs[which]
        if isinstance(design, _Tables):
            return design.sample(draws.uniform(self.n).tolist()), which
        return sorted(design), which
