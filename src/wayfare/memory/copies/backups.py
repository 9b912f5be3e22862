"""A whole file of memories, copied while it is in use, and put back.

A backup is for whoever runs the file: it holds every namespace in it, as they all stood at one moment (SQLite's online
backup within one read). A memory of one namespace alone is copied by `Memory.snapshot` and `Memory.export`. Every
namespace lists the backup, so that a purge in any of them names it. What lies in PostgreSQL its own tools back up.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time as clocks
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wayfare.errors import BadValue, Damaged, Unavailable
from wayfare.memory.copies.bundles import checked_target, renamed, unfinished
from wayfare.memory.copies.listed import Copy, file_digest, gone, listed, note, whole
from wayfare.memory.ids import new_id
from wayfare.memory.store.addresses import is_postgres
from wayfare.memory.store.file import FileDatabase

__all__ = ["Backup", "Restored", "backup", "restore", "restore_test"]


@dataclass(frozen=True)
class Backup:
    """digest: SHA-256 of the file        namespaces: that are in it, with the last change of each"""

    id: str
    path: str
    digest: str
    bytes: int
    namespaces: Mapping[str, int]


@dataclass(frozen=True)
class Restored:
    """A backup that was looked through, and put back. memories: active ones of each namespace"""

    path: str
    memories: Mapping[str, int]
    findings: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.path}: {len(self.memories)} namespaces, {sum(self.memories.values())} active memories"]
        return "\n".join([*lines, *self.findings])


def _checked_file(address: str | os.PathLike[str]) -> str:
    text = os.fsdecode(os.fspath(address))
    if is_postgres(text):
        raise BadValue(
            "address", "postgresql://...", "a file: of PostgreSQL its administrator takes a backup (pg_dump), and "
            "`export` takes a namespace",
        )  # fmt: skip
    if not os.path.isfile(text):
        raise BadValue("address", text, "a file that is there")
    return text


def backup(
    address: str | os.PathLike[str], path: str | os.PathLike[str], *, clock: Callable[[], float] = clocks.time
) -> Backup:
    """Copy the whole file into a new one; who reads or writes goes on.

    The new file is looked through before it has its name (SQLite's own check of every page).
    Raises: BadValue; Damaged where a page is not whole; Unavailable where it cannot be written.
    """
    source, target, id = _checked_file(address), checked_target(path), new_id()
    database = FileDatabase(source)
    try:
        with database.write() as tx:
            made = {}
            for ns, seq in tx.execute("SELECT ns, sequence FROM namespaces ORDER BY ns").fetchall():
                made[ns] = Copy(id, "backup", "", str(target), "", seq, float(clock()))
                note(tx, ns, made[ns])
        try:
            namespaces = _copied(source, unfinished(target, id))
            digest = file_digest(unfinished(target, id))
            renamed(unfinished(target, id), target)
        except BaseException:
            unfinished(target, id).unlink(missing_ok=True)
            with database.write() as tx:
                for ns, copy in made.items():
                    gone(tx, ns, copy, clock())
            raise
        with database.write() as tx:
            for ns, copy in made.items():
                path_of = tx.execute("SELECT path FROM namespaces WHERE ns = ?", (ns,)).fetchone()[0]
                whole(tx, ns, copy, digest, namespaces.get(path_of, copy.seq))
    finally:
        database.close()
    return Backup(id, str(target), digest, target.stat().st_size, namespaces)


def _copied(source: str, target: Path) -> dict[str, int]:
    """The file of one moment, on the disk; the last change of each namespace in it."""
    uri = Path(source).absolute().as_uri() + "?mode=ro"
    try:
        old = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30.0)
        try:
            new = sqlite3.connect(target, isolation_level=None)
            try:
                old.backup(new)  # in one step: one read of a moment, for which writers need not wait
                new.execute("PRAGMA journal_mode = DELETE")  # so that it is one file
                found = [text for (text,) in new.execute("PRAGMA quick_check(3)").fetchall()]
                namespaces = dict(new.execute("SELECT path, sequence FROM namespaces ORDER BY path").fetchall())
            finally:
                new.close()
        finally:
            old.close()
        with open(target, "rb+") as file:
            os.fsync(file.fileno())
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise Unavailable(f"{target} cannot be written, or {source} read: {error}") from error
        raise Damaged(f"{source}: {error}; `wayfare memory doctor`") from error
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error}") from error
    if found != ["ok"]:
        raise Damaged(f"{source}: {found[0]}; `wayfare memory doctor` says what can be saved")
    return namespaces


def restore(path: str | os.PathLike[str], address: str | os.PathLike[str], *, digest: str | None = None) -> Restored:
    """Put a backup back, as a new file: nothing is overwritten. It is looked through by the doctor first.

    digest: that it must have, as it was told when it was made
    Raises: BadValue; Damaged for a file in which the doctor finds damage; Unavailable.
    """
    source, target, id = Path(_checked_file(path)), checked_target(address), new_id()
    for each in ("-wal", "-shm"):
        if os.path.exists(f"{target}{each}"):
            raise BadValue("address", str(target), f"a new file, and {target}{each} is not there")
    part = unfinished(target, id)
    try:
        found = file_digest(source)
        if digest is not None and digest != found:
            raise BadValue("digest", digest, f"{found}, which is that of {source}")
        _filled(source, part)
        memories, findings = _looked_through(part)
        _listed_in(part, found)
        renamed(part, target)
    finally:
        for each in ("", "-wal", "-shm"):
            Path(f"{part}{each}").unlink(missing_ok=True)
    return Restored(str(target), memories, findings)


def restore_test(path: str | os.PathLike[str], *, digest: str | None = None) -> Restored:
    """Put a backup back into a temporary folder, look through it, and take it away again: whether it would do.

    Raises: as `restore`.
    """
    with tempfile.TemporaryDirectory(prefix="wayfare-restore-") as folder:
        done = restore(path, Path(folder) / "restored.db", digest=digest)
    return Restored(os.fsdecode(os.fspath(path)), done.memories, done.findings)


def _filled(source: Path, part: Path) -> None:
    try:
        with open(source, "rb") as old, open(part, "xb") as new:
            while data := old.read(2**20):
                new.write(data)
            new.flush()
            os.fsync(new.fileno())
    except OSError as error:
        raise Unavailable(f"{part} cannot be written: {error}") from error


def _looked_through(part: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    from wayfare.memory.store.doctor import doctor

    found = doctor(part)
    if found.worst == "damage":
        raise Damaged(f"the backup is damaged, and was not put back:\n{found}")
    database = FileDatabase(part)
    try:
        with database.read() as tx:
            rows = tx.execute(
                "SELECT n.path, COUNT(r.record) FROM namespaces n LEFT JOIN records r ON r.ns = n.ns"
                " AND r.status = 'active' GROUP BY n.path ORDER BY n.path"
            ).fetchall()
    finally:
        database.close()
    return dict(rows), tuple(str(each) for each in found.findings)


def _listed_in(part: Path, digest: str) -> None:
    """The backup that it comes from still holds all of it: every namespace of the new file knows."""
    database = FileDatabase(part)
    try:
        with database.write() as tx:
            for ns, seq in tx.execute("SELECT ns, sequence FROM namespaces ORDER BY ns").fetchall():
                for copy in listed(tx, ns, what="backup"):
                    if not copy.digest:  # its own row, from the moment when it was made
                        whole(tx, ns, copy, digest, seq)
        database.checkpoint()
    finally:
        database.close()
