"""The games as text, the estimate before anything is asked, and the whole path with the tiny model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wayfare.studies.contract import UNTESTED
from wayfare.studies.engine import InProcess
from wayfare.studies.rafa import STUDY
from wayfare.studies.rafa.experiment import run
from wayfare.studies.rafa.full import LOOPS, estimate
from wayfare.studies.rafa.games import GAMES


@pytest.mark.parametrize("name", GAMES)
def test_a_position_is_read_back_from_its_own_text_and_moves_are_played(name: str) -> None:
    game = GAMES[name](4, seed=1)
    for task in range(4):
        state, over = game.begin(task), False
        for _ in range(game.limit):
            assert game.read(game.text(state)) == state
            move = game.legal(state)[0]
            state, reward, over = game.step(state, move)
            assert 0 <= reward <= 1
            if over or not game.legal(state):
                break
        assert game.reflection(state)


@pytest.mark.parametrize("name", GAMES)
def test_what_is_no_position_is_not_read(name: str) -> None:
    game = GAMES[name](1)
    for text in ("", "hello", "The red block is on the red block.", "X X X X X X X X X"):
        assert game.read(text) is None


def test_the_estimate_counts_every_call_at_its_most() -> None:
    config = replace(STUDY.scales["full"], puzzles=10, calls_a_task=5)
    cost = estimate(config)
    assert cost["calls"] == 1 * 10 * 5 * 3 * len(LOOPS) and cost["tokens read"] > 50 * cost["calls"]


def test_the_tiny_model_plays_everything_and_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayfare.studies.rafa.full.ANSWER", 4)
    config = replace(STUDY.scales["full"], puzzles=1, calls_a_task=1, device="cpu")
    findings = run(config, InProcess())
    assert findings.verdict == UNTESTED and len(findings.tables["games"].rows) == 3 * len(LOOPS)
    assert all(row[5] > 0 for row in findings.tables["games"].rows)
