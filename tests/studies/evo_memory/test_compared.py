"""The manual's comparison of all memories."""

from __future__ import annotations

from pathlib import Path

from wayfare.studies.evo_memory.compared import compared
from wayfare.studies.evo_memory.players import MEMORIES, label_of

PAGE = Path(__file__).parents[3] / "docs" / "memory-compared.md"


def test_the_page_has_the_table_of_what_is_recorded_with_every_memory_in_it() -> None:
    table = compared()
    assert table in PAGE.read_text()
    assert {line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]} == {
        label_of(name) for name in MEMORIES
    }
