"""Phase A: which memories could be recalled at all, before anything is drawn.

Words and vectors each name their best records; records that hang together with those by links follow; filters, validity
and deletion cut. What is left is fused into one relevance in [0, 1], grouped so that many tries at one intent do not
crowd out the others, cleared of duplicates, and cut to n <= 50. If the best is not relevant enough, nothing is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.memory.credit import read_utilities
from wayfare.memory.opening import Ground
from wayfare.memory.policy import Candidates
from wayfare.memory.records import Record, Utility, checked_name, checked_time
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.rows import RECORD_COLUMNS, record_from

__all__ = ["Filters", "Found", "gathered"]

Floats = NDArray[np.float64]
MOST = 50
HALF_LIFE = 30 * 86_400.0
"""Of the feature `age`: seconds after which it is a half."""


@dataclass(frozen=True)
class Filters:
    """What may be recalled. kinds, tags: any of them        since, until: when it happened        as_of: a past time."""

    kinds: Sequence[str] | None = None
    tags: Sequence[str] | None = None
    since: float | None = None
    until: float | None = None
    as_of: float | None = None

    def __post_init__(self) -> None:
        for name in ("kinds", "tags"):
            given = getattr(self, name)
            if given is None:
                continue
            if isinstance(given, str):
                raise BadValue(name, given, "a list of names, or None")
            for each in given:
                checked_name(name, each)
        for name in ("since", "until", "as_of"):
            checked_time(name, getattr(self, name))


@dataclass(frozen=True)
class Found:
    """The candidates, and how they were found.

    records: [n] numbers        namespaces: [n] ns of each        by: channel -> [n] scores in [0, 1]
    """

    candidates: Candidates
    records: tuple[int, ...] = ()
    namespaces: tuple[int, ...] = ()
    by: dict[str, Floats] = field(default_factory=dict)

    def channels(self, i: int) -> dict[str, float]:
        """Which searches found candidate i, with their scores."""
        return {name: float(scores[i]) for name, scores in self.by.items() if scores[i] > 0}

    def fetch(self, tx: Transaction, ground: Ground, places: Sequence[int]) -> list[Record]:
        """The records at these places, from the store."""
        if not places:
            return []
        numbers = [self.records[i] for i in places]
        marks = ", ".join("?" * len(numbers))
        paths = {ground.ns: ground.namespace, **{ns: path for path, ns in ground.also}}
        utilities = read_utilities(tx, numbers)
        rows = {
            row[0]: (row, ns)
            for ns, *row in tx.execute(
                f"SELECT ns, {RECORD_COLUMNS} FROM records WHERE record IN ({marks})", tuple(numbers)
            ).fetchall()
        }
        found = []
        for number in numbers:
            row, ns = rows[number]
            found.append(record_from(row, paths.get(ns, ""), utilities.get(number, Utility())))
        return found
