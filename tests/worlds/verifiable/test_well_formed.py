"""What is well formed, right or wrong."""

from __future__ import annotations

import pytest

from wayfare.draws import Stream
from wayfare.worlds.verifiable import TASKS, task


@pytest.mark.parametrize("name", [name for name in TASKS if name != "countdown4"])
def test_scripted_players_are_well_formed_and_words_out_of_place_are_not(name: str) -> None:
    made = task(name)
    draw = Stream(0, "floor")
    for row in made.rows("test")[:20]:
        assert made.well_formed(made.oracle(row), row) and made.well_formed(made.floor(row, draw.at(row["index"])), row)
        for spoilt in ("", made.words[-1], f"{made.oracle(row)} {made.words[0]}x", f"x {made.oracle(row)}"):
            assert not made.well_formed(spoilt, row)


def test_an_answer_that_is_wrong_is_still_well_formed() -> None:
    row = {"numbers": [2, 3, 7], "goal": 13}
    assert task("countdown3").well_formed("2 + 3 = 5 , 5 + 7 = 1 2", row)
    assert not task("countdown3").well_formed("2 + 3 = 6 , 6 + 7 = 1 3", row)
    assert task("addition").well_formed("7 + 5 + 0 = 1 3 , 4 + 8 + 1 = 1 3 ; 1 3 2", {"a": 47, "b": 85})
    assert not task("addition").well_formed("7 + 5 + 0 = 1 2 ; 1 3 2", {"a": 47, "b": 85})
    assert not task("icons").well_formed("slot1 slot1", {"mode": "list", "target": 1})
