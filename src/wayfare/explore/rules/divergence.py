"""Kullback-Leibler divergences of reward laws by their means, and the largest mean within a divergence.

    bernoulli   d(p, q) = p ln(p / q) + (1 - p) ln((1 - p) / (1 - q)),  0 ln 0 = 0              (1)
    gaussian    d(p, q) = (p - q)^2 / (2 sd^2)                                                 (2)

`upper_mean` solves d(p, q) = level for q >= p: what KL-UCB's index is. In s = -ln(1 - q), (1) is convex with slope
(q - p) / q, so that Newton's method falls monotonically from any point above the root. Two such points are known: q = p
+ sqrt(level / 2) (Pinsker), and s = (level + entropy of p) / (1 - p).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wayfare.arrays import array_namespace
from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import ArmTable, Array

__all__ = ["Family", "bernoulli_divergence", "gaussian_divergence"]

STEPS, CLOSE = 60, 1e-13


def bernoulli_divergence(p: Array, q: Array) -> Array:
    """(1): p, q in [0, 1] -> infinite where p has mass that q has not."""
    return _x_log_ratio(p, q) + _x_log_ratio(1.0 - p, 1.0 - q)


def gaussian_divergence(p: Array, q: Array, sd: float = 1.0) -> Array:
    """(2)."""
    return (p - q) ** 2 / (2.0 * sd * sd)


def _x_log_ratio(x: Array, y: Array) -> Array:
    """x ln(x / y), 0 where x is 0."""
    xp = array_namespace(x)
    some = x > 0
    safe = xp.where(some, x, 1.0)
    ratio = safe / xp.where(some & (y > 0), y, 1.0)
    return xp.where(some, xp.where(y > 0, x * xp.log(ratio), xp.inf), 0.0)


@dataclass(frozen=True)
class Family:
    """The law of rewards that a divergence is measured in.

    name: 'bernoulli', for any rewards in [0, 1], or 'gaussian' with a known noise_sd above 0
    Raises: BadValue for another name or a noise_sd out of range.
    """

    name: Literal["bernoulli", "gaussian"] = "bernoulli"
    noise_sd: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in ("bernoulli", "gaussian"):
            raise BadValue("family", self.name, "'bernoulli' or 'gaussian'")
        if not 0 < self.noise_sd < float("inf"):
            raise BadValue("noise_sd", self.noise_sd, "above 0 and finite")

    def means(self, table: ArmTable) -> Array:
        """[..., A] mean rewards. Raises: BadValue for means outside 0 to 1 of Bernoulli arms."""
        mean = table.mean()
        xp = array_namespace(mean)
        wrong = ~((mean >= 0) & (mean <= 1))
        if self.name == "bernoulli" and bool(xp.any(wrong)):
            raise BadValue("mean reward", float(mean[wrong][0]), "between 0 and 1 for the Bernoulli divergence")
        return mean

    def divergence(self, p: Array, q: Array) -> Array:
        """(1) or (2)."""
        if self.name == "gaussian":
            return gaussian_divergence(p, q, self.noise_sd)
        return bernoulli_divergence(p, q)

    def upper_mean(self, p: Array, level: Array) -> Array:
        """The largest q with d(p, q) <= level, level at least 0."""
        xp = array_namespace(p)
        if self.name == "gaussian":
            return p + self.noise_sd * xp.sqrt(2.0 * level)
        return _upper_chance(p, level)


def _upper_chance(p: Array, level: Array) -> Array:
    xp = array_namespace(p)
    sure = p >= 1.0
    inner = xp.where(sure, 0.5, p)
    entropy = -(_x_log_ratio(inner, xp.ones_like(inner)) + _x_log_ratio(1.0 - inner, xp.ones_like(inner)))
    s = (level + entropy) / (1.0 - inner)
    pinsker = inner + xp.sqrt(0.5 * level)
    s = xp.where(pinsker < 1.0, xp.minimum(s, -xp.log1p(-xp.where(pinsker < 1.0, pinsker, 0.0))), s)
    some = inner > 0
    log_p = xp.log(xp.where(some, inner, 1.0))
    for _ in range(STEPS):
        q = -xp.expm1(-s)
        safe = xp.where(q > 0, q, 1.0)
        excess = xp.where(some, inner * (log_p - xp.log(safe)), 0.0) + (1.0 - inner) * (xp.log1p(-inner) + s) - level
        slope = (q - inner) / safe
        step = xp.where((slope > 0) & (excess > 0), excess / xp.where(slope > 0, slope, 1.0), 0.0)
        s = s - step
        if float(xp.max(step)) < CLOSE:
            break
    q = -xp.expm1(-s)
    return xp.where(sure, 1.0, xp.where(q > inner, q, inner))
