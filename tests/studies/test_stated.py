"""Checks before their data: which side a value lies on, and which checks are refused."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from wayfare.errors import BadValue
from wayfare.report.statistics import mean_interval
from wayfare.studies.stated import Cast, StatedCheck, half_width, refuse_wrong_checks, seeds_interval

EARNED = {"oracle": 1.0, "chance": 0.2}


@dataclass(frozen=True)
class Rule(StatedCheck):
    best: Cast
    worst: Cast


def rule(threshold: float, kind: str = "above") -> Rule:
    return Rule("gain", "It gains", "claim", kind, threshold, "reward", {"agent": "oracle"}, {"agent": "chance"})  # type: ignore[arg-type]


def value(_: Rule, cast: Cast) -> float:
    return EARNED[cast["agent"]]


@pytest.mark.parametrize(
    ("kind", "threshold", "inside", "outside"),
    [("above", 0.5, 0.6, 0.5), ("below", 0.5, 0.4, 0.5), ("within", (0.2, 0.3), 0.2, 0.31)],
)
def test_a_value_passes_on_the_claimed_side(kind: str, threshold: float, inside: float, outside: float) -> None:
    assert rule(threshold, kind).passes(inside) and not rule(threshold, kind).passes(outside)


def test_a_check_that_the_best_pass_and_the_worst_fail_is_taken() -> None:
    refuse_wrong_checks([rule(0.5)], value)


@pytest.mark.parametrize(
    ("threshold", "told"),
    [(1.5, "passed by its best scripted players (above 1.5), got 1.0"),
     (0.1, "failed by its worst scripted players (above 0.1), got 0.2")],
)  # fmt: skip
def test_a_wrong_check_is_refused_with_its_name_and_what_the_players_got(threshold: float, told: str) -> None:
    with pytest.raises(BadValue) as refused:
        refuse_wrong_checks([rule(0.5), rule(threshold)], value)
    assert refused.value.field == "check 'gain'" and told in str(refused.value)


def test_on_data_it_holds_fails_or_is_undecided_by_its_whole_interval() -> None:
    for values, state in (([0.6, 0.7, 0.65], "holds"), ([0.1, 0.2, 0.15], "fails"), ([0.2, 0.9, 0.5], "undecided")):
        made = rule(0.5).on(seeds_interval(values), 3)
        assert made.state == state and made.n_seeds == 3 and made.unit == "reward"
    assert rule(0.5).on(seeds_interval([0.9, 0.8]), 2, "needs laptop scale").state == "untested"


def test_one_seed_says_something_of_itself_alone() -> None:
    one = seeds_interval([0.25])
    assert one.estimate == 0.25 and math.isnan(one.low) and one.n == 1 and half_width([0.25]) is None
    many = mean_interval([1.0, 2.0, 4.0])
    assert seeds_interval([1.0, 2.0, 4.0]) == many and half_width([1, 2, 4]) == (many.high - many.low) / 2
