"""How well one could do at best in a block, with or without being told the task."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Ceiling"]


@dataclass(frozen=True)
class Ceiling:
    """value: mean reward an episode    exact: value of the best player, up to rounding    method: how it was found"""

    value: float
    exact: bool
    method: str
    standard_error: float = 0.0
