"""The way that studies of language RL have in common: what comes first, checks, tuning, arms."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from tests.studies.language_players import STUDIES, run_of
from wayfare.errors import BadValue
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.language_cells import core_seconds
from wayfare.studies.language_experiment import in_stages
from wayfare.studies.language_runs import Run


def cell(name: str) -> Cell:
    return Cell(name, print, {})  # type: ignore[arg-type]


PLAN: Any = SimpleNamespace(
    first_cells=lambda config: [cell("base"), cell("base, weaker"), cell("toy")],
    tuning_cells=lambda config: [cell("tuning GRPO seed 100")],
    chosen=lambda config, tuning: f"{len(tuning)} tuned",
    arm_cells_of=lambda config, tuned: [cell(f"{tuned} seed 1"), cell(f"{tuned} seed 0")],
)


class Recorded:
    """Notes what it is asked for, and finds a run for each cell but the toy."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], list[str]]] = []

    def cells(self, cells: Sequence[Cell], later: Sequence[Cell] = ()) -> dict[str, Arrays]:
        self.asked.append(([each.name for each in cells], [each.name for each in later]))
        return {each.name: self._found(each.name) for each in cells}

    def _found(self, name: str) -> Arrays:
        arm, _, seed = name.partition(" seed ")
        arrays = run_of(
            [0.1, 0.2], [0.9, 0.8], arm="base" if arm.startswith("base") else arm, seed=int(seed or 0)
        ).arrays
        return {"steps": arrays["step"]} if name == "toy" else arrays


def test_arms_are_those_that_the_tuning_settles_and_a_guess_stands_for_them_in_the_time_left() -> None:
    progress, seen = Recorded(), list[Run]()
    found = in_stages(None, progress, PLAN, "guess", seen.append)
    guessed, tuning = ["guess seed 1", "guess seed 0"], ["tuning GRPO seed 100"]
    assert progress.asked == [
        (["base", "base, weaker", "toy"], [*tuning, *guessed]), (tuning, guessed),
        (["1 tuned seed 1", "1 tuned seed 0"], []),
    ]  # fmt: skip
    assert found.tuned == "1 tuned" and list(found.tuning) == ["tuning GRPO"] and "toy" in found.first
    assert {name: [run.seed for run in each] for name, each in found.runs.items()} == {
        "base": [0], "base, weaker": [0], "1 tuned": [0, 1]
    }  # fmt: skip
    assert [run.arm for run in seen] == ["base"]


def test_checks_that_could_not_mean_anything_end_it_before_anything_is_trained() -> None:
    def refuse(base: Run) -> None:
        raise BadValue("check 'c'", base.end("pass@1"), "passed by its best scripted players")

    progress = Recorded()
    with pytest.raises(BadValue, match="check 'c'"):
        in_stages(None, progress, PLAN, "guess", refuse)
    assert [names for names, _ in progress.asked] == [["base", "base, weaker", "toy"]]


class Listed(Exception):
    """All cells that a study foresaw when it began."""


class Listing:
    def cells(self, cells: Sequence[Cell], later: Sequence[Cell] = ()) -> dict[str, Arrays]:
        raise Listed([*cells, *later])


@pytest.mark.parametrize("package", STUDIES)
def test_what_a_study_says_it_takes_is_about_what_its_cells_add_up_to(package: str) -> None:
    """Both are told where they are needed, one of them without torch: neither may be forgotten when sizes change."""
    study = import_module(f"wayfare.studies.{package}").STUDY
    with pytest.raises(Listed) as listed:
        study.load()(study.scales["laptop"], Listing())
    assert 1 / 3 < study.seconds["laptop"] / (core_seconds(listed.value.args[0]) / 2) < 3
