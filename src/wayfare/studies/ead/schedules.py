"""How tokens are drawn, as plain data: a fixed temperature, one that is annealed, or the same backwards.

`sampler(**schedule.to_json())` is what an arm of training names by address and what the inference part draws with: the
same object samples and is scored by.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from wayfare.explore.annealing import Annealed, Backwards
from wayfare.language.sampler import Sampler

__all__ = ["Schedule", "sampler"]


@dataclass(frozen=True)
class Schedule:
    """first: temperature of the first token, or of all where `crossing` is 0
    last: lowest temperature        crossing: share of an answer of `length` tokens at which the temperature passes 1
    backwards: read from the last position to the first
    """

    first: float
    last: float = 0.1
    crossing: float = 0.0
    length: float = 14.0
    backwards: bool = False

    @property
    def name(self) -> str:
        """As tables say it."""
        if not self.crossing:
            return f"{self.first:g}"
        way = "backwards" if self.backwards else "annealed"
        return f"{way} {self.first:g} to {self.last:g}, 1 at {self.crossing:g}"

    def to_json(self) -> dict[str, Any]:
        """Arguments of `sampler`."""
        return asdict(self)


def sampler(
    first: float, last: float = 0.1, crossing: float = 0.0, length: float = 14.0, backwards: bool = False
) -> Sampler:
    """See `Schedule`. Raises: BadValue for a temperature out of range."""
    if not crossing:
        return Sampler(first)
    annealed = Annealed.fitted(length, first, last, crossing)
    return Sampler(Backwards(annealed, round(length)) if backwards else annealed)
