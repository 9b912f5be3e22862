"""How much to explore as pulls go by: schedules of epsilon.

    Decreasing      epsilon_t = min(1, c K / (gap^2 t))                                    (1)
    LinearDecay     from `start` to `end` in equal steps, then `end`

t counts from 1: it is one more than the pulls so far.

Source: (1) Auer, Cesa-Bianchi & Fischer 2002, "Finite-time analysis of the multiarmed bandit problem", figure 3: with
0 < gap <= the smallest gap, and c above 5, regret grows with ln t.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wayfare.arrays import array_namespace
from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import Array

__all__ = ["Decreasing", "LinearDecay", "Schedule"]


class Schedule(Protocol):
    """A chance that depends on time."""

    def at(self, pulls: Array, actions: int) -> Array:
        """pulls: [...] so far -> [...] float64 in [0, 1]."""
        ...


@dataclass(frozen=True)
class Decreasing:
    """(1), anytime. c: above 0        gap: in (0, 1]. Raises: BadValue for a number out of range."""

    c: float = 5.0
    gap: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.c < float("inf"):
            raise BadValue("c", self.c, "above 0 and finite")
        if not 0 < self.gap <= 1:
            raise BadValue("gap", self.gap, "above 0 and at most 1")

    def at(self, pulls: Array, actions: int) -> Array:
        """See `Schedule`."""
        xp = array_namespace(pulls)
        chance = self.c * actions / (self.gap**2 * (xp.astype(pulls, xp.float64) + 1.0))
        return xp.where(chance < 1, chance, xp.ones_like(chance))


@dataclass(frozen=True)
class LinearDecay:
    """From `start` at the first pull to `end` after `pulls` of them, horizon-aware where that is the horizon.

    start, end: in [0, 1]        pulls: at least 1. Raises: BadValue for a number out of range.
    """

    start: float
    end: float
    pulls: int

    def __post_init__(self) -> None:
        for field, value in (("start", self.start), ("end", self.end)):
            if not 0 <= value <= 1:
                raise BadValue(field, value, "between 0 and 1")
        if self.pulls < 1:
            raise BadValue("pulls", self.pulls, "at least 1")

    def at(self, pulls: Array, actions: int) -> Array:
        """See `Schedule`."""
        xp = array_namespace(pulls)
        share = xp.astype(pulls, xp.float64) / self.pulls
        return self.start + (self.end - self.start) * xp.where(share < 1, share, xp.ones_like(share))
