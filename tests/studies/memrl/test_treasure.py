"""Walks are remembered, replayed and learned from; the games themselves are tried where TextWorld is installed."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from wayfare.draws import Stream
from wayfare.errors import MissingExtra
from wayfare.studies.collected import collect
from wayfare.studies.memrl import STUDY, treasure
from wayfare.studies.memrl.plan import HUNTED, player_cells
from wayfare.studies.memrl.treasure import HUNTERS, hunt, installed, play_hunts


class Corridor:
    """A word of two letters opens the chest; every other word of two letters loses."""

    def __init__(self, word: str) -> None:
        self.objective = f"find the {word} treasure in the {word} house"
        self.word, self.said = word[:2], ""

    def begin(self) -> list[str]:
        self.said = ""
        return ["a", "b", "c", "look"]

    def do(self, command: str) -> tuple[list[str], bool, bool]:
        self.said += command
        return ["a", "b", "c", "look"], len(self.said) == 2, self.said == self.word


def games() -> list[Corridor]:
    return [Corridor("abacus"), Corridor("cactus"), Corridor("bandage")]


def test_a_walk_that_found_is_followed_while_it_can_be_and_then_the_walk_is_random() -> None:
    walk, game = Stream(0, "walk"), Corridor("abacus")
    assert treasure._attempt(game, "found", ["a", "b"], 9, walk, 0) == (2, "found", ["a", "b"])
    _, _, walked = treasure._attempt(game, "found", ["a", "z", "b"], 9, walk, 0)
    assert walked[0] == "a" and len(walked) == 2 and "look" not in walked
    assert treasure._attempt(game, "found", ["a"], 1, walk, 0) == (1, "tired", ["a"])


def test_of_a_walk_that_lost_the_last_command_is_avoided() -> None:
    walk = Stream(0, "walk")
    said = [treasure._attempt(Corridor("abacus"), "lost", ["a", "c"], 9, walk, i)[2] for i in range(40)]
    assert {command for walked in said for command in walked} == {"a", "b"}
    said = [treasure._attempt(Corridor("abacus"), "", [], 9, walk, i)[2] for i in range(40)]
    assert {command for walked in said for command in walked} == {"a", "b", "c"}


def test_memories_find_again_what_they_found(tmp_path) -> None:
    late = {}
    for name in ("no memory", "success filter (written)", "MemRL"):
        runs = [
            play_hunts(games(), HUNTERS[name], passes=30, steps=5, seed=seed, file=tmp_path / f"{name}{seed}.db")[0]
            for seed in range(4)
        ]
        late[name] = np.mean([won[-10:].mean() for won in runs])
    assert min(late["MemRL"], late["success filter (written)"]) > late["no memory"] + 0.15


def test_hunts_are_left_out_where_textworld_is_not_there(monkeypatch) -> None:
    config = STUDY.scales["smoke"]
    for there in (False, True):
        monkeypatch.setattr(treasure, "installed", lambda there=there: there)
        names = [cell.name for cell in player_cells(config) if cell.name.startswith(HUNTED)]
        assert len(names) == (config.game_seeds if there else 0)


def test_without_textworld_a_hunt_names_the_command(monkeypatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(treasure, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"wayfare\[textworld\]"):
        hunt(lambda *_, **__: None, seed=0, games=1, passes=1, steps=5)


@pytest.mark.skipif(not installed(), reason="needs wayfare[textworld]")
def test_a_real_hunt_is_played_by_all() -> None:
    assert importlib.import_module("textworld")
    told = collect({"x": hunt(lambda *_, **__: None, seed=3, games=2, passes=2, steps=6)})
    for name in HUNTERS:
        won, steps = told[f"hunt {name}", "won"], told[f"hunt {name}", "steps"]
        assert won.shape == steps.shape == (1, 2, 2) and won.dtype == np.bool_
        assert (steps >= 1).all() and (steps <= 6).all()
