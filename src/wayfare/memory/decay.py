"""How much a memory counts by its age: said when it is recalled, never written into a row.

    recency = 0.5 ^ (age / half-life of its kind)                                       (1)

The age runs from when something happened, else from when it was written. Kinds that are pinned do not fade.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from wayfare.errors import BadValue
from wayfare.memory.index.fusion import Fused
from wayfare.memory.records import checked_name
from wayfare.memory.store.database import Transaction

__all__ = ["NOTHING_FADES", "Decay", "checked_kinds", "checked_seconds", "faded"]

_NONE: Mapping[str, float] = MappingProxyType({})
PART = 500


@dataclass(frozen=True)
class Decay:
    """(1). half_life: s, of kinds that are not named; None: they do not fade        kinds: kind -> its half-life, s

    pinned: kinds that never fade, whatever the rest says        Raises: BadValue.
    """

    half_life: float | None = None
    kinds: Mapping[str, float] = field(default_factory=lambda: _NONE)
    pinned: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.half_life is not None:
            object.__setattr__(self, "half_life", checked_seconds("half_life", self.half_life))
        if not isinstance(self.kinds, Mapping):
            raise BadValue("kinds", self.kinds, "half-lives in seconds by kind")
        kinds = {checked_name("kinds", kind): checked_seconds("kinds", each) for kind, each in self.kinds.items()}
        object.__setattr__(self, "kinds", MappingProxyType(kinds))
        object.__setattr__(self, "pinned", checked_kinds("pinned", self.pinned))

    def __reduce__(self) -> tuple[type[Decay], tuple[float | None, dict[str, float], tuple[str, ...]]]:
        return type(self), (self.half_life, dict(self.kinds), self.pinned)

    @property
    def fades(self) -> bool:
        """Whether anything does."""
        return self.half_life is not None or bool(self.kinds.keys() - set(self.pinned))

    def recency(self, kind: str, age: float) -> float:
        """(1), from 0 to 1. age: s; what is yet to happen counts whole."""
        half = None if kind in self.pinned else self.kinds.get(kind, self.half_life)
        return 1.0 if half is None else float(0.5 ** (max(0.0, age) / half))


def faded(tx: Transaction, found: Fused, decay: Decay, now: float) -> Fused:
    """A ranking in which each relevance is multiplied by (1). now: s since the epoch"""
    if not decay.fades or not len(found.records):
        return found
    numbers = found.records.tolist()
    factor: dict[int, float] = {}
    for start in range(0, len(numbers), PART):
        part = numbers[start : start + PART]
        rows = tx.execute(
            "SELECT record, kind, coalesce(event_from, created_at) FROM records"
            f" WHERE record IN ({', '.join('?' * len(part))})",
            part,
        )
        factor |= {number: decay.recency(kind, now - since) for number, kind, since in rows.fetchall()}
    relevance = found.relevance * np.array([factor.get(number, 1.0) for number in numbers])
    order = np.lexsort((found.records, -relevance))
    return Fused(found.records[order], relevance[order], {name: scores[order] for name, scores in found.by.items()})


def checked_seconds(field: str, given: object) -> float:
    """A span of time. Raises: BadValue unless it is finite and above 0."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < math.inf:
        raise BadValue(field, given, "a finite number of seconds, above 0")
    return float(given)


def checked_kinds(field: str, given: object) -> tuple[str, ...]:
    """Distinct kinds, sorted. Raises: BadValue."""
    if isinstance(given, str) or not isinstance(given, list | tuple | set | frozenset):
        raise BadValue(field, given, "a list of kinds")
    return tuple(sorted({checked_name(field, kind) for kind in given}))


NOTHING_FADES = Decay()
