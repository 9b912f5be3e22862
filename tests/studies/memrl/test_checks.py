"""Every check of the study can pass and can fail, and one that could not is refused before any player runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.studies.collected import collect
from wayfare.studies.memrl import STUDY
from wayfare.studies.memrl.checks import refuse_wrong_checks, rules
from wayfare.studies.memrl.outcome import check_of
from wayfare.studies.memrl.plan import prior_cells, strongest

LAPTOP = STUDY.scales["laptop"]


def quiet(*_: float, **__: float) -> None:
    pass


@pytest.fixture(scope="module")
def scripted() -> dict[tuple[str, str], np.ndarray]:
    cell = prior_cells(LAPTOP)[0]
    return collect({"scripted": cell.function(quiet, **cell.kwargs)})


def test_every_check_is_passed_by_its_best_and_failed_by_its_worst_scripted_players(scripted) -> None:
    refuse_wrong_checks(rules(LAPTOP), lambda *name: scripted[name])


def test_intervals_decide_as_the_scripted_players_say(scripted) -> None:
    """The whole way to a verdict, not the point estimate alone."""
    for rule in rules(LAPTOP):
        for cast, state in ((rule.best, "holds"), (rule.worst, "fails")):
            played = {
                (who, what): scripted[name, what] for who, name in cast.items() for n, what in scripted if n == name
            }
            assert check_of(LAPTOP, rule, {**scripted, **played}).state == state, rule.name


def test_the_first_check_asks_whether_there_is_anything_to_cure_and_claims_are_the_papers() -> None:
    asked = rules(LAPTOP)
    assert asked[0].kind == "instrument" and "misled" in asked[0].name
    assert [rule.threshold for rule in asked if rule.kind == "claim"] == [0.15, 0, 0, 0, 0]


def test_parts_that_are_left_out_are_not_asked_about() -> None:
    bare = replace(LAPTOP, weights=(), lucky=(0.25,), wide_families=0, memory_passes=0)
    names = {rule.name for rule in rules(LAPTOP)} - {rule.name for rule in rules(bare)}
    assert len(names) == 5


@pytest.mark.parametrize(("threshold", "how"), [(-1.0, "failed by its worst"), (2.0, "passed by its best")])
def test_a_threshold_that_nobody_can_reach_or_miss_is_refused(scripted, threshold: float, how: str) -> None:
    wrong = replace(rules(LAPTOP)[1], threshold=threshold)
    with pytest.raises(BadValue, match=how):
        refuse_wrong_checks((wrong,), lambda *name: scripted[name])


def test_the_strongest_filter_is_the_best_on_other_seeds() -> None:
    found = {
        f"tuning success filter ({name})|late": np.array([x]) for name, x in (("written", 1), ("last", 3), ("ever", 2))
    }
    assert strongest(found) == "success filter (last)"
