"""What the memory asks of wherever vectors lie: the one part of the tables that differs between stores.

A transaction offers it as `tx.vectors`; `blocks.Blocks` is that of a file. Vectors are named by the entry that they
belong to: its ordinal in the namespace, and the space. An entry whose vector is all zeros has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "SearchedRows", "Vector", "VectorRows"]

Vector = NDArray[np.float32]
Rows = NDArray[np.float32]


class VectorRows(Protocol):
    """Of one transaction: what it reads and writes is part of it."""

    def write(self, ns: int, space: int, placed: Iterable[tuple[int, Vector]]) -> None:
        """Keep vectors, instead of those that were there. placed: (ordinal, vector [D])

        Raises: BadValue for a vector that is not finite, or not of the others' length; nothing was written then.
        """

    def erase(self, ns: int, ordinals: Sequence[int]) -> None:
        """Leave no byte of the vectors of these entries, in any space of the namespace."""

    def one(self, ns: int, space: int, ordinal: int) -> Vector | None:
        """The vector [D] of an entry in a space; None where it has none."""

    def between(self, ns: int, space: int, dimension: int, first: int, end: int) -> Iterator[tuple[int, Rows]]:
        """The vectors of the entries from `first` to before `end`, in parts: (ordinal of the first row, rows [n, D]).

        In the order of ordinals, without overlap. What lies in no part has no vector. Raises: Damaged.
        """

    def drop_retired(self, ns: int) -> int:
        """Drop some vectors of the namespace's retired spaces, as many as one transaction should.

        Returns how many rows of a table went: 0 once nothing is left.
        """


@runtime_checkable
class SearchedRows(VectorRows, Protocol):
    """Of a store that finds the nearest by itself."""

    def nearest(
        self, ns: int, space: int, vector: Vector, take: int, count: int, among: NDArray[np.int64] | None, exact: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The `take` entries of the largest dot product with `vector` [D]: ordinals, best first, and their vectors.

        count: entries of the namespace        among: only these ordinals; None: all
        exact: not by an index, which may name others, or too few
        """
