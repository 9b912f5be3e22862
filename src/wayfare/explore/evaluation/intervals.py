"""Intervals for an estimate: three for one look at a log of fixed length, and one for looking whenever one likes.

    normal                 asymptotic, of any estimate; fails quietly where a few weights carry the sum
    bootstrap              BCa or percentile; skewness is seen, heavy tails are not
    empirical_bernstein    holds at every N, for a mean of independent terms in a known range                  (1)
    confidence_sequence    holds at all N at once, for terms in a known range                                  (2)
    off_policy_sequence    the same for inverse propensity weighting: only the range of the *rewards* is needed  (3)

The first three hold at an N fixed beforehand: who looks every day and stops at the first good interval is wrong more
often than they say. The sequences (2), (3) hold at all N together with the probability of their level.

(3) rests on this: where X >= 0 and m in [0, 1] is known before X, then for 0 <= l < 1

    E exp(l (X - m) - psi(l) (X - m)^2) <= exp(l (E X - m)),        psi(l) = -log(1 - l) - l

by Fan's inequality, which asks for no upper bound of X. So w r, with r scaled to [0, 1], bounds the value from below
with no bound on w, and w (1 - r) bounds it from above. It holds where propensities depend on the past, where weights
are clipped, and where the log lacks actions: what is missing widens the interval.

Sources: (1) Maurer & Pontil 2009, "Empirical Bernstein bounds and sample variance penalization", theorem 4;
(2) Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by betting", theorem 2; (3) Waudby-Smith,
Wu, Ramdas, Karampatziakis & Mineiro 2022, "Anytime-valid off-policy inference for contextual bandits", and Fan, Grama &
Liu 2015, "Exponential inequalities for martingales with applications"; BCa: Efron 1987, "Better bootstrap confidence
intervals".
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.evaluation.estimators import Terms

__all__ = ["bootstrap", "confidence_sequence", "empirical_bernstein", "normal", "off_policy_sequence"]

Floats = NDArray[np.float64]
Bounds = tuple[float, float]

CHUNK = 1 << 20
"""Draws of the bootstrap held at once."""
LARGEST_BET = 0.5
"""Of lambda, as (2) advises: 1/2 or 3/4."""


def normal(terms: Terms, level: float = 0.95) -> Bounds:
    """Value -+ z times the standard error, by the delta method for a ratio. At least 2 rows."""
    z = NormalDist().inv_cdf(0.5 + _level(level) / 2)
    rows = _rows(terms.numerator)
    error = math.sqrt(float(terms.influence.var(ddof=1)) / rows)
    return terms.value - z * error, terms.value + z * error


def bootstrap(terms: Terms, level: float = 0.95, *, kind: str = "bca", draws: int = 2000, seed: int = 0) -> Bounds:
    """Rows drawn anew with replacement; a reward model is not fitted again.

    kind: 'bca' corrects for bias and skewness, by the jackknife; 'percentile' takes the quantiles as they are
    draws: resampled logs, at least 100

    Raises: BadValue for another kind, too few draws or fewer than 2 rows.
    """
    _level(level)
    rows = _rows(terms.numerator)
    if kind not in ("bca", "percentile"):
        raise BadValue("bootstrap", kind, "'bca' or 'percentile'")
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 100:
        raise BadValue("draws", draws, "an integer of at least 100")
    order = np.lexsort((terms.denominator, terms.numerator))  # the result must not depend on the order of the log
    above, below = terms.numerator[order], terms.denominator[order]
    stream, places = Stream(seed, "bootstrap"), np.arange(rows)
    values = np.empty(draws)
    at_once = max(1, CHUNK // rows)
    for first in range(0, draws, at_once):
        copies = np.arange(first, min(first + at_once, draws))
        drawn = stream.integers(rows, copies[:, None], places)
        base = below[drawn].sum(axis=1)
        # A resample without any weight says nothing: it counts as the estimate itself.
        values[copies] = np.where(base > 0, above[drawn].sum(axis=1) / np.where(base > 0, base, 1.0), terms.value)
    tail = (1 - level) / 2
    ends = [tail, 1 - tail]
    if kind == "bca":
        ends = [_bca(terms, values, end) for end in ends]
    low, high = np.quantile(values, ends)
    return float(low), float(high)


def empirical_bernstein(
    x: Floats, low: float, high: float, level: float = 0.95, *, groups: NDArray[np.int64] | None = None
) -> Bounds:
    """(1): mean -+ sqrt(2 V ln(2/d) / n) + 7 R ln(2/d) / (3 (n - 1)), d half of 1 - level, R = high - low.

    x: [N] independent terms, every possible one between low and high
    groups: [N] 0 .. K-1, where terms are independent in each group only (folds of cross-fitting): one bound a group at
    d / K, then their mean by size

    Raises: BadValue for a term out of range, or a group of fewer than 2.
    """
    _in_range(x, low, high)
    group = np.zeros(len(x), dtype=np.int64) if groups is None else groups
    several = int(group.max()) + 1
    log = math.log(4.0 * several / (1.0 - _level(level)))
    width = 0.0
    for k in range(several):
        own = x[group == k]
        n = _rows(own)
        bound = math.sqrt(2.0 * float(own.var(ddof=1)) * log / n) + 7.0 * (high - low) * log / (3.0 * (n - 1))
        width += bound * n / len(x)
    mean = float(x.mean())
    return max(low, mean - width), min(high, mean + width)


def confidence_sequence(x: Floats, low: float, high: float, level: float = 0.95) -> tuple[Floats, Floats]:
    """(2), the predictable plug-in empirical Bernstein sequence: x [N] -> lower and upper bound [N] after each term.

    C_t = (sum l x  -+  (ln(2/a) + sum v psi(l))) / sum l,   v = (x - m)^2,  m the mean before,
    l_t = min(1/2, sqrt(2 ln(2/a) / (s^2 t ln(1 + t)))),     s^2 the variance before t

    with the intersection of all that came before. Terms lie between low and high and have one mean given the past.

    Raises: BadValue for a term out of range.
    """
    _in_range(x, low, high)
    z = (x - low) / (high - low)
    alpha = (1 - _level(level)) / 2
    lower, upper = _lower(z, alpha), 1.0 - _lower(1.0 - z, alpha)
    return low + (high - low) * lower, low + (high - low) * upper


def off_policy_sequence(
    weights: Floats, rewards: Floats, reward_range: Bounds, level: float = 0.95
) -> tuple[Floats, Floats]:
    """(3): weights, rewards [N] in the order of time -> lower and upper bound [N] of the target's value after each row.

    reward_range: (lowest, highest) reward that can come

    Raises: BadValue for a reward out of range.
    """
    low, high = reward_range
    _in_range(rewards, low, high, "rewards")
    r = (rewards - low) / (high - low)
    alpha = (1 - _level(level)) / 2
    lower, upper = _lower(weights * r, alpha), 1.0 - _lower(weights * (1.0 - r), alpha)
    return low + (high - low) * lower, low + (high - low) * upper


def _lower(x: Floats, alpha: float) -> Floats:
    """x: [N] at least 0, of mean at most 1 -> [N] running bound from below, in [0, 1]."""
    t = np.arange(1, len(x) + 1)
    mean = np.minimum((0.5 + np.cumsum(x)) / (t + 1), 1.0)
    squares = (x - mean) ** 2
    spread = (0.25 + np.cumsum(squares)) / (t + 1)
    mean_before, spread_before = np.concatenate([[0.5], mean[:-1]]), np.concatenate([[0.25], spread[:-1]])
    log = math.log(1.0 / alpha)
    bet = np.minimum(LARGEST_BET, np.sqrt(2.0 * log / (spread_before * t * np.log1p(t))))
    paid = np.cumsum((x - mean_before) ** 2 * (-np.log1p(-bet) - bet))
    bound = (np.cumsum(bet * x) - log - paid) / np.cumsum(bet)
    return np.asarray(np.maximum.accumulate(np.clip(bound, 0.0, 1.0)))


def _bca(terms: Terms, values: Floats, end: float) -> float:
    """Which quantile of the bootstrap's values stands for this one."""
    standard = NormalDist()
    share = (float((values < terms.value).sum()) + 0.5 * float((values == terms.value).sum())) / len(values)
    bias = standard.inv_cdf(min(max(share, 0.5 / len(values)), 1 - 0.5 / len(values)))
    base = terms.denominator.sum() - terms.denominator
    left_out = (terms.numerator.sum() - terms.numerator) / np.where(base > 0, base, 1.0)
    left_out = np.where(base > 0, left_out, terms.value)
    off = left_out.mean() - left_out
    spread = float((off**2).sum())
    skewness = float((off**3).sum()) / (6.0 * spread**1.5) if spread > 0 else 0.0
    moved = bias + standard.inv_cdf(end)
    return standard.cdf(bias + moved / (1.0 - skewness * moved))


def _level(level: float) -> float:
    if not 0 < level < 1:
        raise BadValue("level", level, "between 0 and 1, 0.95 for 95 %")
    return level


def _rows(x: Floats) -> int:
    if len(x) < 2:
        raise BadValue("log", f"{len(x)} rows", "at least 2 rows for an interval, in each fold too")
    return len(x)


def _in_range(x: Floats, low: float, high: float, field: str = "x") -> None:
    if not -math.inf < low < high < math.inf:
        raise BadValue("range", (low, high), "(lowest, highest), finite and in this order")
    slack = 1e-9 * (high - low)
    wrong = (x < low - slack) | (x > high + slack)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BadValue(f"{field}[{row}]", float(x[row]), f"between {low:g} and {high:g}, the range given")
