"""The search for the nearest vectors where the store does it: the server names entries, their scores are computed here.

Dot products in float64 of what the server returned, each row alike: the same scores, bit for bit, and the same order
among equals as `vectors` gives. The server computes in float32, so that its order near the end of what it was asked for
is not taken on trust: it is asked for more until the k-th record is clear of that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import StoreError
from wayfare.memory.index.ranking import best_records
from wayfare.memory.index.words import Corpus
from wayfare.memory.store.database import Transaction
from wayfare.memory.store.vector_rows import SearchedRows

__all__ = ["nearest"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
FEW = 0.25
"""Share of the entries that a filter lets pass, below which the server is told their ordinals."""
SLACK = 1e-5
"""Of a dot product in float32, for vectors of length 1."""


def nearest(
    tx: Transaction,
    ns: int,
    space: int,
    vector: NDArray[np.float32],
    corpus: Corpus,
    k: int,
    allowed: Flags | None,
    exact: bool,
) -> tuple[Whole, Floats]:
    """The best k records of a space by dot product, best first, with their scores.

    vector: [D]        allowed [n]: entries that may be found; None: all that live        exact: without an index
    """
    rows = tx.vectors
    if not isinstance(rows, SearchedRows):
        raise StoreError(f"{tx.path} does not search vectors itself")
    count = len(corpus)
    passing = corpus.alive if allowed is None else allowed & corpus.alive
    total = int(np.count_nonzero(passing))
    if not total:
        return np.zeros(0, np.int64), np.zeros(0)
    among = np.flatnonzero(passing) if total < FEW * count else None
    take = 2 * k + 16
    while True:
        ordinals, found = rows.nearest(ns, space, vector, take, count, among, exact)
        scores = np.einsum("ij,j->i", found.astype(np.float64), vector.astype(np.float64))
        last = float(scores.min()) if len(scores) else 0.0
        slack = SLACK * float(np.sqrt(np.dot(vector, vector) * np.einsum("ij,ij->i", found, found).max(initial=0.0)))
        kept = ordinals < count  # a snapshot that is further than what is known here
        kept[kept] = passing[ordinals[kept]]
        order = np.argsort(ordinals[kept], kind="stable")
        records, values = best_records(scores[kept][order], ordinals[kept][order], corpus.owners, k)
        through = len(ordinals) < take
        if through and not exact and among is None and len(records) < min(k, total):
            exact = True  # the index gave up before it had enough
            continue
        clear = len(records) == k and (take >= count or float(values[-1]) > last + slack)
        if through or clear:
            return records, values
        take *= 4
