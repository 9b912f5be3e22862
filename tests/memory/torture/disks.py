"""A file on a disk that is full, and one that may not be written.

Where root can mount a small tmpfs and a read-only file system, that is done; else SQLite is told how many pages it may
have, and modes of the file and its folder forbid writing.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from files import QUERIES, made

from wayfare.errors import BadValue, NoSuchRecord, ReadOnly, StoreError, Unavailable
from wayfare.memory import Memory, Record
from wayfare.memory.store.doctor import doctor

__all__ = ["full_disk", "read_only"]


def full_disk(folder: Path, rounds: int = 3) -> dict[str, Any]:
    """Write until nothing fits any more; then make room and write on. On a small tmpfs where one can be mounted."""
    found: dict[str, Any] = {"how": "", "acknowledged": 0, "refused": 0, "failures": []}
    small = folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], capture_output=True, check=False
    ).returncode == 0  # fmt: skip
    found["how"] = "a tmpfs of 3 MiB" if mounted else "PRAGMA max_page_count"
    try:
        for i in range(rounds):
            _fill(small / f"{i}.db", mounted, found)
    finally:
        if mounted:
            subprocess.run(["umount", str(small)], capture_output=True, check=False)
    return found


def _fill(path: Path, mounted: bool, found: dict[str, Any]) -> None:
    with Memory(path) as memory:
        database = memory._ground.database
        acknowledged: dict[str, str] = {}
        if not mounted:
            with database.read():
                database._connection().execute("PRAGMA max_page_count = 600")
        refused = 0
        tasks = 0
        for i in range(20_000):
            text = f"note {i} " + " ".join(f"w{i * 7 % 1_000 + j}" for j in range(40))
            try:
                if i % 5 == 4:
                    memory.recall(text, task=f"t{i}")  # one that cannot be logged is answered all the same
                    memory.credit(f"t{i}", 1.0)
                    tasks += 1
                else:
                    acknowledged[memory.remember(text).id] = text
            except Unavailable as error:
                if "full" not in str(error):
                    found["failures"].append(f"another error for a full disk: {error}")
                refused += 1
            except BadValue:  # the recall of that task could not be stored
                refused += 1
            if refused == 5:
                break
        if refused < 5:
            found["failures"].append("it was never full")
        _is_whole(memory, acknowledged, found, "full")
        if len(memory.recall("note w8", k=3)) == 0:
            found["failures"].append("a full disk stops recall")
        if mounted:
            subprocess.run(["mount", "-o", "remount,size=12m", str(path.parent)], check=True)
        else:
            database._connection().execute("PRAGMA max_page_count = 100000")
        for i in range(50):
            text = f"there is room again {i}"
            acknowledged[memory.remember(text).id] = text
        _is_whole(memory, acknowledged, found, "with room again")
        found["acknowledged"] += len(acknowledged) + tasks
        found["refused"] += refused
    report = doctor(path)
    if report.worst not in ("clean", "note"):
        found["failures"].append(str(report)[:800])
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    if mounted:
        subprocess.run(["mount", "-o", "remount,size=3m", str(path.parent)], check=True)


def _is_whole(memory: Memory, acknowledged: dict[str, str], found: dict[str, Any], when: str) -> None:
    there = {record.id: record.content for record in memory.list(limit=10_000).records}
    if there != acknowledged:
        found["failures"].append(f"{when}: {len(acknowledged)} acknowledged, {len(there)} there")


def read_only(folder: Path) -> dict[str, Any]:
    """A file, and its folder, that may not be written: by a user who is not root, and on a file system mounted so."""
    found: dict[str, Any] = {"how": [], "failures": []}
    place = folder / "locked"
    place.mkdir()
    base = made(place / "agent.db")
    with Memory(base) as memory:
        wanted = {record.id: record for record in memory.list(limit=1_000).records}
    before = {each.name: each.read_bytes() for each in place.iterdir()}
    base.chmod(0o444)
    place.chmod(0o555)
    for above in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            above.chmod(above.stat().st_mode | 0o055)
    if os.getuid() == 0:
        _as(65_534, lambda: _locked(base, wanted), found, "another user's file of mode 444 in a folder of mode 555")
        mounted = subprocess.run(["mount", "--bind", str(place), str(place)], capture_output=True, check=False)
        if mounted.returncode == 0:
            try:
                subprocess.run(["mount", "-o", "remount,ro,bind", str(place)], check=True, capture_output=True)
                _as(None, lambda: _locked(base, wanted), found, "a file system mounted read-only")
            finally:
                subprocess.run(["umount", str(place)], check=False, capture_output=True)
    else:
        _as(None, lambda: _locked(base, wanted), found, "a file of mode 444 in a folder of mode 555")
    place.chmod(0o755)
    if {each.name: each.read_bytes() for each in place.iterdir()} != before:
        found["failures"].append("the folder is not as it was")
    return found


def _locked(path: Path, wanted: dict[str, Record]) -> None:
    with Memory(path, read_only=True) as memory:
        assert {record.id: record for record in memory.list(limit=1_000).records} == wanted
        seen = memory.recall(QUERIES[0], k=3)
        assert len(seen) == 3 and not seen.logged and "read-only" in seen.reason
        for act in (
            lambda: memory.remember("x"), lambda: memory.credit(seen, 1.0), lambda: memory.forget(seen.ids[0]),
            lambda: memory.revise(seen.ids[0], "y"), lambda: memory.forget(seen.ids[0], purge=True), memory.freeze,
            lambda: memory.void(source="harness"),
        ):  # fmt: skip
            _refused(act, ReadOnly)
    assert doctor(path).worst == "clean"
    _refused(lambda: Memory(path).remember("x"), StoreError)
    _refused(lambda: Memory(path, namespace="new", read_only=True).get("nobody"), NoSuchRecord)


def _refused(act: Callable[[], Any], kind: type[Exception]) -> None:
    try:
        act()
    except kind:
        return
    raise AssertionError("it was not refused")


def _as(user: int | None, check: Callable[[], None], found: dict[str, Any], how: str) -> None:
    """In a child, as another user."""
    found["how"].append(how)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            if user is not None:
                os.setgid(user)
                os.setuid(user)
            check()
        except BaseException as error:
            os.write(writing, "".join(traceback.format_exception(error)[-3:]).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    if said:
        found["failures"].append(f"{how}: {said}")
