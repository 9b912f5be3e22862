"""Every check of the study can pass and can fail, and one that could not is refused before any player runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.studies.adyen import STUDY
from wayfare.studies.adyen.cells import measured
from wayfare.studies.adyen.checks import refuse_wrong_checks, rules
from wayfare.studies.adyen.outcome import check_of
from wayfare.studies.adyen.plan import STRENGTHS, prior_cells, tuned
from wayfare.studies.collected import collect

LAPTOP = replace(STUDY.scales["laptop"], judged=500, requests=50, device="cpu")


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
                (who, what): scripted[by, what] for who, by in cast.items() for other, what in scripted if other == by
            }
            assert check_of(LAPTOP, rule, {**scripted, **played}).state == state, rule.name


def test_oscillation_needs_the_laptops_seeds(scripted) -> None:
    quick = replace(LAPTOP, scale="quick", sweep_seeds=0)
    for rule in rules(quick):
        cast = rule.best
        played = {(who, what): scripted[by, what] for who, by in cast.items() for o, what in scripted if o == by}
        check = check_of(quick, rule, {**scripted, **played})
        assert check.tested is ("see-saw" not in rule.name), rule.name


@pytest.mark.parametrize(("threshold", "how"), [(2.0, "passed by its best"), (-2.0, "failed by its worst")])
def test_a_threshold_that_nobody_can_reach_or_miss_is_refused(scripted, threshold: float, how: str) -> None:
    wrong = replace(rules(LAPTOP)[1], threshold=threshold)
    with pytest.raises(BadValue, match=how):
        refuse_wrong_checks((wrong,), lambda *name: scripted[name])


def test_measures_by_hand() -> None:
    levels = np.array([[0.9, 0.8, 0.9, 0.8, 0.9]])
    found = measured(levels, np.array([[0.5, 0.6, 0.7, 0.8, 0.9, 1.0]]))
    assert found["served"][0] == pytest.approx(0.85) and found["shift"][0] == pytest.approx(-0.05)
    assert found["sd"][0] == pytest.approx(0.1 / 3**0.5) and found["autocorrelation"][0] == pytest.approx(-0.75)


def test_the_null_of_the_autocorrelation_of_levels_is_minus_one_over_t() -> None:
    noise = np.random.default_rng(0).normal(size=(20_000, 13))
    found = measured(noise, np.zeros((20_000, 14)))
    assert found["autocorrelation"].mean() == pytest.approx(-1 / 12, abs=0.005)


def test_what_earned_most_on_the_tuning_seeds_is_chosen() -> None:
    cells = prior_cells(LAPTOP)[1:]
    found = {f"{cell.kwargs['name']}|tuning": np.zeros((6, 2)) for cell in cells}
    found["FastCB W=4|tuning"][3] = 1.0
    found["epsilon W=all|tuning"][5, 0] = 1.0
    chosen = tuned(found)
    assert chosen["FastCB", 4] == STRENGTHS["FastCB"][3] and chosen["epsilon", None] == STRENGTHS["epsilon"][5]
    assert all(len(values) == 6 for values in STRENGTHS.values()) and len(chosen) == len(cells) == 9
