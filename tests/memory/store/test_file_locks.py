"""A file that one process opens more than once: its locks stand, whatever else the process does with the file.

POSIX drops every lock of a process on a file when the process closes *any* descriptor of it. Whoever then opens and
leaves the file takes itself for the last one, and deletes the log from under the others.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wayfare.errors import Damaged
from wayfare.memory import Memory
from wayfare.memory.store.doctor import doctor

OTHER = "import sys; from wayfare.memory import Memory; m = Memory(sys.argv[1]); m.remember(sys.argv[2]); m.close()"


def _twice(memory: Memory, path: Path) -> None:
    Memory(path, namespace="other").close()


def _purged(memory: Memory, path: Path) -> None:
    memory.forget(memory.remember("to be purged").id, purge=True)


def _examined(memory: Memory, path: Path) -> None:
    doctor(str(path))


def _read_only(memory: Memory, path: Path) -> None:
    Memory(path, read_only=True).close()


@pytest.mark.parametrize("act", [_twice, _purged, _examined, _read_only])
def test_a_process_that_comes_and_goes_takes_no_log_away(tmp_path: Path, act: Callable[[Memory, Path], None]) -> None:
    path = tmp_path / "a.db"
    with Memory(path) as memory:
        memory.remember("one")
        act(memory, path)
        subprocess.run([sys.executable, "-c", OTHER, str(path), "two"], check=True)
        memory.remember("three")
        subprocess.run([sys.executable, "-c", OTHER, str(path), "four"], check=True)
        assert [record.content for record in memory.list().records] == ["one", "two", "three", "four"]
    with Memory(path) as memory:
        assert len(memory.list().records) == 4


@pytest.mark.parametrize("junk", [b"x", b"xy", b"SQLite format 3\0", bytes(8_192), b"junk" * 2_000])
@pytest.mark.parametrize("read_only", [False, True])
def test_what_is_no_memory_is_refused_and_left_as_it_is(tmp_path: Path, junk: bytes, read_only: bool) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(junk)
    with pytest.raises(Damaged):
        Memory(path, read_only=read_only)
    assert path.read_bytes() == junk and list(tmp_path.iterdir()) == [path]
