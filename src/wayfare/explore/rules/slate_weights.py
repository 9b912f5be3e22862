"""Weights for slates from scores: how far a policy over sets may stray from the k best, said in items.

Rules differ in what they call promising; how much they explore is one number for all of them, the expected number of
shown items that are not among the k best by the rule's own scores:

    k - sum_{i in top k} pi_i(w) = explore                                                                        (1)

Each family but the last has one free strength, which (1) settles by a search:

    boltzmann     w_i = exp(f_i / tau)                                                                            (2)
    inverse gap   w_i = 1 / (1 + gamma gap_i), gap_i = max(0, f_(k) - f_i), f_(k) the k-th best; for k = 1 the
                  probabilities of SquareCB                                                                       (3)
    thompson      w_i = (p_i / (1 - p_i))^(1 / tau), p_i the smoothed share of posterior draws in which i is
                  among the k best                                                                                (4)

    softmax       w_i = exp(f_i / alpha) at an alpha that is given, in the unit of the scores                     (5)

Where uniform weights explore less than is asked for, they are what is given; without exploration (0) the rest keeps
the smallest weight that doubles bear, so that every set stays possible. The probability of a set is exact given the
weights, however they were made.

Sources: (3) after Foster & Rakhlin 2020 (arXiv 2002.04926), there for one action; (4) after Thompson 1933. The
constraint (1) and the extension of both to sets are ours. (5) is (2) without the search, for one item the policy of
maximum-entropy reinforcement learning (Ziebart 2010; Haarnoja et al. 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.draws import Draws
from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import Scores
from wayfare.explore.rules.inverse_gap import SquareCB
from wayfare.explore.rules.slates import Top, elementary

__all__ = ["boltzmann", "inverse_gap", "outside", "softmax", "thompson", "top_shares"]

Floats = NDArray[np.float64]
WIDEST, BEAR = 60.0, 600.0
"""Logarithms of weights lie within min(WIDEST, BEAR / k): the products of k of them stay within doubles."""
DRAWS = 200
SMOOTHING = 0.5 / (DRAWS + 1.0)
STEPS = 60
CLOSE = 1e-4
"""How near (1) is met, in items."""
NEAR = 2.0
"""Powers of e between which a chord is a better guess than the middle."""


def outside(weights: Floats, top: list[int], k: int) -> float:
    """Left side of (1), from the chance e_j(rest) e_{k-j}(top) / e_k that j of the k come from the rest: a third of the
    work of inclusion chances, and a search asks for it often. weights: [n], k < n        top: places of the k best."""
    of = np.asarray(weights, np.float64).tolist()
    inside = set(top)
    best = elementary([of[i] for i in inside], k)
    rest = elementary([w for i, w in enumerate(of) if i not in inside], k)
    chances = [a * b for a, b in zip(rest, reversed(best), strict=True)]
    return math.fsum(j * chance for j, chance in enumerate(chances)) / math.fsum(chances)


def boltzmann(scores: ArrayLike, k: int, explore: float) -> Floats:
    """(2) with tau from (1). scores: [n], finite -> weights [n]. Raises: BadValue."""
    f, top = _scores(scores, k, explore)
    if not 0 < k < len(f) or not np.ptp(f):
        return np.ones(len(f))
    order = np.sort(f)
    above = (f - (order[-k] + order[-k - 1]) / 2) / np.ptp(f)  # from the middle, so that no limit hides who is better
    limit = _widest(k) / 2
    return _solved(lambda strength: np.exp(np.clip(strength * above, -limit, limit)), limit * 1e6, top, k, explore)


def softmax(scores: ArrayLike, k: int, temperature: float) -> Floats:
    """(5). scores: [n], finite        temperature: alpha, 0 or above -> weights [n]

    Logarithms are taken from the middle between the k-th best score and the next, so that who is better is never lost;
    those beyond the limits of doubles stand at the limit, which moves chances by less than e^-30 (for k up to 10). At
    alpha = 0 the k best are taken, equal ones alike; the larger alpha, the nearer to uniform. Raises: BadValue.
    """
    f, _ = _scores(scores, k, 0.0)
    if not (math.isfinite(temperature) and temperature >= 0):
        raise BadValue("temperature", temperature, "finite and 0 or above")
    if not 0 < k < len(f):
        return np.ones(len(f))
    order = np.sort(f)
    above, limit = f - (order[-k] / 2 + order[-k - 1] / 2), _widest(k) / 2
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        logs = np.where(above == 0, 0.0, above / temperature)
    found: Floats = np.exp(np.clip(logs, -limit, limit))
    return found


def inverse_gap(scores: ArrayLike, k: int, explore: float) -> Floats:
    """(3) with gamma from (1). scores: [n], finite -> weights [n]. Raises: BadValue."""
    f, top = _scores(scores, k, explore)
    if not 0 < k < len(f):
        return np.ones(len(f))
    gap = np.maximum(0.0, f[top[-1]] - f)
    if not gap.any():
        return np.ones(len(f))
    gap = gap / gap.max()

    def weights(gamma: float) -> Floats:
        if k > 1:
            found: Floats = 1.0 / (1.0 + gamma * gap)
        else:
            found = np.maximum(SquareCB(gamma).propensities(Scores(-gap)), math.exp(-_widest(k)))
        return found

    return _solved(weights, math.exp(_widest(k)), top, k, explore)


def thompson(
    mean: ArrayLike, width: ArrayLike, k: int, explore: float, draws: Draws, least: float | None = None
) -> Floats:
    """(4) with tau from (1). mean, width: [n] of independent normal posteriors -> weights [n].

    least: None explores `explore` items whatever the posterior is; else as many as it doubts, sum of p_i over the rest,
    between `least` and `explore`
    Raises: BadValue, also for a width below 0.
    """
    shares = top_shares(mean, width, k, draws)
    if least is not None:
        _scores(mean, k, least)
        doubt = float(np.sort(shares)[: max(0, len(shares) - k)].sum()) - (len(shares) - k) * SMOOTHING
        explore = min(explore, max(least, doubt))
    return boltzmann(np.log(shares) - np.log1p(-shares), k, explore)


def top_shares(mean: ArrayLike, width: ArrayLike, k: int, draws: Draws, many: int = DRAWS) -> Floats:
    """[n], in (0, 1): in which share of `many` posterior draws an item is among the k best, half a draw added."""
    f, _ = _scores(mean, k, 0.0)
    spread = np.asarray(width, np.float64)
    if spread.shape != f.shape or not (np.isfinite(spread).all() and (spread >= 0).all()):
        raise BadValue("width", list(spread.shape), f"{len(f)} finite numbers, 0 or above")
    n = len(f)
    if not 0 < k < n:
        return np.full(n, 0.5)
    sampled = f + spread * np.asarray(draws.normal(many * n)).reshape(many, n)
    best = np.argpartition(-sampled, k - 1, axis=1)[:, :k]
    counts = np.bincount(best.ravel(), minlength=n)
    shares: Floats = np.divide(counts + 0.5, many + 1.0, dtype=np.float64)
    return shares


def _widest(k: int) -> float:
    return min(WIDEST, BEAR / k)


def _scores(scores: ArrayLike, k: int, explore: float) -> tuple[Floats, list[int]]:
    f = np.asarray(scores, np.float64)
    if f.ndim != 1 or not np.isfinite(f).all():
        raise BadValue("scores", list(f.shape), "a row [n] of finite numbers")
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 0:
        raise BadValue("k", k, "a whole number, 0 or more")
    if not (math.isfinite(explore) and explore >= 0):
        raise BadValue("explore", explore, "a number of items, at least 0")
    return f, Top(f).best(k)


def _solved(weights: Callable[[float], Floats], strongest: float, top: list[int], k: int, explore: float) -> Floats:
    """The weights whose strength meets (1), since `outside` falls with it: a search between powers of e, by halves and,
    near by, along chords, whose standing end counts half as much at each step (after Dowell & Jarratt 1971)."""
    uniform = weights(0.0)
    n = len(uniform)
    if not 0 < k < n or explore >= k * (1 - k / n):
        return uniform
    low, high = math.log(1e-6), math.log(strongest)
    found = weights(strongest)
    above, below = k * (1 - k / n) - explore, outside(found, top, k) - explore
    if below >= 0:
        return found
    for _ in range(STEPS):
        near = high - low < NEAR
        middle = high - below * (high - low) / (below - above) if near else (low + high) / 2
        found = weights(math.exp(middle))
        left = outside(found, top, k) - explore
        if abs(left) <= CLOSE:
            break
        if left > 0:
            below, (low, above) = below / (2 if near else 1), (middle, left)
        else:
            above, (high, below) = above / (2 if near else 1), (middle, left)
    return found
