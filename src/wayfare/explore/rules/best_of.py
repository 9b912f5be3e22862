"""The probability that each of several independent quantities is the largest, by quadrature, error below 1e-6.

    P(i is largest) = integral of f_i(x) prod_{j != i} F_j(x) dx                                      (1)

Every arm marks its own breakpoints on the line, so close that its density f is smooth between them; between any two
neighbouring breakpoints of all arms stand Gauss-Legendre nodes. F at a node is the integral of f up to there, from the
same nodes, and densities are normalised by their whole integrals: distribution functions, which neither NumPy nor the
array API has, are not needed. Beta variables are integrated over their log-odds, where the density has no poles.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wayfare.arrays import array_namespace
from wayfare.explore.rules.choice import as_float
from wayfare.explore.rules.evidence import Array

__all__ = ["beta_is_best", "gaussian_is_best"]

ORDER = 12
MOST = 1 << 22
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

        def density(x: Array) -> Array:
            z = (x - m[:, :, None, None]) / s[:, :, None, None]
            return xp.exp(-0.5 * z * z) / s[:, :, None, None]

        fixed = mask & (sd == 0)
        return _largest(breaks, density, spread, xp.where(fixed, mean, xp.full_like(mean, -xp.inf)))

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

        def log_odds(y: Array, a: Array, b: Array) -> Array:
            softplus = xp.where(y > 0, y, xp.zeros_like(y)) + xp.log1p(xp.exp(-xp.abs(y)))
            return a * y - (a + b) * softplus

        peak = log_odds(mode, a, b)

        def density(y: Array) -> Array:
            return xp.exp(log_odds(y, a[..., None], b[..., None]) - peak[..., None])

        return _largest(xp.concat(marks, axis=-1), density, mask, xp.full_like(mode[:, :, 0], -xp.inf))

    return _by_portions(portion, len(BELL) + 2 * len(TAIL) + 2 * len(CUT) + 5, a, b, mask)


def _by_portions(portion: Callable[..., Array], marks: int, *tables: Array) -> Array:
    """Flattens the leading shape and works it off in portions that hold at most MOST numbers."""
    xp = array_namespace(tables[0])
    shape, arms = tables[0].shape, tables[0].shape[-1]
    rows = [xp.reshape(x, (-1, arms)) for x in tables]
    size = max(1, MOST // (arms * arms * marks * ORDER))
    parts = [portion(*(x[i : i + size] for x in rows)) for i in range(0, rows[0].shape[0], size)]
    return xp.reshape(xp.concat(parts, axis=0), shape) if parts else xp.zeros_like(tables[0])


def _largest(breaks: Array, density: Callable[[Array], Array], spread: Array, fixed: Array) -> Array:
    """(1) over R rows of A arms.

    breaks: [R, A, marks]        density: x [R, 1, P, Q] -> [R, A, P, Q], up to a factor an arm
    spread: [R, A] arms that have a density        fixed: [R, A] arms that are a number, -inf for the others
    """
    xp = array_namespace(breaks)
    edges = xp.sort(xp.reshape(breaks, (breaks.shape[0], -1)), axis=-1)
    top = xp.max(fixed, axis=-1, keepdims=True)  # [R, 1]
    within = xp.minimum(xp.maximum(top, edges[:, :1]), edges[:, -1:])
    edges = xp.sort(xp.concat([edges, within], axis=-1), axis=-1)
    left, half = edges[:, None, :-1, None], 0.5 * (edges[:, 1:] - edges[:, :-1])[:, None, :, None]
    x = left + half * (1.0 + as_float(NODES, edges))  # [R, 1, P, Q]

    f = density(x) * half
    panel = xp.sum(f * as_float(WEIGHTS, f), axis=-1)  # [R, A, P]
    upto = xp.cumulative_sum(panel, axis=-1)
    whole = upto[:, :, -1:]
    below = (upto - panel)[..., None] + xp.matmul(f, as_float(PARTIAL.T.copy(), f))
    log_below = xp.log(xp.clip(below / whole[..., None], 1e-300, None))
    log_below = xp.where(spread[:, :, None, None], log_below, xp.zeros_like(log_below))
    others = xp.exp(xp.sum(log_below, axis=1, keepdims=True) - log_below)
    share = xp.where(x > top[:, :, None, None], f * others, xp.zeros_like(f)) / whole[..., None]
    chance = xp.sum(xp.sum(share * as_float(WEIGHTS, f), axis=-1), axis=-1)  # [R, A]
    chance = xp.where(spread, chance, xp.zeros_like(chance))

    # an arm that is a number wins when all densities stay below the largest such number
    under = xp.sum(xp.where((edges[:, 1:] <= within)[:, None, :], panel, xp.zeros_like(panel)), axis=-1) / whole[..., 0]
    under = xp.prod(xp.where(spread, under, xp.ones_like(under)), axis=-1, keepdims=True)
    first = xp.astype((fixed == top) & (fixed > -xp.inf), xp.float64)
    count = xp.sum(first, axis=-1, keepdims=True)
    chance = chance + first * under / xp.where(count > 0, count, xp.ones_like(count))
    return chance / xp.sum(chance, axis=-1, keepdims=True)
