"""The probability that each of several independent quantities is the largest, by quadrature, error below 1e-6.

    P(i is largest) = integral of f_i(x) prod_{j != i} F_j(x) dx                                      (1)

Every arm marks its own breakpoints on the line, so close that its density f is smooth between them; between any two
neighbouring breakpoints of all arms stand Gauss-Legendre nodes. F at a node is the integral of f up to there, from the
same nodes: distribution functions, which neither NumPy nor the array API has, are not needed. Beta variables are
integrated over their log-odds, where the density has no poles and is log-concave.

Below the point under which some arm never falls nothing is largest: there the integral begins, and arms that lie below
altogether are left out. "Never" is a chance below 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from wayfare.arrays import array_namespace
from wayfare.explore.rules.choice import as_float
from wayfare.explore.rules.evidence import Array

__all__ = ["beta_is_best", "gaussian_is_best"]

ORDER = 12
MOST = 1 << 19
"""Numbers held at once: rows are worked off in portions."""
BELL = (-9.0, -7.0, -5.0, -3.0, -1.0, 1.0, 3.0, 5.0, 7.0, 9.0)
"""Breakpoints of a bell curve, in standard deviations."""
TAIL = (2.0, 6.0, 12.0, 20.0, 32.0)
"""Breakpoints of an exponential tail, in mean lengths."""
CUT = (-16.0, -12.0, -8.0, -6.0, -4.0, -2.0, 0.0, 1.0, 2.0, 3.0, 4.0)
"""Breakpoints where exp(-exp(y)) falls from 1 to 0."""


def _rule(order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes and weights on [-1, 1], and [order, order] weights of the integrals from -1 up to each node."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    p = np.polynomial.legendre.legvander(nodes, order)
    degree = np.arange(1, order)
    rising = np.concatenate([nodes[:, None] + 1.0, (p[:, 2:] - p[:, : order - 1]) / (2 * degree + 1)], axis=1)
    return nodes, weights, rising @ (p[:, :order] * weights[:, None] * (np.arange(order) + 0.5)).T


NEVER = math.log(1e-12)


NODES, WEIGHTS, PARTIAL = _rule(ORDER)


def gaussian_is_best(mean: Array, sd: Array, mask: Array) -> Array:
    """mean, sd >= 0, mask: [..., A] -> [..., A] float64, 0 off the mask; equal quantities of sd 0 share."""
    xp = array_namespace(mean)
    mean, sd = xp.broadcast_arrays(mean, sd)

    def portion(mean: Array, sd: Array, mask: Array) -> Array:
        spread = mask & (sd > 0)
        first = xp.argmax(xp.astype(spread, xp.int64), axis=-1)[:, None]
        some = xp.any(spread, axis=-1, keepdims=True)
        at = xp.where(some, xp.take_along_axis(mean, first, axis=-1), xp.zeros_like(mean[:, :1]))
        wide = xp.where(some, xp.take_along_axis(sd, first, axis=-1), xp.ones_like(sd[:, :1]))
        m, s = xp.where(spread, mean, at), xp.where(spread, sd, wide)
        breaks = m[:, :, None] + s[:, :, None] * as_float(BELL, m)

        def density(x: Array, m: Array, s: Array) -> Array:
            z = (x - m) / s
            return xp.exp(-0.5 * z * z) / (s * math.sqrt(2 * math.pi))

        fixed = xp.where(mask & (sd == 0), mean, xp.full_like(mean, -xp.inf))
        return _largest(breaks, m - 7.1 * s, m + 7.1 * s, density, (m, s), spread, fixed)

    return _by_portions(portion, len(BELL), mean, sd, mask)


def beta_is_best(a: Array, b: Array, mask: Array) -> Array:
    """a, b > 0, mask: [..., A] -> [..., A] float64, 0 off the mask."""
    xp = array_namespace(a)

    def portion(a: Array, b: Array, mask: Array) -> Array:
        first = xp.argmax(xp.astype(mask, xp.int64), axis=-1)[:, None]
        a = xp.where(mask, a, xp.take_along_axis(a, first, axis=-1))[:, :, None]
        b = xp.where(mask, b, xp.take_along_axis(b, first, axis=-1))[:, :, None]
        mode, sd, tail, cut = xp.log(a / b), xp.sqrt(1.0 / a + 1.0 / b), as_float(TAIL, a), as_float(CUT, a)
        middle = as_float((-5.0, -2.0, 0.0, 2.0, 5.0), a) + xp.zeros_like(a)
        marks = [
            mode + sd * as_float(BELL, a),
            mode - tail / a,
            mode + tail / b,
            cut - xp.log(b),
            xp.log(a) - cut,
            middle,
        ]

        y, size = xp.concat(marks, axis=-1), a + b
        whole = 0.5 * xp.log(2 * math.pi * size / (a * b)) + _stirling(a) + _stirling(b) - _stirling(size)
        whole = whole + a * mode - size * _softplus(mode)

        def log_density(y: Array, a: Array, size: Array, whole: Array) -> Array:
            return a * y - size * _softplus(y) - whole

        # where log f falls with slope c, f / c is more than all that lies beyond
        slope = a - size * xp.exp(-_softplus(-y))
        never = log_density(y, a, size, whole) - xp.log(xp.abs(slope) + 1e-300) < NEVER
        low = xp.max(xp.where(never & (slope > 0), y, xp.min(y, axis=-1, keepdims=True)), axis=-1)
        high = xp.min(xp.where(never & (slope < 0), y, xp.max(y, axis=-1, keepdims=True)), axis=-1)
        return _largest(
            y,
            low,
            high,
            lambda *at: xp.exp(log_density(*at)),
            (a[:, :, 0], size[:, :, 0], whole[:, :, 0]),
            mask,
            xp.full_like(low, -xp.inf),
        )

    return _by_portions(portion, len(BELL) + 2 * len(TAIL) + 2 * len(CUT) + 5, a, b, mask)


def _softplus(y: Array) -> Array:
    xp = array_namespace(y)
    return xp.where(y > 0, y, xp.zeros_like(y)) + xp.log1p(xp.exp(-xp.abs(y)))


def _stirling(x: Array) -> Array:
    """log Gamma(x) - (x - 1/2) log x + x - log(2 pi) / 2, to 1e-11."""
    xp, more = array_namespace(x), 0.0
    for _ in range(8):
        more = more + (x + 0.5) * xp.log1p(1.0 / x) - 1.0
        x = x + 1.0
    square = 1.0 / (x * x)
    return more + (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / x


def _by_portions(portion: Callable[..., Array], marks: int, *tables: Array) -> Array:
    """Flattens the leading shape and works it off in portions that hold at most MOST numbers."""
    xp = array_namespace(tables[0])
    shape, arms = tables[0].shape, tables[0].shape[-1]
    rows = [xp.reshape(x, (-1, arms)) for x in tables]
    size = max(1, MOST // (arms * arms * marks * ORDER))
    parts = [portion(*(x[i : i + size] for x in rows)) for i in range(0, rows[0].shape[0], size)]
    return xp.reshape(xp.concat(parts, axis=0), shape) if parts else xp.zeros_like(tables[0])


def _largest(
    breaks: Array,
    low: Array,
    high: Array,
    density: Callable[..., Array],
    of: tuple[Array, ...],
    spread: Array,
    fixed: Array,
) -> Array:
    """(1) over R rows of A arms.

    breaks: [R, A, marks]        low, high: [R, A] between which an arm always is
    density: x [R, 1, P, Q] and what it needs to know, `of`: [R, A] each -> [R, A, P, Q]
    spread: [R, A] arms that have a density        fixed: [R, A] arms that are a number, -inf for the others
    """
    xp = array_namespace(breaks)
    rows, arms = low.shape
    top = xp.max(fixed, axis=-1, keepdims=True)  # [R, 1]
    least = xp.maximum(top, xp.max(xp.where(spread, low, xp.full_like(low, -xp.inf)), axis=-1, keepdims=True))
    live = spread & (high > least)
    most = xp.maximum(least, xp.max(xp.where(live, high, xp.full_like(high, -xp.inf)), axis=-1, keepdims=True))

    inside = xp.reshape(live[:, :, None] & (breaks > least[:, :, None]) & (breaks < most[:, :, None]), (rows, -1))
    edges = xp.sort(xp.where(inside, xp.reshape(breaks, (rows, -1)), most), axis=-1)
    marks = int(xp.max(xp.sum(xp.astype(inside, xp.int64), axis=-1)))
    edges = xp.concat([least, edges[:, :marks:2], most], axis=-1)  # every second is still close by far
    left, half = edges[:, None, :-1, None], 0.5 * (edges[:, 1:] - edges[:, :-1])[:, None, :, None]
    x = left + half * (1.0 + as_float(NODES, edges))  # [R, 1, P, Q]

    # live arms first, and only as many as there are in any row
    order = xp.argsort(xp.astype(~live, xp.int64), axis=-1, stable=True)
    several = max(1, int(xp.max(xp.sum(xp.astype(live, xp.int64), axis=-1))))
    at = order[:, :several]
    here = xp.take_along_axis(live, at, axis=-1)
    f = density(x, *(xp.take_along_axis(p, at, axis=-1)[:, :, None, None] for p in of)) * half
    f = xp.where(here[:, :, None, None], f, xp.zeros_like(f))
    panel = f @ as_float(WEIGHTS, f)  # [R, K, P]
    upto = xp.cumulative_sum(panel, axis=-1)
    whole = upto[:, :, -1]
    begins = here & (xp.take_along_axis(low, at, axis=-1) >= least)  # all of it lies above
    start = xp.where(begins, xp.zeros_like(whole), xp.clip(1.0 - whole, 0.0, 1.0))
    scale = 1.0 / xp.where(begins, whole, xp.ones_like(whole))
    below = (upto - panel)[..., None] + f @ as_float(PARTIAL.T.copy(), f)
    below = start[:, :, None, None] + scale[:, :, None, None] * below

    others, before, after = [], xp.ones_like(below[:, 0]), xp.ones_like(below[:, 0])
    for k in range(several):
        others.append(before)
        before = before * below[:, k]
    chance = []
    for k in range(several - 1, -1, -1):
        chance.append(scale[:, k] * xp.sum((f[:, k] * others[k] * after) @ as_float(WEIGHTS, f), axis=-1))
        after = after * below[:, k]
    rest = [xp.zeros_like(top)] * (arms > several) * (arms - several)
    found = xp.concat([xp.stack(chance[::-1], axis=-1), *rest], axis=-1)
    chance = xp.take_along_axis(found, xp.argsort(order, axis=-1), axis=-1)

    # an arm that is a number wins when all densities stay below the largest such number
    under = xp.prod(start, axis=-1, keepdims=True)
    first = xp.astype((fixed == top) & (fixed > -xp.inf), xp.float64)
    count = xp.sum(first, axis=-1, keepdims=True)
    chance = chance + first * under / xp.where(count > 0, count, xp.ones_like(count))
    return chance / xp.sum(chance, axis=-1, keepdims=True)
