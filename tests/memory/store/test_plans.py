"""How SQLite finds rows: what concerns one task or one word must not read all of the namespace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.memory.test_equality import Life
from tests.memory.test_memory import Clock
from wayfare.memory import Memory
from wayfare.memory.index.entries import SEGMENT
from wayfare.memory.store.database import Result
from wayfare.memory.store.file import FileDatabase, FileTransaction


def plans(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Statement -> the steps of its plan, of all that a life of a memory asks."""
    asked: dict[str, int] = {}
    execute = FileTransaction.execute

    def noted(self: FileTransaction, sql: str, parameters: Sequence[Any] = ()) -> Result:
        asked[sql] = len(parameters)
        return execute(self, sql, parameters)

    with monkeypatch.context() as patched:
        patched.setattr(FileTransaction, "execute", noted)
        clock = Clock()
        with Memory(path, synchronous="NORMAL", clock=clock, seed=0) as memory:
            Life(memory, clock, 0).lived(300)
            memory.remember_many([f"line {i} of a long list" for i in range(SEGMENT)])  # its words are packed
            memory.recall("the list")
    database = FileDatabase(path)
    with database.read() as tx:
        found = {
            sql: [step[3] for step in tx.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * count).fetchall()]
            for sql, count in asked.items()
            if sql.startswith(("SELECT", "UPDATE", "DELETE"))
        }
    database.close()
    return found


def test_a_task_or_a_word_is_found_without_reading_the_whole_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = plans(tmp_path / "a.db", monkeypatch)
    of_task = {sql: steps for sql, steps in found.items() if "task = ?" in sql}
    assert len(of_task) >= 5
    for sql, steps in of_task.items():
        assert "_of_task (ns=? AND task=?" in steps[0], sql
    of_words = {sql: steps for sql, steps in found.items() if "JOIN postings" in sql}
    assert of_words
    for sql, steps in of_words.items():
        assert steps[0].startswith("SEARCH s ") and "(ns=? AND segment=? AND term=?)" in steps[1], sql
