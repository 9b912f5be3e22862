"""One SQLite file, its connections and its transactions.

    database = FileDatabase("agent.db")
    with database.write() as tx:            # BEGIN IMMEDIATE; committed at the end, rolled back by any exception
        tx.execute("...")
    with database.read() as tx:             # one snapshot, however long it lasts and whoever writes meanwhile
        ...

Write-ahead logging; FULL waits for the disk at every commit. Every thread has a connection of its own, and so has every
child of a fork. Writers of one process queue on a lock, in turn, so that SQLite's waiting is only for other processes.
Freed pages are overwritten with zeros. No extension is asked for: a common build of Python cannot load any.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wayfare.errors import BadValue, Damaged, ReadOnly, StoreError, Unavailable
from wayfare.memory.store.blocks import Blocks
from wayfare.memory.store.database import SYNCHRONOUS, Database, Result, Transaction
from wayfare.memory.store.erasing import FileErasing
from wayfare.memory.store.file_errors import named
from wayfare.memory.store.schema import TABLES, VERSION
from wayfare.memory.store.stops import NEVER, Stop, current_stop
from wayfare.memory.store.turnstile import Turnstile

__all__ = ["FileDatabase", "FileTransaction"]

CACHE_KIB = 16_384
PIECE_MS = 100


class FileTransaction(Transaction):
    """As `Transaction`. Made by `FileDatabase`, and over when its `with` ends."""

    def __init__(self, connection: sqlite3.Connection, path: str, writing: bool) -> None:
        super().__init__(path, writing)
        self._connection, self._before = connection, connection.total_changes

    @property
    def changed(self) -> bool:
        return self._connection.total_changes != self._before

    @property
    def vectors(self) -> Blocks:
        return Blocks(self)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Result:
        try:
            return self._connection.execute(sql, parameters)
        except sqlite3.Error as error:
            raise named(error, self.path) from error

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            self._connection.executemany(sql, rows)
        except sqlite3.Error as error:
            raise named(error, self.path) from error

    def write_blob(self, table: str, column: str, rowid: int, offset: int, data: bytes) -> None:
        """Overwrite a part of a blob in place; its size stays."""
        try:
            with self._connection.blobopen(table, column, rowid) as blob:
                blob.seek(offset)
                blob.write(data)
        except (sqlite3.Error, ValueError) as error:
            raise named(error, self.path) from error


class _Local(threading.local):
    connection: sqlite3.Connection | None = None
    pid: int = 0
    transaction: FileTransaction | None = None


class FileDatabase(Database):
    """A file of memories.

    path: made, with its tables, when it is not there; an older one is brought forward
    synchronous: FULL survives power loss; NORMAL may lose the last commits to it, and never corrupts
    read_only: nothing is written, the file must be there        timeout: seconds to wait for another writer

    Raises: BadValue for arguments; Damaged for a file that is no store; ReadOnly; Unavailable.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: str = "FULL",
        read_only: bool = False,
        timeout: float = 30.0,
    ) -> None:
        text = os.fspath(path)
        if not isinstance(text, str) or not text or "\0" in text:
            raise BadValue("address", path, "a path to a file")
        if text == ":memory:":
            raise BadValue(
                "address", text, "a path to a file: what lies in one connection's memory no thread can share"
            )
        if os.path.isdir(text):
            raise BadValue("address", text, "a file, not a folder")
        if synchronous not in SYNCHRONOUS:
            raise BadValue("synchronous", synchronous, "FULL or NORMAL")
        if not timeout > 0:
            raise BadValue("timeout", timeout, "above 0 seconds")
        self.path, self.synchronous, self.read_only, self.timeout = (
            os.path.abspath(text),
            synchronous,
            read_only,
            timeout,
        )
        self._local, self._turn, self._closed = _Local(), Turnstile(), False
        self._pid = os.getpid()
        self._open: weakref.WeakSet[_Holder] = weakref.WeakSet()
        try:
            self._prepare()
        except BaseException:
            self.close()  # now, not when the error that is raised is forgotten
            raise

    def _prepare(self) -> None:
        there = os.path.exists(self.path) and os.path.getsize(self.path) > 0
        if self.read_only and not there:
            raise Unavailable(f"{self.path}: there is no such file to read")
        if there and os.path.getsize(self.path) == 1:
            raise Damaged(f"{self.path} is no memory: one byte is none, though SQLite takes it for an empty file")
        # Of all others SQLite says itself whether they are. To open the file here and close it again would drop every
        # lock that this process has on it (so POSIX has it), and the next process to leave would delete the log.
        with self.read() as tx:
            version = _version(tx)
        if version == VERSION:
            return
        if version is not None and version > VERSION:
            raise StoreError(
                f"{self.path} was written by a later Wayfare: its tables are of version {version}, known is {VERSION}"
            )
        if self.read_only:
            raise ReadOnly(
                f"{self.path} has tables of version {version}, and must be written to be brought to {VERSION}"
            )
        with self.write() as tx:
            version = _version(tx)  # another process may have been quicker
            if version is None:
                for statement in TABLES.split(";\n"):
                    if statement.strip():
                        tx.execute(statement)
                tx.execute("INSERT INTO meta (key, value) VALUES ('version', ?)", (str(VERSION),))
                tx.execute("INSERT INTO meta (key, value) VALUES ('salt', ?)", (os.urandom(16).hex(),))
            elif version < VERSION:
                from wayfare.memory.store.migrations import migrate

                migrate(tx, version)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        inside = self._inside()
        if inside is not None:
            yield inside
            return
        current_stop().check()
        connection = self._connection()
        tx = FileTransaction(connection, self.path, writing=False)
        tx.execute("BEGIN")
        self._local.transaction = tx
        try:
            yield tx
        except sqlite3.Error as error:  # rows are fetched by the caller
            raise named(error, self.path) from error
        finally:
            self._local.transaction = None
            _quietly(connection, "ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        inside = self._joined()
        if inside is not None:
            yield inside
            return
        stop = current_stop()
        stop.check()
        connection = self._connection()
        with self._in_turn(self._turn, stop):
            tx = FileTransaction(connection, self.path, writing=True)
            tx.stop = stop
            self._begin_writing(connection, stop)
            self._local.transaction = tx
            try:
                yield tx
                self._local.transaction = None
                stop.committing()
                tx.execute("COMMIT")
            except BaseException as error:
                self._local.transaction = None
                _quietly(connection, "ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise named(error, self.path) from error
                raise
        for hook in tx._hooks:
            hook()

    def _begin_writing(self, connection: sqlite3.Connection, stop: Stop) -> None:
        """Wait for writers of other processes. SQLite's own waiting cannot be woken: it is cut into pieces."""
        try:
            if stop is NEVER:
                connection.execute("BEGIN IMMEDIATE")
                return
            connection.execute(f"PRAGMA busy_timeout = {PIECE_MS}")
            try:
                _retried(lambda: connection.execute("BEGIN IMMEDIATE"), self.timeout, stop)
            finally:
                connection.execute(f"PRAGMA busy_timeout = {round(self.timeout * 1_000)}")
        except sqlite3.Error as error:
            raise named(error, self.path) from error

    @property
    def erasing(self) -> FileErasing:
        return FileErasing(self)

    def size(self) -> int:
        return _size(self.path) + _size(self.path + "-wal")

    def checkpoint(self) -> bool:
        """Bring the whole log into the file and empty it; False while another connection reads an older state."""
        with self._alone() as connection:
            try:
                busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.Error as error:
                raise named(error, self.path) from error
        return not busy

    def _inside(self) -> FileTransaction | None:
        return self._local.transaction if self._local.pid == os.getpid() else None

    @contextmanager
    def _alone(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        with self._in_turn(self._turn):
            yield connection

    def _connection(self) -> sqlite3.Connection:
        if self._closed:
            raise Unavailable(f"{self.path} has been closed")
        pid = os.getpid()
        local = self._local
        if local.connection is None or local.pid != pid:
            if self._pid != pid:  # a child: its parent's connections and locks are the parent's
                self._pid, self._turn, self._open = pid, Turnstile(), weakref.WeakSet()
            if local.connection is not None:
                _ORPHANS.append(local.connection)  # closing it here would drop the parent's locks
            local.connection, local.pid, local.transaction = self._connect(), pid, None
        return local.connection

    def _connect(self) -> sqlite3.Connection:
        uri = Path(self.path).as_uri() + ("?mode=ro" if self.read_only else "?mode=rwc")
        try:
            connection = self._opened(uri)
            if self.read_only:
                try:
                    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
                except sqlite3.OperationalError:
                    # Where not even a -shm file can be made, a file whose log is empty can be read as it lies.
                    if _size(self.path + "-wal") or os.access(os.path.dirname(self.path), os.W_OK):
                        raise
                    connection.close()
                    connection = self._opened(uri + "&immutable=1")
                connection.execute("PRAGMA query_only = ON")
            else:
                _retried(lambda: connection.execute("PRAGMA journal_mode = WAL"), self.timeout)
                connection.execute(f"PRAGMA synchronous = {self.synchronous}")
                connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._open.add(connection)
        except sqlite3.Error as error:
            raise named(error, self.path) from error
        return connection

    def _opened(self, uri: str) -> _Holder:
        return sqlite3.connect(
            uri, uri=True, isolation_level=None, timeout=self.timeout, check_same_thread=False, cached_statements=512,
            factory=_Holder,
        )  # fmt: skip

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._pid == os.getpid():
                for connection in list(self._open):
                    connection.close()


class _Holder(sqlite3.Connection):
    """A connection that can be held weakly: it is closed with the thread that it belongs to."""


_ORPHANS: list[sqlite3.Connection] = []


def _version(tx: Transaction) -> int | None:
    """Of the tables; None in a file without any."""
    names = {name for (name,) in tx.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()}
    if not names:
        return None
    if "meta" not in names:
        raise Damaged(f"{tx.path} is an SQLite file, but no memory: it has no table of versions")
    row = tx.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    if row is None or not str(row[0]).isdigit():
        raise Damaged(f"{tx.path} does not say the version of its tables; `wayfare memory doctor`")
    return int(row[0])


def _retried(action: Callable[[], object], timeout: float, stop: Stop = NEVER) -> None:
    """Where SQLite does not wait by itself: two processes turn on write-ahead logging at once, or a wait is cut."""
    end = time.monotonic() + timeout
    while True:
        stop.check()
        try:
            action()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.005)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _quietly(connection: sqlite3.Connection, sql: str) -> None:
    try:
        if connection.in_transaction:
            connection.execute(sql)
    except sqlite3.Error:
        pass  # what led here is being raised already
