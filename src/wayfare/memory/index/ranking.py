"""The best records of scored entries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_records"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


def best_records(scores: Floats, ordinals: NDArray[np.integer], owners: Whole, k: int) -> tuple[Whole, Floats]:
    """At most k records, best first, each with the score of its best entry; ties go to the lower ordinal.

    scores [m], ordinals [m]: of entries        owners [n]: record of every entry
    """
    m = len(scores)
    take = 2 * k + 16
    while True:
        if take < m:
            least = np.partition(scores, m - take)[m - take]
            kept = np.flatnonzero(scores >= least)
        else:
            kept = np.arange(m)
        order = kept[np.lexsort((ordinals[kept], -scores[kept]))]
        records = owners[ordinals[order]]
        _, first = np.unique(records, return_index=True)
        if len(first) >= k or len(kept) == m:
            first = np.sort(first)[:k]
            return records[first], scores[order[first]]
        take *= 4
