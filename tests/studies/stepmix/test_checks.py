"""Every check of the study can pass and can fail, and one that could not is refused before any player runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.studies.collected import collect
from wayfare.studies.stepmix import STUDY
from wayfare.studies.stepmix.cells import curve_edges, measured
from wayfare.studies.stepmix.checks import refuse_wrong_checks, rules
from wayfare.studies.stepmix.outcome import check_of
from wayfare.studies.stepmix.plan import floors, prior_cells

LAPTOP = replace(STUDY.scales["laptop"], episodes=200, device="cpu")


def _quiet(*_: float, **__: float) -> None:
    pass


@pytest.fixture(scope="module")
def scripted() -> dict[tuple[str, str], np.ndarray]:
    cell = prior_cells(LAPTOP)[0]
    return collect({"scripted": cell.function(_quiet, **cell.kwargs)})


def test_every_check_is_passed_by_its_best_and_failed_by_its_worst_scripted_players(scripted) -> None:
    refuse_wrong_checks(rules(LAPTOP, floors(LAPTOP)), lambda *name: scripted[name])


def test_intervals_decide_as_the_scripted_players_say(scripted) -> None:
    """The whole way to a verdict, not the point estimate alone."""
    for rule in rules(LAPTOP, floors(LAPTOP)):
        for cast, state in ((rule.best, "holds"), (rule.worst, "fails")):
            played = {(who, what): scripted[cast.get(who, who), what] for who in cast for _, what in scripted}
            assert check_of(LAPTOP, rule, {**scripted, **played}).state in (
                state,
                "undecided" if state == "fails" else "",
            )


def test_one_spoiled_run_of_128_does_not_refute_and_four_are_undecided(scripted) -> None:
    rule = next(r for r in rules(LAPTOP, floors(LAPTOP)) if r.name == "StepMix: no episode below the floor")
    for spoiled, state in ((0, "holds"), (1, "holds"), (4, "undecided"), (20, "fails")):
        counts = np.zeros(128)
        counts[:spoiled] = 7
        assert check_of(LAPTOP, rule, {("StepMix", "violations"): counts}).state == state


@pytest.mark.parametrize(("threshold", "how"), [(-1.0, "passed by its best"), (2.0, "failed by its worst")])
def test_a_threshold_that_nobody_can_reach_or_miss_is_refused(scripted, threshold: float, how: str) -> None:
    wrong = replace(rules(LAPTOP, floors(LAPTOP))[1], threshold=threshold)
    with pytest.raises(BadValue, match=how):
        refuse_wrong_checks((wrong,), lambda *name: scripted[name])


def test_measures_by_hand() -> None:
    value = np.repeat([[1.0], [0.5], [2.0], [2.0]], 5, axis=0)  # [20, 1]
    optimal, baseline, floor = np.array([2.0]), np.array([1.0]), np.array([0.9])
    found = measured(value, value, np.zeros_like(value), optimal, baseline, floor)
    assert found["violations"].tolist() == [5.0] and found["regret"].tolist() == [12.5]
    assert found["half regret"].tolist() == [12.5] and found["late gap"].tolist() == [0.0]
    assert found["early regret"].tolist() == [12.5] and found["span"].tolist() == [1.0]
    edges = curve_edges(20)
    assert edges[0] == 0 and edges[-1] == 20 and (np.diff(edges) > 0).all()
    assert found["regret curve"].shape == found["value curve"].shape == (1, len(edges) - 1)
    assert found["regret curve"][0, -1] == 12.5 and found["lowest curve"].min() == 0.5
