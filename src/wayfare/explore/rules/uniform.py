"""Uniform: any allowed action, all equally likely."""

from __future__ import annotations

from dataclasses import dataclass

from wayfare.arrays import array_namespace
from wayfare.explore.rules.choice import BestScore, look
from wayfare.explore.rules.evidence import Array, Evidence

__all__ = ["Uniform"]


@dataclass(frozen=True)
class Uniform(BestScore):
    """All allowed actions tie; the evidence only says how many there are."""

    def scores(self, evidence: Evidence) -> Array:
        """-> [..., A] zeros."""
        xp = array_namespace(look(evidence))
        return xp.zeros_like(look(evidence), dtype=xp.float64)
