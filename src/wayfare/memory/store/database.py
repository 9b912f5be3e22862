"""What the memory asks of wherever it lies: transactions, and the same statements on the same tables.

    with database.write() as tx:            # nobody else writes to the namespace meanwhile; all or nothing
        tx.execute("UPDATE ... WHERE ns = ?", (ns,))
    with database.read() as tx:             # one snapshot, however long it lasts and whoever writes meanwhile
        ...

`file.FileDatabase` is an SQLite file, `postgres.database.PostgresDatabase` one namespace of a server; `addresses` tells
which is meant.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from wayfare.errors import ReadOnly, StoreError, Unavailable
from wayfare.memory.store.erasing import Erasing
from wayfare.memory.store.stops import NEVER, Stop
from wayfare.memory.store.turnstile import Turnstile
from wayfare.memory.store.vector_rows import VectorRows

__all__ = ["SYNCHRONOUS", "Database", "Result", "Transaction"]

SYNCHRONOUS = ("FULL", "NORMAL")


class Result(Protocol):
    """What a statement gave: rows as tuples, and how many it touched. A cursor of either driver is one."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Transaction(ABC):
    """What a read or a write sees and does. Made by a `Database`, and over when its `with` ends.

    path: of the store, for errors        writing: whether it may change anything
    stop: of the call that it serves
    """

    stop: Stop = NEVER

    def __init__(self, path: str, writing: bool) -> None:
        self.path, self.writing = path, writing
        self._hooks: list[Callable[[], None]] = []

    @property
    @abstractmethod
    def changed(self) -> bool:
        """Whether it has changed any row so far: what it sees is then not what others see."""

    @property
    @abstractmethod
    def vectors(self) -> VectorRows:
        """Where vectors lie."""

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Result:
        """Run one statement; `?` stands for a parameter. Raises: StoreError."""

    @abstractmethod
    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row. Raises: StoreError."""

    def namespace(self, path: str, create: bool = False) -> int | None:
        """The number of a namespace; None where there is none."""
        row = self.execute("SELECT ns FROM namespaces WHERE path = ?", (path,)).fetchone()
        if row is None and create:
            row = self.execute("INSERT INTO namespaces (path) VALUES (?) RETURNING ns", (path,)).fetchone()
        return None if row is None else int(row[0])

    def next_sequence(self, ns: int) -> int:
        """One more change of the namespace: its number."""
        row = self.execute(
            "UPDATE namespaces SET sequence = sequence + 1 WHERE ns = ? RETURNING sequence", (ns,)
        ).fetchone()
        if row is None:
            raise StoreError(f"there is no namespace number {ns}")
        return int(row[0])

    def on_commit(self, hook: Callable[[], None]) -> None:
        """Call `hook` once this transaction is committed."""
        self._hooks.append(hook)


class Database(ABC):
    """A store, or the handle of one namespace of it.

    path: of the store, for errors        timeout: seconds to wait for another writer
    """

    path: str
    synchronous: str
    read_only: bool
    timeout: float

    @property
    def searches_vectors(self) -> bool:
        """Whether the store itself finds the nearest vectors; else they are searched in this process's memory."""
        return False

    def bound(self, namespace: str, also_read: Sequence[str] = ()) -> Database:
        """The handle of one namespace; of a file, whose statements name their namespace, the file itself."""
        return self

    @abstractmethod
    def read(self) -> AbstractContextManager[Transaction]:
        """One snapshot. Within another transaction of this thread: that one."""

    @abstractmethod
    def write(self) -> AbstractContextManager[Transaction]:
        """All or nothing. Within a write of this thread: a part of it.

        Raises: ReadOnly; Unavailable when another writer does not make way within the timeout, the disk is full, or the
        server is gone.
        """

    @abstractmethod
    def _inside(self) -> Transaction | None:
        """The transaction that this thread is in."""

    def _joined(self) -> Transaction | None:
        """The write of this thread that another becomes a part of. Raises: StoreError within a read; ReadOnly."""
        inside = self._inside()
        if inside is not None and not inside.writing:
            raise StoreError("a read cannot become a write: what it saw may be out of date")
        if inside is None and self.read_only:
            raise ReadOnly(f"{self.path} was opened to be read only")
        return inside

    @contextmanager
    def _in_turn(self, turn: Turnstile, stop: Stop = NEVER) -> Iterator[None]:
        """While no other thread of this process writes. Raises: Unavailable where it must wait for too long."""
        if not turn.acquire(self.timeout, stop):
            raise Unavailable(f"{self.path}: another thread has been writing for {self.timeout:g} s")
        try:
            yield
        finally:
            turn.release()

    @property
    @abstractmethod
    def erasing(self) -> Erasing:
        """What is beneath the rows, for a purge."""

    @abstractmethod
    def size(self) -> int:
        """Bytes that it takes, of all namespaces."""

    @abstractmethod
    def close(self) -> None:
        """Let go of every connection of this process. What is done with it afterwards is refused."""
