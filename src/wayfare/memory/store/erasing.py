"""What erasing takes beneath the rows: so that a text that no row holds is in no byte of the store either.

A file can be searched whole. What a server keeps beneath its rows cannot be seen from here (`postgres.erasing`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from wayfare.errors import Unavailable
from wayfare.memory.scanning import Place, Runs, scan

if TYPE_CHECKING:
    from wayfare.memory.store.database import Transaction
    from wayfare.memory.store.file import FileDatabase

__all__ = ["Erasing", "FileErasing"]


class Erasing(Protocol):
    """Of one store."""

    def own_words(self, tx: Transaction) -> Iterator[str]:
        """What the tables themselves say, which is no trace of any memory."""

    def settle(self) -> None:
        """Let go of earlier states of the rows. Raises: Unavailable while another connection needs them."""

    def scan(self, runs: Runs) -> tuple[int, list[Place]]:
        """How many bytes were looked through, and where runs were found."""

    def rebuild(self) -> bool:
        """Write the store anew, without what lies in its gaps; False where that cannot be done from here."""


class FileErasing:
    """The file, its -wal and its -shm, to the last byte."""

    def __init__(self, database: FileDatabase) -> None:
        self._database = database

    def own_words(self, tx: Transaction) -> Iterator[str]:
        """As `Erasing.own_words`."""
        for (text,) in tx.execute("SELECT coalesce(sql, '') FROM sqlite_master"):
            yield text

    def settle(self) -> None:
        """As `Erasing.settle`: the log is brought into the file and cut."""
        if not self._database.checkpoint():
            raise Unavailable(
                f"{self._database.path}: emptied, but another connection reads an older state, so that the text is"
                " still in the -wal file; end that and purge again"
            )

    def scan(self, runs: Runs) -> tuple[int, list[Place]]:
        """As `Erasing.scan`."""
        return scan(self._database.path, runs)

    def rebuild(self) -> bool:
        """As `Erasing.rebuild`: pages that were rearranged may keep old bytes in their gaps."""
        path = self._database.path
        try:
            connection = sqlite3.connect(path, isolation_level=None, timeout=self._database.timeout)
            try:
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute("VACUUM")
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise Unavailable(f"{path}: emptied, but the file could not be rebuilt: {error}; purge again") from error
        return True
