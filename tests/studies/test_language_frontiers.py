"""Comparisons at equal pass@1, by time, and the choice of the deciding baseline."""

from __future__ import annotations

import numpy as np
import pytest

from tests.studies.language_players import run_of
from wayfare.errors import BadValue
from wayfare.studies.language_frontiers import (
    at_equal_pass1,
    common_levels,
    deciding,
    frontier,
    paired,
    pass_sum,
    restricted_times,
    time_to,
)


def test_a_frontier_is_the_best_that_is_left_at_each_level() -> None:
    run = run_of([0.1, 0.3, 0.2, 0.4], [0.9, 0.8, 0.95, 0.6])
    found = frontier(run, 64, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert found[:4] == pytest.approx([0.95, 0.95, 0.8, 0.6], abs=0.03) and np.isnan(found[4])
    assert (np.diff(frontier(run, 64, np.linspace(0.1, 0.4, 50))) <= 1e-12).all()


def test_an_arm_that_keeps_what_another_loses_is_ahead_at_equal_pass1_however_far_each_went() -> None:
    loses, keeps = run_of([0.1, 0.2, 0.3], [0.9, 0.7, 0.5]), run_of([0.1, 0.15, 0.2], [0.9, 0.9, 0.9])
    levels = common_levels(loses, keeps)
    assert levels is not None and (levels[0], levels[-1]) == pytest.approx((0.1, 0.2))
    assert at_equal_pass1(keeps, loses, 64) == pytest.approx(0.1, abs=0.01)
    assert at_equal_pass1(loses, keeps, 64) == -at_equal_pass1(keeps, loses, 64)
    assert at_equal_pass1(keeps, keeps, 64) == 0


def test_where_an_arm_never_rises_nothing_is_compared() -> None:
    falls = run_of([0.1, 0.05], [0.9, 0.9])
    assert np.isnan(at_equal_pass1(falls, run_of([0.1, 0.3], [0.9, 0.5]), 64))


def test_times_are_on_the_line_between_evaluations_and_censored_at_the_budget() -> None:
    run = run_of([0.1, 0.2, 0.4], [0.9, 0.9, 0.9])
    assert time_to(run, 0.3, 200) == (150, True)
    assert time_to(run, 0.3, 120) == (120, False)
    assert time_to(run, 0.5, 200) == (200, False)
    assert time_to(run, 0.05, 200) == (0, True)
    with pytest.raises(BadValue, match="budget"):
        time_to(run, 0.3, 201)
    slow = run_of([0.1, 0.1, 0.1], [0.9, 0.9, 0.9], seed=1)
    assert restricted_times([run, slow], 0.3, 200).tolist() == [150, 200]


def test_the_deciding_baseline_is_the_best_on_the_same_seeds() -> None:
    fast = [run_of([0.1, 0.4], [0.9, 0.3], arm="fast", seed=seed) for seed in (100, 101)]
    slow = [run_of([0.1, 0.2], [0.9, 0.85], arm="slow", seed=seed) for seed in (100, 101)]
    assert deciding({"fast": fast, "slow": slow}) == "slow"
    assert deciding({"fast": fast, "slow": slow}, lambda run: run.end("pass@1")) == "fast"
    assert pass_sum(slow[0], tokens=50) == pytest.approx(0.15 + 0.875)
    with pytest.raises(BadValue, match="seeds of slow"):
        deciding({"fast": fast, "slow": slow[:1]})
    with pytest.raises(BadValue, match="tuning"):
        deciding({})


def test_pairs_are_of_one_seed() -> None:
    a, b = [run_of([0.1, 0.3], [0.9, 0.9], seed=1)], [run_of([0.1, 0.2], [0.9, 0.9], seed=2)]
    assert paired(a, a, lambda x, y: x.end("pass@1") - y.end("pass@1")).tolist() == [0]
    with pytest.raises(BadValue, match="seeds"):
        paired(a, b, lambda x, y: 0.0)
