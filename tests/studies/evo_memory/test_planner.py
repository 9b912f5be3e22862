"""The planner does what a shown sketch did, avoids what failed, believes facts, and searches the nearest place else."""

from __future__ import annotations

import pytest

from wayfare.agents.streaming import StreamTask
from wayfare.memory.modules.frames import block, case, joined
from wayfare.memory.modules.protocol import Finished
from wayfare.studies.evo_memory.planner import ErrandSolver, hints, in_vain, play
from wayfare.worlds.household import House

HOUSE = House(4, 6)
ERRAND = next(HOUSE.errand(i) for i in range(100) if len(set(HOUSE.errand(i).lies.values())) == 2)
FOUND = "\n".join(f"found {name} in {place}" for name, place in ERRAND.lies.items())


def finished(feedback: float | None, lines: str, text: str = ERRAND.text) -> str:
    return case(Finished(text, "done", feedback, lines))


def test_who_is_shown_where_things_lie_takes_the_shortest_way_and_who_is_not_searches() -> None:
    told = play(HOUSE, ERRAND, 300, finished(1.0, FOUND))
    alone = play(HOUSE, ERRAND, 300, "")
    assert told.success == alone.success == 1.0 and told.steps == HOUSE.shortest(ERRAND) < alone.steps
    went = [line.removeprefix("go to ") for line in alone.trajectory.splitlines() if line.startswith("go to")]
    assert went[0] == min(HOUSE.places, key=lambda place: HOUSE.steps("door", place)) and len(set(went)) == len(went)


def test_facts_and_insights_are_believed_and_failures_are_not() -> None:
    thing, place = ERRAND.thing, ERRAND.lies[ERRAND.thing]
    fact = block("Fact", thing, {"place": f"in {place}"})
    insight = block("Insight", ERRAND.text, {"Steps": FOUND})
    assert hints(fact, ERRAND, thing) == hints(insight, ERRAND, thing) == [place]
    assert hints(fact, ERRAND, ERRAND.tool) == [] and hints(finished(0.0, FOUND), ERRAND, thing) == []
    assert hints(joined([finished(1.0, f"found {thing} in desk 9"), fact]), ERRAND, thing) == ["desk 9", place]


def test_a_sketch_that_found_nothing_is_followed_if_it_passes_for_a_success_and_avoided_if_not() -> None:
    walked = "go to cabinet 4\ngo to drawer 4"
    assert hints(finished(1.0, walked), ERRAND, ERRAND.thing) == ["cabinet 4", "drawer 4"]
    assert hints(finished(1.0, walked, "Put the other on the desk."), ERRAND, ERRAND.thing) == []
    assert in_vain(finished(0.0, walked), ERRAND, ERRAND.thing) == {"cabinet 4", "drawer 4"}
    near = min(HOUSE.places, key=lambda place: HOUSE.steps("door", place))
    avoided = play(HOUSE, ERRAND, 300, finished(0.0, f"go to {near}")).trajectory.splitlines()
    assert avoided[0] != f"go to {near}" and play(HOUSE, ERRAND, 300, "").trajectory.startswith(f"go to {near}\n")


def test_a_cap_ends_it_and_what_is_missing_is_said() -> None:
    played = play(HOUSE, ERRAND, 2, "")
    assert played.success == 0.0 and played.steps == 2 and ERRAND.thing in played.answer
    solver = ErrandSolver(300)
    task = StreamTask("x", ERRAND.text, extra={"errand": ERRAND, "house": HOUSE})
    assert solver.play([task, task], ["", finished(1.0, FOUND)])[1].steps == HOUSE.shortest(ERRAND)
    assert solver.count("two words") == 2


@pytest.mark.parametrize("context", ["no block at all", "Task: x\nSteps:\n  found mug in attic 9", "Fact: mug"])
def test_nonsense_in_a_context_is_no_hint(context: str) -> None:
    assert play(HOUSE, ERRAND, 300, context) == play(HOUSE, ERRAND, 300, "")
