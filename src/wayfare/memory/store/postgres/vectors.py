"""Vectors in PostgreSQL: one row an entry, in the pgvector table of their dimension, searched by the server.

A namespace is searched exactly, by its part of the primary key, until it has 50,000 vectors and an index of its own:
`index_space` makes an HNSW index over that one space (Malkov and Yashunin 2018), so that no small namespace pays for
building it or is searched through its neighbours' vectors. A search through it goes on until it has enough that a
filter lets pass (pgvector's iterative scan, in strict order). What the server names is scored again by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.memory.store.postgres.schema import MOST_DIMENSIONS, vector_table
from wayfare.memory.store.vector_rows import Vector

if TYPE_CHECKING:
    from wayfare.memory.store.postgres.database import PostgresTransaction

__all__ = ["FEWEST_INDEXED", "MOST_INDEXED_DIMENSIONS", "PostgresVectors", "space_index"]

Rows = NDArray[np.float32]
Whole = NDArray[np.int64]
FEWEST_INDEXED = 50_000
"""Vectors of a space, below which an exact search is as good."""
MOST_INDEXED_DIMENSIONS = 2_000
"""Of pgvector's HNSW on its type `vector`."""
DROPPED = 5_000
READ = 2_000
MOST_EF = 1_000


def space_index(space: int) -> str:
    """The name of the index over one space."""
    return f"nearest_in_{int(space)}"


class PostgresVectors:
    """The `VectorRows` of one transaction, and the search that the server does itself."""

    def __init__(self, tx: PostgresTransaction) -> None:
        self._tx = tx

    def write(self, ns: int, space: int, placed: Iterable[tuple[int, Vector]]) -> None:
        """As `VectorRows.write`."""
        rows = []
        dimension = 0
        for ordinal, given in placed:
            vector = np.ascontiguousarray(given, np.float32)
            dimension = dimension or len(vector)
            if vector.shape != (dimension,) or not np.isfinite(np.dot(vector, vector)):
                raise BadValue("vectors", f"shape {vector.shape}", f"{dimension} finite numbers each")
            if vector.any():
                rows.append((ns, space, int(ordinal), vector))
        if not rows:
            return
        if dimension > MOST_DIMENSIONS:
            raise BadValue("embedder", f"{dimension} dimensions", f"of at most {MOST_DIMENSIONS} in PostgreSQL")
        if not self._there(dimension):
            self._tx.execute("SELECT make_vectors(?)", (dimension,))
        self._tx.executemany(
            f"INSERT INTO {vector_table(dimension)} (ns, space, ordinal, embedding) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (ns, space, ordinal) DO UPDATE SET embedding = excluded.embedding",
            rows,
        )

    def erase(self, ns: int, ordinals: Sequence[int]) -> None:
        """As `VectorRows.erase`; no row is left."""
        wanted = [int(ordinal) for ordinal in ordinals]
        for dimension in self._dimensions(ns):
            self._tx.execute(f"DELETE FROM {vector_table(dimension)} WHERE ns = ? AND ordinal = ANY(?)", (ns, wanted))

    def one(self, ns: int, space: int, ordinal: int) -> Vector | None:
        """As `VectorRows.one`."""
        (dimension,) = self._tx.execute("SELECT dimension FROM spaces WHERE space = ?", (space,)).fetchone()
        if not self._there(dimension):
            return None
        row = self._tx.execute(
            f"SELECT embedding FROM {vector_table(dimension)} WHERE ns = ? AND space = ? AND ordinal = ?",
            (ns, space, int(ordinal)),
        ).fetchone()
        return None if row is None else row[0].to_numpy()

    def between(self, ns: int, space: int, dimension: int, first: int, end: int) -> Iterator[tuple[int, Rows]]:
        """As `VectorRows.between`, a part a stretch of ordinals; an entry without a vector is a row of zeros."""
        if not self._there(dimension):
            return
        for start in range(first, end, READ):
            stop = min(end, start + READ)
            found = self._tx.execute(
                f"SELECT ordinal, embedding FROM {vector_table(dimension)}"
                " WHERE ns = ? AND space = ? AND ordinal >= ? AND ordinal < ?",
                (ns, space, start, stop),
            ).fetchall()
            if found:
                rows = np.zeros((stop - start, dimension), np.float32)
                for ordinal, vector in found:
                    rows[ordinal - start] = vector.to_numpy()
                yield start, rows

    def drop_retired(self, ns: int) -> int:
        """As `VectorRows.drop_retired`."""
        retired = self._tx.execute(
            "SELECT space, dimension FROM spaces WHERE ns = ? AND state = 'retired'", (ns,)
        ).fetchall()
        for space, dimension in retired:
            if self._there(dimension):
                table = vector_table(dimension)
                gone = self._tx.execute(
                    f"DELETE FROM {table} WHERE ns = ? AND space = ? AND ordinal IN"
                    f" (SELECT ordinal FROM {table} WHERE ns = ? AND space = ? LIMIT ?)",
                    (ns, space, ns, space, DROPPED),
                ).rowcount
                if gone:
                    return int(gone)
        return 0

    def nearest(
        self, ns: int, space: int, vector: Vector, take: int, count: int, among: Whole | None, exact: bool
    ) -> tuple[Whole, Rows]:
        """The `take` entries of the largest dot product with `vector` [D]: ordinals, best first, and their vectors.

        count: entries of the namespace        among: only these ordinals; None: all        exact: not by the index
        """
        dimension = len(vector)
        if not self._there(dimension):
            return np.zeros(0, np.int64), np.zeros((0, dimension), np.float32)
        table = vector_table(dimension)
        where, given = "ns = ? AND space = ?", [ns, space]
        if among is not None:
            where += " AND ordinal = ANY(?)"
            given.append(among.tolist())
        # What is added keeps the planner from the index; without it and without sorting, the index is all it has.
        order = "(embedding <#> ?) + 0.0"
        indexed = among is None and not exact and self._indexed(space, dimension, count)
        if indexed:
            where, given, order = f"ns = ? AND space = {int(space)}", [ns], "embedding <#> ?"
            self._plan(sort="off", scanned=max(20_000, 8 * take), listed=min(MOST_EF, max(200, take)))
        rows = self._tx.execute(
            f"SELECT ordinal, embedding FROM {table} WHERE {where} ORDER BY {order} LIMIT ?", (*given, vector, take)
        ).fetchall()
        if indexed:
            self._plan(sort="on")
        ordinals = np.array([ordinal for ordinal, _ in rows], np.int64)
        found = np.array([each.to_numpy() for _, each in rows], np.float32).reshape(len(rows), dimension)
        return ordinals, found

    def _plan(self, *, sort: str, scanned: int = 20_000, listed: int = 40) -> None:
        """How the rest of this transaction is planned. scanned: tuples at most        listed: candidates of a step"""
        self._tx.execute(
            "SELECT set_config('enable_sort', ?, true), set_config('hnsw.iterative_scan', 'strict_order', true),"
            " set_config('hnsw.max_scan_tuples', ?, true), set_config('hnsw.ef_search', ?, true)",
            (sort, str(scanned), str(listed)),
        )

    def _indexed(self, space: int, dimension: int, count: int) -> bool:
        if count < FEWEST_INDEXED or dimension > MOST_INDEXED_DIMENSIONS:
            return False
        (found,) = self._tx.execute("SELECT to_regclass(?) IS NOT NULL", (f"wayfare.{space_index(space)}",)).fetchone()
        return bool(found)

    def _there(self, dimension: int) -> bool:
        """Whether there is a table for a dimension; once seen outside a change, it is there for good."""
        key = (self._tx.path, dimension)
        if key not in _SEEN:
            (found,) = self._tx.execute(
                "SELECT to_regclass(?) IS NOT NULL", (f"wayfare.{vector_table(dimension)}",)
            ).fetchone()
            if not found:
                return False
            if not self._tx.changed:
                _SEEN.add(key)
        return True

    def _dimensions(self, ns: int) -> list[int]:
        rows = self._tx.execute("SELECT DISTINCT dimension FROM spaces WHERE ns = ?", (ns,)).fetchall()
        return [int(dimension) for (dimension,) in rows if self._there(dimension)]


_SEEN: set[tuple[str, int]] = set()
