"""One-armed problems solved exactly: how much more than its mean is an arm worth because pulling it teaches?

An arm of unknown mean stands against a known payoff. With h pulls to go, either retire to the known payoff for good or
pull and decide again. The *index* of the arm is the known payoff at which both are equally good; an index policy pulls
the arm of highest index. With a geometrically distributed horizon (discounting) that policy is optimal and the index is
Gittins'; with a fixed horizon it is an excellent heuristic, and is called an index policy here, not optimal.

Gaussian arm (prior N(m, prior_sd^2), noise_sd): after n pulls the posterior variance is
v_n = 1 / (1/prior_sd^2 + n/noise_sd^2). Shifting all payoffs shifts the index, so index = m + delta(n, h), the
*exploration bonus*, with m the posterior mean:

    V_h(m; n) = max(0, m + E V_{h-1}(m'; n+1)),   m' ~ N(m, v_n - v_{n+1}),   V_0 = 0                 (1)
    m + E V_{h-1}(m'; n+1) = 0   at   m = -delta(n, h)                                                (2)

V is held as a piecewise linear function on a grid; its expectation is then exact, being a sum of E(m' - k)^+ over the
knots k. Bernoulli arm (prior Beta(a, b)): the same recursion over the tree of successes, the index being

    max over stopping times T >= 1 of  E(reward up to T) / E(pulls up to T)   (both discounted)       (3)

Source: Gittins, Glazebrook & Weber 2011, "Multi-armed Bandit Allocation Indices", chapters 7 and 8; finite horizon:
Nino-Mora 2011, "Computing a classical index for finite-horizon bandits".
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue

__all__ = [
    "bernoulli_finite_horizon_index",
    "bernoulli_gittins_index",
    "finite_horizon_bonus",
    "gittins_bonus",
]

Floats = NDArray[np.float64]

REACH = 6.0  # half-width of the grid in standard deviations of what there is to learn
POINTS = 4096
NEGLIGIBLE = 1e-6  # weight of what happens behind the last pull that discounted problems look at
CONVERGED = 1e-14

_erf = np.vectorize(math.erf, otypes=[np.float64])


def finite_horizon_bonus(horizon: int, prior_sd: float = 1.0, noise_sd: float = 1.0) -> Floats:
    """delta(n, h) of (2), read-only, [horizon + 1, horizon + 1]: n pulls of the arm made, h pulls of any arm to go.

    NaN where n + h > horizon, which a block of `horizon` pulls cannot reach; 0 at h = 0 and at h = 1, when nothing that
    is learned can be used. A known arm (prior_sd 0) has bonus 0. Error below 1e-4 prior_sd.
    Raises: BadValue for horizon < 1, prior_sd < 0 or noise_sd < 0.
    """
    if isinstance(horizon, bool) or not isinstance(horizon, (int, np.integer)) or horizon < 1:
        raise BadValue("horizon", horizon, "an integer of at least 1")
    ratio = _ratio(prior_sd, noise_sd)
    return _scaled(_finite_horizon(int(horizon), ratio), prior_sd)


def gittins_bonus(discount: float, pulls: int, prior_sd: float = 1.0, noise_sd: float = 1.0) -> Floats:
    """delta(n) for n = 0 .. pulls, read-only: Gittins index less posterior mean. A payoff t pulls on weighs discount^t.

    Raises: BadValue unless 0 <= discount < 1 and pulls, prior_sd and noise_sd are at least 0.
    """
    _check_discount(discount)
    if pulls < 0:
        raise BadValue("pulls", pulls, "at least 0")
    ratio = _ratio(prior_sd, noise_sd)
    return _scaled(_gittins(float(discount), int(pulls), ratio), prior_sd)


def bernoulli_finite_horizon_index(a: Any, b: Any, horizon: Any) -> Floats:
    """a, b, horizon: numbers or arrays that broadcast -> index in (0, 1) of a Beta(a, b) arm, `horizon` pulls to go.

    Raises: BadValue unless a > 0, b > 0 and horizon >= 1.
    """
    a, b, h = np.broadcast_arrays(_positive("a", a), _positive("b", b), np.asarray(horizon, dtype=np.int64))
    if np.any(h < 1):
        raise BadValue("horizon", int(h.min()), "at least 1")
    out = np.empty(a.shape)
    for depth in np.unique(h):
        here = h == depth
        out[here] = _bernoulli(a[here], b[here], int(depth), 1.0, 0.0)
    return out


def bernoulli_gittins_index(a: Any, b: Any, discount: float) -> Floats:
    """a, b: numbers or arrays that broadcast -> Gittins index in (0, 1) of a Beta(a, b) arm.

    Raises: BadValue unless a > 0, b > 0 and 0 <= discount < 1.
    """
    _check_discount(discount)
    a, b = np.broadcast_arrays(_positive("a", a), _positive("b", b))
    return _bernoulli(a.ravel(), b.ravel(), _lookahead(discount), discount, 1.0 / (1.0 - discount)).reshape(a.shape)


def _check_discount(discount: float) -> None:
    if not 0 <= discount < 1:
        raise BadValue("discount", discount, "at least 0 and below 1")


def _ratio(prior_sd: float, noise_sd: float) -> float | None:
    """noise_sd / prior_sd, None for a known arm."""
    for field, value in (("prior_sd", prior_sd), ("noise_sd", noise_sd)):
        if not 0 <= value < math.inf:
            raise BadValue(field, value, "finite and at least 0")
    return None if prior_sd == 0 else float(noise_sd) / float(prior_sd)


def _scaled(bonus: Floats, prior_sd: float) -> Floats:
    scaled: Floats = bonus * prior_sd
    scaled.flags.writeable = False
    return scaled


def _positive(field: str, x: Any) -> Floats:
    array: Floats = np.asarray(x, dtype=np.float64)
    if not np.all(array > 0):
        raise BadValue(field, float(np.min(array)), "above 0")
    return array


def _lookahead(discount: float) -> int:
    return 1 if discount == 0 else max(1, math.ceil(math.log(NEGLIGIBLE) / math.log(discount)))


class _Expectation:
    """m -> E V(m') for m' ~ N(m, variance), V piecewise linear on a grid, 0 left of it and straight on to the right."""

    def __init__(self, ratio: float, pulls: int) -> None:
        """Unit prior variance, noise of standard deviation `ratio`; the grid spans what `pulls` pulls can teach."""
        self._ratio = ratio
        span = REACH * self._learned(0, pulls)
        finest = self._learned(pulls - 1, 1)
        points = POINTS
        while points < 4 * POINTS and 2 * span / points > finest / 2:
            points *= 2
        self.m = np.linspace(-span, span, points - 1)  # 0 is on the grid: noiseless problems are kinked there
        self._step = self.m[1] - self.m[0]

    def _learned(self, n: int, more: int) -> float:
        """Standard deviation by which `more` = k pulls after n move the mean: v_n - v_{n+k} = k v_n v_{n+k} / r^2."""
        if self._ratio == 0:
            return 0.0 if n else 1.0
        r2 = self._ratio**2
        return math.sqrt(more * r2 / ((r2 + n) * (r2 + n + more)))

    def __call__(self, value: Floats, n: int) -> Floats:
        """value: [..., points] V at n + 1 pulls -> its expectation at n pulls.

        E(m' - k)^+ = s psi((m - k) / s), psi(x) = phi(x) + x Phi(x); weighted by the bends of V this is a convolution.
        """
        s = self._learned(n, 1)
        points = len(self.m)
        gap = np.arange(1 - points, points) * self._step
        kernel = np.maximum(gap, 0.0)
        if s > 0:
            near = np.abs(gap) < 9 * s
            x = gap[near] / s
            phi = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
            kernel[near] = s * (phi + 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0))))
        slope = np.diff(value, axis=-1, prepend=0.0, append=0.0) / self._step
        slope[..., 0], slope[..., -1] = 0.0, slope[..., -2]  # flat on the left, straight on to the right
        bend = np.diff(slope, axis=-1)
        size = 2 * (points + 1)  # a power of two; what wraps around stays out of the part that is wanted
        full = np.fft.irfft(np.fft.rfft(bend, size) * np.fft.rfft(kernel, size), size)
        return np.asarray(full[..., points - 1 : 2 * points - 1])

    def root(self, worth: Floats) -> Floats:
        """worth: [..., points], increasing in m -> -m at its zero."""
        right = np.clip(np.argmax(worth > 0, axis=-1), 1, None)[..., None]
        high = np.take_along_axis(worth, right, -1)
        low = np.take_along_axis(worth, right - 1, -1)
        return np.asarray((high / (high - low) * self._step - self.m[right])[..., 0])


@lru_cache(maxsize=64)
def _finite_horizon(horizon: int, ratio: float | None) -> Floats:
    n, h = np.arange(horizon + 1)[:, None], np.arange(horizon + 1)
    bonus = np.where(n + h <= horizon, 0.0, np.nan)
    if ratio is None:
        return bonus
    expected = _Expectation(ratio, horizon)
    value = np.zeros((1, len(expected.m)))  # V_h(.; n) for h = 0 .. horizon - n, from n = horizon downwards
    for pulled in range(horizon - 1, -1, -1):
        worth = expected.m + expected(value, pulled)  # h = 1 .. horizon - n
        bonus[pulled, 1 : horizon - pulled + 1] = expected.root(worth)
        value = np.concatenate([np.zeros((1, len(expected.m))), np.maximum(worth, 0.0)])
    bonus[:, 1] = np.where(np.isnan(bonus[:, 1]), np.nan, 0.0)
    return bonus


@lru_cache(maxsize=64)
def _gittins(discount: float, pulls: int, ratio: float | None) -> Floats:
    bonus = np.zeros(pulls + 1)
    if ratio is None or discount == 0:
        return bonus
    last = pulls + _lookahead(discount)
    expected = _Expectation(ratio, last)
    value = np.maximum(expected.m, 0.0) / (1.0 - discount)  # nothing left to learn
    for pulled in range(last - 1, -1, -1):
        worth = expected.m + discount * expected(value, pulled)
        if pulled <= pulls:
            bonus[pulled] = expected.root(worth)
        value = np.maximum(worth, 0.0)
    return bonus


def _bernoulli(a: Floats, b: Floats, depth: int, discount: float, forever: float) -> Floats:
    """a, b: [U] -> index [U], looking `depth` pulls ahead, then worth max(0, mean - payoff) * forever.

    The index is the best ratio (3). Stopping best for some payoff c gives a ratio of at least c, which is the next c
    (Dinkelbach 1967): from below, faster than linearly.
    """
    index = a / (a + b)
    while True:
        payoff = index[:, None]
        mean = _means(a, b, depth)
        reward, time = np.where(mean > payoff, forever * mean, 0.0), np.where(mean > payoff, forever, 0.0)
        for pulled in range(depth - 1, -1, -1):
            p = _means(a, b, pulled)
            reward = p + discount * (p * reward[:, 1:] + (1.0 - p) * reward[:, :-1])
            time = 1.0 + discount * (p * time[:, 1:] + (1.0 - p) * time[:, :-1])
            if pulled:
                on = reward > payoff * time
                reward, time = np.where(on, reward, 0.0), np.where(on, time, 0.0)
        better = reward[:, 0] / time[:, 0]
        if np.all(better <= index + CONVERGED):
            return np.asarray(better)
        index = better


def _means(a: Floats, b: Floats, pulled: int) -> Floats:
    """[U, pulled + 1] posterior means after `pulled` further pulls with 0 .. pulled successes."""
    return np.asarray((a[:, None] + np.arange(pulled + 1)) / (a + b + pulled)[:, None])
