"""Every check of the study can pass and can fail; intervals of ratios and slopes are those of a jackknife."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.report.statistics import mean_interval
from wayfare.studies.rafa import STUDY
from wayfare.studies.rafa.checks import interval_of, refuse_wrong_checks, rules, scripted
from wayfare.studies.rafa.steps import curve_steps

LAPTOP = STUDY.scales["laptop"]


def test_every_check_is_passed_by_its_best_and_failed_by_its_worst_scripted_players() -> None:
    refuse_wrong_checks(rules(LAPTOP), scripted(LAPTOP))


@pytest.mark.parametrize(("threshold", "how"), [(-1.0, "passed by its best"), (20.0, "failed by its worst")])
def test_a_threshold_that_nobody_can_reach_or_miss_is_refused(threshold: float, how: str) -> None:
    wrong = replace(next(r for r in rules(LAPTOP) if r.rule == "below"), threshold=threshold)
    with pytest.raises(BadValue, match=how):
        refuse_wrong_checks((wrong,), scripted(LAPTOP))


def test_the_thresholds_are_those_of_the_card() -> None:
    by = {rule.name: rule for rule in rules(LAPTOP)}
    claims = {name: rule.threshold for name, rule in by.items() if rule.kind == "claim"}
    assert claims == {
        "river: RAFA sampled, slope of regret": 0.6, "river: RAFA optimistic, slope of regret": 0.6,
        "grid: RAFA against open loop": 0.7, "grid: RAFA against reactive": 0.7, "grid: RAFA against reflexion": 0.7,
        "grid: the switching condition costs little": 1.1, "river: the switching condition costs little": 1.1,
        "mazes: RAFA against reactive": 5.0, "mazes: RAFA against open loop": 5.0,
        "mazes: RAFA against reflexion": 5.0, "mazes: RAFA against empty buffer": 5.0,
        "mazes: the model learns in context": 0.0,
    }  # fmt: skip


def test_the_slope_of_a_square_root_is_a_half_over_the_last_decade_alone() -> None:
    rule = next(r for r in rules(LAPTOP) if r.name == "river: RAFA sampled, slope of regret")
    steps = curve_steps(LAPTOP.river_steps).astype(np.float64)
    assert steps[-11] == LAPTOP.river_steps / 10
    early = np.where(steps < LAPTOP.river_steps / 10, 1e6, 0.0)
    curves = np.stack([c * np.sqrt(steps) + early for c in (1.0, 2.0, 3.0)])
    interval = interval_of(rule, rule.measure(lambda player, measure: curves))
    assert interval.estimate == pytest.approx(0.5) and interval.high - interval.low < 1e-6


def test_the_interval_of_a_mean_is_students_and_that_of_a_ratio_covers() -> None:
    by = {rule.name: rule for rule in rules(LAPTOP)}
    points = np.array([[3.0], [5.0], [8.0], [4.0]])
    plain = mean_interval(points[:, 0])
    found = interval_of(by["mazes: RAFA against reactive"], points)
    assert (found.low, found.high) == (pytest.approx(plain.low), pytest.approx(plain.high))
    rng, covered = np.random.default_rng(0), 0
    ratio = by["grid: RAFA against reflexion"]
    for _ in range(400):
        pairs = np.stack([rng.exponential(1.0, 30), rng.exponential(2.0, 30)], axis=1)
        interval = interval_of(ratio, pairs)
        covered += interval.low <= 0.5 <= interval.high
    assert covered / 400 > 0.9


def test_one_seed_has_no_interval() -> None:
    rule = next(r for r in rules(LAPTOP) if r.name == "mazes: RAFA against reactive")
    assert np.isnan(interval_of(rule, np.array([[7.0]])).low)
