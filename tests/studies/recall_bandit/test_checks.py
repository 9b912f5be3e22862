"""Every check of the study can pass and can fail, and one that could not is refused before any arm runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.studies.collected import collect
from wayfare.studies.recall_bandit import STUDY
from wayfare.studies.recall_bandit.checks import refuse_wrong_checks, rules
from wayfare.studies.recall_bandit.outcome import check_of
from wayfare.studies.recall_bandit.plan import prior_cells

LAPTOP = replace(STUDY.scales["laptop"], tasks=200, families=5, device="cpu")


def _quiet(*_: float, **__: float) -> None:
    pass


@pytest.fixture(scope="module")
def scripted() -> dict[tuple[str, str], np.ndarray]:
    cell = prior_cells(LAPTOP)[0]
    return collect({"scripted": cell.function(_quiet, **cell.kwargs)})


def test_every_check_is_passed_by_its_best_and_failed_by_its_worst_scripted_players(scripted) -> None:
    refuse_wrong_checks(rules(LAPTOP), lambda *name: scripted[name])


def test_intervals_never_say_the_contrary_of_the_scripted_players(scripted) -> None:
    for rule in rules(LAPTOP):
        for cast, never in ((rule.best, "fails"), (rule.worst, "holds")):
            played = {(who, what): scripted[stand, what] for who, stand in cast.items() for _, what in scripted
                      if (stand, what) in scripted}  # fmt: skip
            assert check_of(LAPTOP, rule, {**scripted, **played}).state != never, rule.name


@pytest.mark.parametrize(("threshold", "how"), [(2.0, "passed by its best"), (-2.0, "failed by its worst")])
def test_a_threshold_that_nobody_can_reach_or_miss_is_refused(scripted, threshold: float, how: str) -> None:
    wrong = replace(rules(LAPTOP)[1], threshold=threshold)
    with pytest.raises(BadValue, match=how):
        refuse_wrong_checks((wrong,), lambda *name: scripted[name])


def test_a_dozen_broken_streams_of_200_no_longer_keep_the_floor() -> None:
    rule = next(rule for rule in rules(LAPTOP) if rule.name == "the floor is kept")
    for broken, state in ((0, "holds"), (10, "holds"), (14, "undecided"), (40, "fails")):
        counts = np.zeros(50)
        counts[: broken // 2] = 3
        second = np.zeros(50)
        second[: broken - broken // 2] = 1
        found = {(f"m={m:g}: safe mixture", "broken before"): np.zeros(50) for m in LAPTOP.misled}
        found["m=0: safe mixture", "broken before"], found["m=0.5: safe mixture", "broken before"] = counts, second
        assert check_of(LAPTOP, rule, found).state == state
