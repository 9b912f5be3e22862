"""The three families: scripted memories that know all, nothing, or what stands amiss score as they must."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from wayfare.memory.modules.nothing import Nothing
from wayfare.memory.modules.protocol import Finished, Found
from wayfare.studies.memory_survey import STUDY
from wayfare.studies.memory_survey.families import BACK, FAMILIES, _coded, _place, chance, play
from wayfare.studies.memory_survey.working import Condensed, NBack

SIZE = asdict(STUDY.scales["quick"])


class Scripted:
    """Keeps all that it hears, and shows what `choose` makes of it."""

    def __init__(self, choose) -> None:
        self.heard, self.choose = [], choose

    def search(self, task: str):
        return [Found("all", self.choose(task, self.heard))]

    def synthesise(self, task: str, found) -> str:
        return found[0].text

    def update(self, finished: Finished) -> None:
        self.heard.append(finished)


def _latest(task: str, heard) -> str:
    lines = [line for each in heard for line in each.trajectory.split("\n") if line.split()[1:2] == task.split()[-1:]]
    return lines[-1] if lines else ""


def _first(task: str, heard) -> str:
    lines = [line for each in heard for line in each.trajectory.split("\n") if line.split()[1:2] == task.split()[-1:]]
    return lines[0] if lines else ""


def test_facts_are_had_by_the_latest_of_each_and_lost_by_the_first() -> None:
    assert play("facts", Scripted(_latest), SIZE, 5) == 1.0
    assert play("facts", Scripted(_first), SIZE, 5) < 0.5
    assert play("facts", Nothing(), SIZE, 5) == chance("facts", SIZE) == 0.0


def test_the_reader_takes_the_first_that_speaks_of_a_thing() -> None:
    assert _place("the mug is in den\nthe cup is in hall\nthe cup is in attic", "cup") == "hall"
    assert _place("Fact: cup\nplace: in attic", "cup") == "attic" and _place("the cups are in attic", "cup") == ""


def test_in_practice_who_shows_a_success_of_the_group_does_better_than_chance_and_who_shows_a_failure_does_not() -> (
    None
):
    def success(wanted: float):
        def choose(task: str, heard) -> str:
            near = [each for each in heard if each.feedback == wanted and each.task.split()[:3] == task.split()[:3]]
            return f"Task: {near[-1].task}\nAnswer: {near[-1].answer}" if near else ""

        return choose

    good = [play("practice", Scripted(success(1.0)), SIZE, seed) for seed in range(4)]
    bad = [play("practice", Scripted(success(0.0)), SIZE, seed) for seed in range(4)]
    assert min(good) > max(bad) and sum(good) / 4 > 0.5 > sum(bad) / 4
    none = [play("practice", Nothing(), SIZE, seed) for seed in range(20)]
    assert sum(none) / 20 == pytest.approx(chance("practice", SIZE), abs=0.06)


def test_the_span_is_had_by_condensing_and_half_of_it_by_a_buffer_that_is_long_enough() -> None:
    assert play("span", Condensed(30), SIZE, 7) == 1.0
    assert play("span", Condensed(max(BACK) + 1), SIZE, 7) == 1.0
    assert play("span", NBack(max(BACK) + 2), SIZE, 7) == 0.5  # interference drives the codes out
    assert play("span", NBack(2), SIZE, 7) < 0.2 and play("span", Nothing(), SIZE, 7) == 0.0


def test_codes_belong_to_the_step_before_them() -> None:
    assert _coded("3:A1B 4:C2D") == {3: ["A1B"], 4: ["C2D"]}
    assert _coded("Task: step 3\nSteps:\n  screen shows A1B beside C2Dx\nOutcome: unknown") == {3: ["A1B"]}
    assert _coded("A1B before any step") == {}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_score_is_the_same_again_and_another_with_another_seed(family: str) -> None:
    of = lambda seed: play(family, Scripted(_first), SIZE, seed)  # noqa: E731
    assert of(1) == of(1)


def test_no_context_is_longer_than_all_may_have() -> None:
    long = Scripted(lambda task, heard: "word " * SIZE["context"] + f"the {task.split()[-1]} is in nowhere")
    assert play("facts", long, SIZE, 1) == 0.0
    lines = Scripted(lambda task, heard: "word\n" * SIZE["context"] + _latest(task, heard))
    assert play("facts", lines, SIZE, 1) == 0.0
    short = Scripted(lambda task, heard: "word " * (SIZE["context"] - 5) + "\n" + _latest(task, heard))
    assert play("facts", short, SIZE, 1) == 1.0
