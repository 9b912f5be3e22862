"""Safe mixing: as bold as a lower bound allows, covered by something safe for the rest.

Policies pi_0, ..., pi_{M-1} are ordered from bold to safe, and L_j is a lower bound of the value of pi_j. Wanted: the
boldest mixture of two of them whose value is certainly at least a floor. Where value is linear in the mixing weight,

    value(rho) = rho * value(pi_safe) + (1 - rho) * value(pi_bold) >= rho * L_safe + (1 - rho) * L_bold,            (1)

the certificate on the right reaches the floor exactly at

    rho = (floor - L_bold) / (L_safe - L_bold).                                                                     (2)

    form "step"   safe is the smallest j with L_j >= floor, bold its neighbour j - 1                           (StepMix)
    form "eps"    safe is the last policy, bold the first                                                      (EpsMix)

If L_0 reaches the floor, pi_0 is played alone (rho = 0); if nothing does, the last policy (rho = 1), uncertified. With
two policies the forms are one. Bounds need not be ordered as the policies are: the neighbour of the smallest j that
reaches the floor never does, so that (2) lies in (0, 1].

(1) holds for a coin thrown once that decides which policy is played, for one decision from the mixture of two action
distributions, and for mixing step by step only if the two policies differ at a single step: StepMix orders its
candidates so that neighbours do.

Source: Li, Huang, Shen & Yang 2023, "Near-optimal conservative exploration in reinforcement learning under episode-wise
constraints" (arXiv 2306.06265), StepMix and EpsMix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from array_api_compat import device

from wayfare.arrays import array_namespace
from wayfare.errors import BadValue
from wayfare.explore.rules.choice import as_float
from wayfare.explore.rules.evidence import Array

__all__ = ["Form", "Mixture", "SafeMix"]

Form = Literal["step", "eps"]


@dataclass(frozen=True)
class Mixture:
    """rho of policy `safe` and 1 - rho of policy `bold`.

    safe, bold: [...] int64, places among the M policies        rho: [...] float64 in [0, 1]
    certificate: [...] float64, the lower bound (1) of the mixture; the floor itself wherever 0 < rho < 1
    certified: [...] bool, whether the certificate reaches the floor
    """

    safe: Array
    bold: Array
    rho: Array
    certificate: Array
    certified: Array

    def picked(self, uniform: Array) -> Array:
        """uniform: [...] in (0, 1) -> [...] int64: the policy that a coin thrown once chooses."""
        xp = array_namespace(self.rho)
        return xp.where(uniform < self.rho, self.safe, self.bold)

    def propensities(self, policies: Array) -> Array:
        """policies: [..., M, A] action distributions -> [..., A] float64: rho * p_safe + (1 - rho) * p_bold."""
        xp = array_namespace(self.rho)
        every = xp.arange(policies.shape[-2], dtype=xp.int64, device=device(self.rho))
        rho = self.rho[..., None]
        weights = rho * xp.astype(self.safe[..., None] == every, xp.float64)
        weights = weights + (1.0 - rho) * xp.astype(self.bold[..., None] == every, xp.float64)
        return xp.sum(weights[..., None] * xp.astype(policies, xp.float64), axis=-2)


@dataclass(frozen=True)
class SafeMix:
    """The boldest mixture above a floor.

    form: `step` mixes neighbours, `eps` the two ends. Raises: BadValue for another form.
    """

    form: Form = "step"

    def __post_init__(self) -> None:
        if self.form not in ("step", "eps"):
            raise BadValue("form", self.form, "step or eps")

    def mix(self, lower_bounds: Array, floor: Any) -> Mixture:
        """lower_bounds: [..., M] from bold to safe, in the library in which to answer        floor: [...] or a number.

        Raises: BadValue for no policy, or a bound or floor that is NaN.
        """
        xp = array_namespace(lower_bounds)
        bounds = xp.astype(lower_bounds, xp.float64, copy=False)
        if not bounds.ndim or not bounds.shape[-1]:
            raise BadValue("lower_bounds", list(bounds.shape), "[..., M] with one policy at least")
        level = xp.broadcast_to(as_float(floor, bounds), bounds.shape[:-1])
        if bool(xp.any(xp.isnan(bounds))) or bool(xp.any(xp.isnan(level))):
            raise BadValue("lower_bounds and floor", "NaN", "numbers")
        last = bounds.shape[-1] - 1
        reach = bounds >= level[..., None]
        some = xp.any(reach, axis=-1)
        bounds = xp.where(xp.isinf(bounds), xp.sign(bounds) * 1e300, bounds)
        free = reach[..., 0]
        if self.form == "step":
            order = xp.arange(last + 1, 0, -1, dtype=xp.int64, device=device(bounds))
            first = xp.argmax(xp.astype(reach, xp.int64) * order, axis=-1)
            safe = xp.where(some, first, xp.full_like(first, last))
            bold = xp.where(some & ~free, safe - 1, safe)
        else:
            safe = xp.full(level.shape, last, dtype=xp.int64, device=device(bounds))
            bold = xp.zeros_like(safe)
            some = free | reach[..., last]
        low, high = (xp.take_along_axis(bounds, at[..., None], axis=-1)[..., 0] for at in (bold, safe))
        span = xp.where(high > low, high - low, xp.ones_like(low))
        rho = xp.clip((level - low) / span, 0.0, 1.0)
        rho = xp.where(some, xp.where(free, xp.zeros_like(rho), rho), xp.ones_like(rho))
        mixed = (rho > 0) & (rho < 1)
        certificate = xp.where(mixed, level, xp.where(rho > 0, high, low))
        return Mixture(safe, bold, rho, certificate, some)
