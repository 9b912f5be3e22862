"""One PostgreSQL database of memories, and transactions bound to one of its namespaces.

    database = PostgresDatabase("postgresql://wayfare_app@/app")
    handle = database.bound("org/user", also_read=["org/shared"])
    with handle.write() as tx:              # nobody else writes to org/user meanwhile; all or nothing
        tx.execute("...")
    with handle.read() as tx:               # one snapshot (repeatable read)
        ...

The same statements as for a file. A transaction begins by naming its namespace, in settings that end with it, so that a
connection of the pool carries nothing over to the next who gets it; without them no row is visible (`schema`). A writer
locks the row of its namespace first: that orders commits as a file's lock does, and the sequence numbers with them.
Writers of other namespaces go on meanwhile.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from wayfare.errors import BadValue, StoreError, Unavailable
from wayfare.memory.store.database import SYNCHRONOUS, Database, Result, Transaction
from wayfare.memory.store.postgres.driver import psycopg, without_password
from wayfare.memory.store.postgres.erasing import PostgresErasing
from wayfare.memory.store.postgres.errors import UNCERTAIN, lost, named
from wayfare.memory.store.postgres.installing import privileged
from wayfare.memory.store.postgres.interrupting import Interrupt
from wayfare.memory.store.postgres.pools import LARGEST, pool_for
from wayfare.memory.store.postgres.schema import SCHEMA
from wayfare.memory.store.postgres.vectors import PostgresVectors
from wayfare.memory.store.schema import VERSION
from wayfare.memory.store.stops import Stop, current_stop
from wayfare.memory.store.turnstile import Turnstile

__all__ = ["PostgresDatabase", "PostgresTransaction"]

CHANGES = ("INSERT", "UPDATE", "DELETE")


@lru_cache(maxsize=2_048)
def translated(sql: str) -> str:
    """A statement with the driver's marks for its parameters. No statement of ours holds either mark in a text."""
    return sql.replace("%", "%%").replace("?", "%s")


class PostgresTransaction(Transaction):
    """As `Transaction`. Made by `PostgresDatabase`, and over when its `with` ends."""

    def __init__(self, connection: Any, path: str, writing: bool, own: str = "") -> None:
        super().__init__(path, writing)
        self._postgres, self._own = connection, own
        self._changes = 0
        self._rows = PostgresVectors(self)

    @property
    def changed(self) -> bool:
        return self._changes > 0

    @property
    def vectors(self) -> PostgresVectors:
        return self._rows

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Result:
        try:
            cursor: Result = self._postgres.execute(translated(sql), parameters, binary=True)
        except (psycopg().Error, UnicodeEncodeError) as error:
            self.stop.check()
            raise named(error, self.path) from error
        self._count(sql, cursor)
        return cursor

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        try:
            cursor = self._postgres.cursor()
            cursor.executemany(translated(sql), rows)
        except (psycopg().Error, UnicodeEncodeError) as error:
            self.stop.check()
            raise named(error, self.path) from error
        self._count(sql, cursor)

    def _count(self, sql: str, cursor: Any) -> None:
        if self.writing and cursor.rowcount > 0 and sql.lstrip().startswith(CHANGES):
            self._changes += cursor.rowcount

    def namespace(self, path: str, create: bool = False) -> int | None:
        row = self.execute("SELECT ns FROM namespaces WHERE path = ?", (path,)).fetchone()
        if row is None and create:
            if path != self._own:
                raise BadValue("namespace", path, f"{self._own!r}, to which this memory is bound")
            self.execute("INSERT INTO namespaces (path) VALUES (?) ON CONFLICT (path) DO NOTHING", (path,))
            row = self.execute("SELECT ns FROM namespaces WHERE path = ? FOR UPDATE", (path,)).fetchone()
        return None if row is None else int(row[0])


class _Current(threading.local):
    transaction: PostgresTransaction | None = None
    pid: int = 0


class PostgresDatabase(Database):
    """A database in which `install` has made the tables of a memory.

    address: postgresql://..., of a role that can see nothing but what row-level security lets it
    synchronous: FULL waits for the disk at every commit; NORMAL may lose the last commits if the server dies
    timeout: seconds to wait for another writer of the namespace
    admin: any role may be used, to look or to repair

    Raises: BadValue for arguments, and a role that sees every tenant's rows; StoreError where there are no tables, or
    of another version; Unavailable.
    """

    def __init__(
        self,
        address: str,
        *,
        synchronous: str = "FULL",
        read_only: bool = False,
        timeout: float = 30.0,
        admin: bool = False,
    ) -> None:
        if synchronous not in SYNCHRONOUS:
            raise BadValue("synchronous", synchronous, "FULL or NORMAL")
        if not timeout > 0:
            raise BadValue("timeout", timeout, "above 0 seconds")
        _checked_address(address)
        self.address, self.path = address, without_password(address)
        self.synchronous, self.read_only, self.timeout, self.admin = synchronous, read_only, timeout, admin
        self.own = ""
        self.also_read: tuple[str, ...] = ()
        self._begin()
        self._look()

    def _begin(self) -> None:
        self._current, self._turn, self._closed = _Current(), Turnstile(), False
        self._pid = os.getpid()
        self._pool, release = pool_for(self.address)
        self._release = weakref.finalize(self, release)

    def _look(self) -> None:
        """Refuse what is no memory, and a role that sees too much."""
        try:
            with self.lent() as connection:
                reason = "" if self.admin else privileged(connection)
                if reason:
                    raise BadValue(
                        "address", self.path, f"of a role that is held by row-level security: {reason}. "
                        "`wayfare memory install` makes one",
                    )  # fmt: skip
                there = connection.execute(f"SELECT to_regclass('{SCHEMA}.meta')").fetchone()
                if there is None or there[0] is None:
                    raise StoreError(f"{self.path} has no memory yet: `wayfare memory install` makes its tables")
                (version,) = connection.execute(f"SELECT value FROM {SCHEMA}.meta WHERE key = 'version'").fetchone()
                if int(version) != VERSION:
                    raise StoreError(f"{self.path} has tables of version {version}; this Wayfare knows {VERSION}")
                (self._searched,) = connection.execute(
                    "SELECT coalesce((SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n"
                    " ON n.oid = e.extnamespace WHERE e.extname = 'vector'), 'public')"
                ).fetchone()
        except psycopg().Error as error:
            self.close()
            raise named(error, self.path) from error
        except BaseException:
            self.close()
            raise

    @property
    def searches_vectors(self) -> bool:
        return True

    def bound(self, namespace: str, also_read: Sequence[str] = ()) -> PostgresDatabase:
        """The handle of one namespace: what it reads and writes is that namespace's, and no other's."""
        if (namespace, tuple(also_read)) == (self.own, self.also_read):
            return self
        handle = object.__new__(PostgresDatabase)
        handle.__dict__.update(
            {
                name: getattr(self, name)
                for name in ("address", "path", "synchronous", "read_only", "timeout", "admin", "_searched")
            }
        )
        handle.own, handle.also_read = namespace, tuple(also_read)
        handle._begin()
        return handle

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        inside = self._inside()
        if inside is not None:
            yield inside
            return
        with self._transaction(False) as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        inside = self._joined()
        if inside is not None:
            yield inside
            return
        self._mine()
        stop = current_stop()
        stop.check()
        with self._in_turn(self._turn, stop), self._transaction(True) as tx:
            yield tx
        for hook in tx._hooks:
            hook()

    @contextmanager
    def _transaction(self, writing: bool) -> Iterator[PostgresTransaction]:
        stop = current_stop()
        with self._begun(writing, stop) as connection:
            tx = PostgresTransaction(connection, self.path, writing, self.own)
            tx.stop = stop
            self._current.transaction, self._current.pid = tx, os.getpid()
            try:
                yield tx
                self._current.transaction = None
                if writing:
                    stop.committing()
                    self._commit(connection)
            finally:
                self._current.transaction = None

    def _commit(self, connection: Any) -> None:
        try:
            connection.execute("COMMIT")
        except psycopg().Error as error:
            if lost(error):
                raise Unavailable(f"{self.path}: {UNCERTAIN}") from error
            raise named(error, self.path) from error

    @contextmanager
    def _begun(self, writing: bool, stop: Stop) -> Iterator[Any]:
        """A connection within a transaction that has said for whom it speaks.

        Those that the server has closed meanwhile are passed over: nothing has been done on them.
        """
        self._mine()
        for left in range(LARGEST, -1, -1):
            with self._taken(stop) as connection:
                try:
                    connection.execute(self._opening(connection, writing))
                except psycopg().Error as error:
                    stop.check()
                    if not lost(error) or not left:
                        raise named(error, self.path) from error
                    continue
                yield connection
                return

    @contextmanager
    def _taken(self, stop: Stop) -> Iterator[Any]:
        """A connection whose statements end where the call is stopped; given back with no transaction on it."""
        connection = self._pool.take(self.timeout)
        interrupt = Interrupt(connection)
        try:
            with stop.waking(interrupt):
                yield connection
        finally:
            untouched = interrupt.over()
            _quietly_rolled_back(connection)
            if not untouched:
                connection.close()
            self._pool.give(connection)

    def _opening(self, connection: Any, writing: bool) -> str:
        """The statements with which a transaction begins: one journey to the server. Settings are local to it."""
        from psycopg.sql import Literal

        settings = {
            "search_path": f"{SCHEMA}, {self._searched}",
            "wayfare.namespace": self.own,
            "wayfare.also_read": json.dumps(list(self.also_read)),
            "jit": "off",  # it takes longer to compile such statements than to run them
        }
        if writing:
            settings["lock_timeout"] = f"{max(1, round(self.timeout * 1_000))}"
            if self.synchronous == "NORMAL":
                settings["synchronous_commit"] = "off"
        said = ", ".join(
            f"set_config({Literal(name).as_string(connection)}, {Literal(value).as_string(connection)}, true)"
            for name, value in settings.items()
        )
        if not writing:
            return f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT {said}"
        path = Literal(self.own).as_string(connection)
        return (
            f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT {said};"
            f" SELECT ns FROM namespaces WHERE path = {path} FOR UPDATE"
        )

    @property
    def erasing(self) -> PostgresErasing:
        return PostgresErasing(self)

    @contextmanager
    def lent(self) -> Iterator[Any]:
        """A connection outside any transaction. Those that the server has closed meanwhile are passed over."""
        self._mine()
        for left in range(LARGEST, -1, -1):
            connection = self._pool.take(self.timeout)
            try:
                try:
                    connection.execute("SELECT 1")
                except psycopg().Error as error:
                    if not lost(error) or not left:
                        raise named(error, self.path) from error
                    continue
                yield connection
                return
            finally:
                self._pool.give(connection)

    def size(self) -> int:
        with self.read() as tx:
            (found,) = tx.execute(
                "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::BIGINT FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relkind = 'r'",
                (SCHEMA,),
            ).fetchone()
        return int(found)

    def _inside(self) -> PostgresTransaction | None:
        return self._current.transaction if self._current.pid == os.getpid() else None

    def _mine(self) -> None:
        """A child of a fork goes on with connections and locks of its own."""
        if self._closed:
            raise Unavailable(f"{self.path} has been closed")
        if self._pid != os.getpid():
            self._begin()

    def close(self) -> None:
        """What is done with it afterwards is refused; connections close with the last memory of the process."""
        if not self._closed:
            self._closed = True
            if self._pid == os.getpid():
                self._release()


def _checked_address(address: str) -> None:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(address)
    except ProgrammingError as error:
        shown = without_password(address)
        raise BadValue("address", shown, f"as PostgreSQL has it, postgresql://user@host/database: {error}") from None


def _quietly_rolled_back(connection: Any) -> None:
    from psycopg.pq import TransactionStatus

    try:
        if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            connection.execute("ROLLBACK")
    except psycopg().Error:
        pass  # what led here is being raised already
