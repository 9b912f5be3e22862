"""A purge, beneath the rows of a file: its log, its pages, their gaps."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.memory.test_purge import RARE, SECRET, noise, spread
from wayfare.errors import NoSuchRecord, Unavailable
from wayfare.memory.engine import Engine
from wayfare.memory.scanning import Runs, scan
from wayfare.memory.store.erasing import FileErasing
from wayfare.memory.store.file import FileDatabase


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(FileDatabase(tmp_path / "agent.db", synchronous="NORMAL", timeout=1.0), "default")


def left(engine: Engine) -> list[str]:
    engine.database.close()  # so that reading its files here takes no lock away
    data = b"".join(path.read_bytes() for path in Path(engine.database.path).parent.iterdir())
    return [word for word in RARE if word.encode() in data]


def test_a_reader_of_an_older_state_holds_a_purge_up_and_is_named(engine: Engine) -> None:
    id = spread(engine)
    reader = sqlite3.connect(engine.database.path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM records").fetchone()
    with pytest.raises(Unavailable, match="older state"):
        engine.purge(id)
    with pytest.raises(NoSuchRecord):
        engine.get(id)
    reader.close()
    engine.purge(id)
    assert left(engine) == []


def test_gaps_of_rearranged_pages_are_rebuilt_away(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    id = spread(engine)
    with engine.database.write() as tx:  # a gap, as a page may have it: bytes that no row holds any more
        tx.execute("CREATE TABLE spare (text)")
        tx.execute("INSERT INTO spare VALUES (?)", (SECRET,))
    original, rebuilt = FileErasing.rebuild, []

    def rebuild(self: FileErasing) -> bool:
        with engine.database.write() as tx:
            tx.execute("DROP TABLE spare")
        rebuilt.append(True)
        return original(self)

    monkeypatch.setattr(FileErasing, "rebuild", rebuild)
    engine.purge(id)
    assert rebuilt and left(engine) == []


def test_a_run_across_two_parts_of_a_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayfare.memory.scanning.PART", 64)
    path = tmp_path / "file"
    for at in range(40, 80):
        path.write_bytes(b"." * at + b"0123456789abcdef" + b"." * 70)
        total, found = scan(str(path), Runs([b"0123456789abcdef"]))
        assert {(place.offset, place.run) for place in found} >= {(at, b"0123456789abcdef"), (at + 8, b"89abcdef")}
        assert total >= at + 86


def test_a_file_is_whole_after_a_purge(engine: Engine) -> None:
    id = spread(engine)
    engine.plan_and_add(noise(5, 30))
    engine.purge(id)
    with engine.database.read() as tx:
        assert tx.execute("PRAGMA integrity_check").fetchone() == ("ok",)
