"""The vectors of one space in memory, and the exact search over them.

Row i belongs to entry i. The matrix grows by pieces, so that growing moves nothing; a row of zeros is an entry
without a vector and is never found. Scores are dot products, which of unit vectors is the cosine: the product in
float32 names the candidates, their scores are computed again in float64, each row alike, so that equal vectors have
equal scores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.index.ranking import best_records

__all__ = ["Matrix", "nearest", "scored"]

Vector = NDArray[np.float32]
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]
PIECE = 16_384
"""Rows of a piece."""


class Matrix:
    """[n, dimension] float32 that grows at its end. present [n]: which rows are vectors."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.rows = 0
        self.pieces: list[Vector] = []
        self._present: list[Flags] = []

    def extend(self, rows: Vector) -> None:
        """Append rows [m, dimension]."""
        done = 0
        while done < len(rows):
            piece, place = divmod(self.rows, PIECE)
            if piece == len(self.pieces):
                # Not zeros: only for these NumPy asks for huge pages, by which a product is twice as quick.
                self.pieces.append(np.empty((PIECE, self.dimension), np.float32))
                self._present.append(np.zeros(PIECE, np.bool_))
            part = rows[done : done + PIECE - place]
            self.pieces[piece][place : place + len(part)] = part
            self._present[piece][place : place + len(part)] = part.any(axis=1)
            done += len(part)
            self.rows += len(part)

    def erase(self, ordinals: Whole) -> None:
        """Make rows zeros."""
        for ordinal in ordinals[ordinals < self.rows].tolist():
            self.pieces[ordinal // PIECE][ordinal % PIECE] = 0.0
            self._present[ordinal // PIECE][ordinal % PIECE] = False

    def parts(self, rows: int) -> list[Vector]:
        """The first `rows` rows, piece by piece."""
        return [piece[: rows - i * PIECE] for i, piece in enumerate(self.pieces[: -(-rows // PIECE)])]

    def present(self, rows: int) -> Flags:
        """Which of the first `rows` rows are vectors."""
        return np.concatenate(self._present)[:rows] if rows else np.zeros(0, np.bool_)

    def product(self, vector: Vector, rows: int) -> Vector:
        """Dot products with the first `rows` rows."""
        scores = np.empty(rows, np.float32)
        for i, part in enumerate(self.parts(rows)):
            np.dot(part, vector, out=scores[i * PIECE : i * PIECE + len(part)])
        return scores

    def take(self, ordinals: NDArray[np.integer]) -> Vector:
        """Copies of the rows of ascending ordinals."""
        taken = np.empty((len(ordinals), self.dimension), np.float32)
        ends = np.searchsorted(ordinals, np.arange(1, len(self.pieces) + 1) * PIECE)
        start = 0
        for i, end in enumerate(ends.tolist()):
            if end > start:
                np.take(self.pieces[i], ordinals[start:end] - i * PIECE, axis=0, out=taken[start:end], mode="clip")
            start = end
        return taken


def nearest(
    matrix: Matrix, vector: Vector, rows: int, owners: Whole, k: int, allowed: Flags | None
) -> tuple[Whole, Floats]:
    """The best k records by exact dot product, best first, with their scores.

    rows: how many entries to look at        owners [n]: record of each        allowed [rows]: None for all
    """
    if allowed is not None:
        among = np.flatnonzero(allowed)
        if len(among) < rows // 4:
            return scored(matrix, vector, among, owners, k)
    scores = matrix.product(vector, rows)
    if allowed is not None:
        scores[~allowed] = -np.inf
    take = 2 * k + 16
    while True:
        if take >= rows:
            kept = np.flatnonzero(scores > -np.inf)
        else:
            least = np.partition(scores, rows - take)[rows - take]
            kept = np.flatnonzero(scores >= max(least - _slack(vector), np.finfo(np.float32).min))
        records, values = scored(matrix, vector, kept, owners, k)
        if len(records) >= k or take >= rows:
            return records, values
        take *= 4


def _slack(vector: Vector) -> float:
    """Rounding of a float32 product of a unit vector with this one, and some more."""
    return 1e-6 * float(np.sqrt(np.dot(vector, vector)))


def scored(
    matrix: Matrix, vector: Vector, ordinals: NDArray[np.integer], owners: Whole, k: int
) -> tuple[Whole, Floats]:
    """The best k records of these ascending ordinals, scored in float64; many are first cut down in float32."""
    rows = matrix.take(ordinals)
    if len(rows) > 8 * k + 64:
        rough = rows @ vector
        take = 2 * k + 16
        while True:
            if take >= len(rough):
                kept = np.arange(len(rough))
            else:
                kept = np.flatnonzero(
                    rough >= np.partition(rough, len(rough) - take)[len(rough) - take] - _slack(vector)
                )
            if len(kept) == len(rough) or len(np.unique(owners[ordinals[kept]])) >= k:
                break
            take *= 4
        ordinals, rows = ordinals[kept], rows[kept]
    values = np.einsum("ij,j->i", rows.astype(np.float64), vector.astype(np.float64))
    return best_records(values, ordinals, owners, k)
