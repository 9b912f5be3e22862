"""Every check of the study can pass and can fail, and one that could not is refused before any player runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.studies.agentfly import STUDY
from wayfare.studies.agentfly.arms import SIMPLE
from wayfare.studies.agentfly.checks import refuse_wrong_checks, rules
from wayfare.studies.agentfly.outcome import check_of
from wayfare.studies.agentfly.plan import prior_cells, tuned
from wayfare.studies.collected import collect

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


def test_the_first_check_asks_whether_there_is_anything_to_cure_and_claims_are_the_cards() -> None:
    asked = rules(LAPTOP)
    assert asked[0].kind == "instrument" and "misled" in asked[0].name
    assert [(rule.threshold, rule.mean) for rule in asked if rule.kind == "claim"] == [
        (0.15, True), (0.10, False), (0.05, False), (0.0, False)
    ]  # fmt: skip


def test_a_mean_that_is_high_enough_does_not_hide_an_interval_that_is_not(scripted) -> None:
    """0.2 in the mean, 0.6 in one seed of ten and 0.15 in the others: the first passes, and so does the second; with
    more spread the second is undecided."""
    mean, sure = rules(LAPTOP)[1:3]
    for spread, state in ((0.0, "holds"), (0.5, "undecided")):
        values = np.full(10, 0.2) + spread * np.array([1, -1] * 5)
        looked = {**scripted, ("soft-Q", "late"): values, (list(mean.best)[1], "late"): np.zeros(10)}
        assert check_of(LAPTOP, mean, looked).state == "holds" and check_of(LAPTOP, sure, looked).state == state


def test_parts_that_are_left_out_are_not_asked_about() -> None:
    bare = replace(LAPTOP, online_tasks=0, memory_tasks=0)
    assert len({rule.name for rule in rules(LAPTOP)} - {rule.name for rule in rules(bare)}) == 4


@pytest.mark.parametrize(("threshold", "how"), [(-1.0, "failed by its worst"), (2.0, "passed by its best")])
def test_a_threshold_that_nobody_can_reach_or_miss_is_refused(scripted, threshold: float, how: str) -> None:
    with pytest.raises(BadValue, match=how):
        refuse_wrong_checks((replace(rules(LAPTOP)[1], threshold=threshold),), lambda *name: scripted[name])


def test_what_is_chosen_is_what_was_best_on_other_seeds() -> None:
    found = {
        "tuning-simple": {f"tuning {name}|late": np.array([float(name == "similarity")]) for name in SIMPLE},
        "tuning-net": {f"tuning rate {r:g}|late": np.array([r]) for r in LAPTOP.rates},
        "tuning-kernel": {f"tuning bandwidth {b:g}|late": np.array([-b]) for b in LAPTOP.bandwidths},
    }
    assert tuned(LAPTOP, found) == ("similarity", 1e-2, 0.3)
