"""Vectors in a file: blocks of about 96 KiB that are written in place.

Entry i of a space stands in row i % `per_block` of block i // `per_block`: its vector, float32, and the vector's
checksum behind it. A row of zeros is an entry without a vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from wayfare.errors import BadValue, Damaged
from wayfare.memory.store.vector_rows import Rows, Vector

if TYPE_CHECKING:
    from wayfare.memory.store.file import FileTransaction

__all__ = ["Blocks", "per_block", "row_width", "vector_row"]

BLOCK_BYTES = 98_304
DROPPED = 64
"""Blocks, in one transaction."""


def per_block(dimension: int) -> int:
    """Vectors in one block."""
    return max(1, BLOCK_BYTES // (4 * dimension))


def row_width(dimension: int) -> int:
    """Bytes of one vector in a block, with its checksum."""
    return 4 * dimension + 4


def vector_row(vector: Vector) -> bytes:
    """A vector [D] as it stands in a block: float32, little-endian, then its CRC-32."""
    data = vector.tobytes()
    return data + crc32(data).to_bytes(4, "little")


class Blocks:
    """The `VectorRows` of a file."""

    def __init__(self, tx: FileTransaction) -> None:
        self._tx = tx

    def write(self, ns: int, space: int, placed: Iterable[tuple[int, Vector]]) -> None:
        """As `VectorRows.write`; neighbours are written together."""
        by_block: dict[int, list[tuple[int, Vector]]] = {}
        size = dimension = 0
        for ordinal, given in placed:
            vector = np.ascontiguousarray(given, "<f4")
            if not dimension:
                dimension = len(vector)
                size = per_block(dimension)
            if vector.shape != (dimension,) or not np.isfinite(np.dot(vector, vector)):
                raise BadValue("vectors", f"shape {vector.shape}", f"{dimension} finite numbers each")
            by_block.setdefault(ordinal // size, []).append((ordinal % size, vector))
        width = row_width(dimension)
        for position, rows in by_block.items():
            block = self._block(ns, space, position)
            if block is None:
                data = bytearray(size * width)
                for place, vector in rows:
                    data[place * width : (place + 1) * width] = vector_row(vector)
                self._tx.execute(
                    "INSERT INTO blocks (ns, space, position, data) VALUES (?, ?, ?, ?)",
                    (ns, space, position, bytes(data)),
                )
                continue
            rows.sort(key=lambda pair: pair[0])
            start = 0
            for i in range(1, len(rows) + 1):
                if i == len(rows) or rows[i][0] != rows[i - 1][0] + 1:
                    run = b"".join(vector_row(vector) for _, vector in rows[start:i])
                    self._tx.write_blob("blocks", "data", block, rows[start][0] * width, run)
                    start = i

    def erase(self, ns: int, ordinals: Sequence[int]) -> None:
        """As `VectorRows.erase`."""
        spaces = self._tx.execute("SELECT space, dimension FROM spaces WHERE ns = ?", (ns,)).fetchall()
        for space, dimension in spaces:
            size, width = per_block(dimension), row_width(dimension)
            for ordinal in ordinals:
                block = self._block(ns, space, ordinal // size)
                if block is not None:
                    self._tx.write_blob("blocks", "data", block, ordinal % size * width, bytes(width))

    def one(self, ns: int, space: int, ordinal: int) -> Vector | None:
        """As `VectorRows.one`."""
        (dimension,) = self._tx.execute("SELECT dimension FROM spaces WHERE space = ?", (space,)).fetchone()
        size = per_block(dimension)
        row = self._tx.execute(
            "SELECT substr(data, ?, ?) FROM blocks WHERE ns = ? AND space = ? AND position = ?",
            (ordinal % size * row_width(dimension) + 1, 4 * dimension, ns, space, ordinal // size),
        ).fetchone()
        vector = None if row is None else np.frombuffer(row[0], "<f4").astype(np.float32)
        return None if vector is None or not vector.any() else vector

    def between(self, ns: int, space: int, dimension: int, first: int, end: int) -> Iterator[tuple[int, Rows]]:
        """As `VectorRows.between`, a part a block."""
        size, width = per_block(dimension), row_width(dimension)
        blocks = self._tx.execute(
            "SELECT position, data FROM blocks WHERE ns = ? AND space = ? AND position >= ? AND position <= ?"
            " ORDER BY position",
            (ns, space, first // size, (end - 1) // size),
        )
        for position, data in blocks:
            if len(data) != size * width:
                raise Damaged(f"a block of vectors of namespace {ns} is cut; `wayfare memory doctor`")
            start = position * size
            rows = np.frombuffer(data, "<f4").reshape(size, dimension + 1)[:, :dimension]
            yield max(start, first), rows[max(start, first) - start : end - start]

    def drop_retired(self, ns: int) -> int:
        """As `VectorRows.drop_retired`."""
        return self._tx.execute(
            "DELETE FROM blocks WHERE block IN (SELECT b.block FROM spaces s JOIN blocks b ON b.ns = s.ns "
            "AND b.space = s.space WHERE s.ns = ? AND s.state = 'retired' LIMIT ?)",
            (ns, DROPPED),
        ).rowcount

    def _block(self, ns: int, space: int, position: int) -> int | None:
        row = self._tx.execute(
            "SELECT block FROM blocks WHERE ns = ? AND space = ? AND position = ?", (ns, space, position)
        ).fetchone()
        return None if row is None else int(row[0])
