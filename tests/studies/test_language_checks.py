"""The checks of the nine studies of language RL can all be passed, failed and decided, by players without a model.

What is special about a study's checks is tested beside it.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest

from tests.studies.language_players import STUDIES, Case
from wayfare.errors import BadValue


def case_of(package: str) -> Case:
    found: Case = import_module(f"tests.studies.{package}.test_checks").case()
    return found


@pytest.mark.parametrize("package", STUDIES)
def test_every_check_is_passed_by_its_best_and_failed_by_its_worst_scripted_players(package: str) -> None:
    case = case_of(package)
    case.refuse(case.asked)
    assert case.asked[0].kind == "instrument", "where it does not hold nothing is tested"
    assert [rule.name for rule in case.asked if rule.kind == "claim"] == list(case.claims)
    rule = next(each for each in case.asked if each.kind == "claim")
    for threshold, whom in ((1e9, "best"), (-1e9, "worst")):  # that nobody reaches, and that nobody fails
        with pytest.raises(BadValue, match=f"{whom} scripted players") as refused:
            case.refuse([replace(rule, threshold=threshold if rule.rule == "above" else -threshold)])
        assert refused.value.field == f"check '{rule.name}'"


@pytest.mark.parametrize("package", STUDIES)
def test_intervals_decide_as_the_scripted_players_say(package: str) -> None:
    """The whole way to a verdict, over several seeds."""
    case = case_of(package)
    for rule in case.asked:
        for cast, state in ((rule.best, "holds"), (rule.worst, "fails")):
            runs = {arm: [replace(case.player(script), seed=seed) for seed in range(case.seeds)]
                    for arm, script in cast.items()}  # fmt: skip
            assert not cast or case.check_of(rule, runs).state == state, rule.name
