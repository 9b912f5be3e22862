"""Outcome statistics of tasks: windows over visits, when a task is known, and graded rewards."""

from __future__ import annotations

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.explore.outcomes import OutcomeStatistics


def test_a_task_is_known_from_eight_observations_on():
    table = OutcomeStatistics()
    table.record("a", [1, 0, 0, 0, -1, 0, 0])
    assert np.isnan(table.chance(["a", "b"])).all()
    table.record("a", [1])
    assert table.chance(["a"])[0] == 0.25
    assert table.observations(["a", "b"]).tolist() == [8, 0]


def test_a_long_newest_visit_counts_alone_and_short_ones_pool_the_latest_sixteen():
    table = OutcomeStatistics()
    table.record(1, [0] * 20)
    table.record(1, [1] * 15 + [0] * 17)
    assert table.chance([1])[0] == pytest.approx(15 / 32)
    table.record(1, [1] * 4)
    assert table.chance([1])[0] == pytest.approx(4 / 16)
    for _ in range(3):
        table.record(1, [1] * 4)
    assert table.chance([1])[0] == 1.0


def test_smoothing_keeps_estimates_off_the_ends():
    table = OutcomeStatistics(smoothing=1.0)
    table.record(1, [0] * 16)
    assert table.chance([1])[0] == pytest.approx(1 / 18)


def test_graded_rewards_need_a_threshold_and_missing_ones_are_left_out():
    with pytest.raises(BadValue, match="threshold"):
        OutcomeStatistics().record(1, [0.5])
    table = OutcomeStatistics(threshold=0.5, enough=2)
    table.record(1, [0.5, 0.9, float("nan")])
    assert table.chance([1])[0] == 0.5
    table.record(2, [float("nan")])
    assert len(table) == 1


def test_a_batch_is_recorded_by_group_whatever_the_order_of_its_rows():
    table = OutcomeStatistics(enough=1)
    table.record_groups(["x", "y"], np.array([1, 0, 1, 1]), np.array([1.0, 0.0, 0.0, 1.0]))
    assert table.chance(["x", "y"]).tolist() == [0.0, pytest.approx(2 / 3)]
    with pytest.raises(BadValue, match="group_id"):
        table.record_groups(["x"], np.array([1]), np.array([1.0]))
    with pytest.raises(BadValue, match="reward"):
        table.record_groups(["x", "y"], np.array([0, 1]), np.array([1.0, 0.5]))
    assert table.observations(["x", "y"]).tolist() == [1, 3]


def test_a_stream_of_new_tasks_shows_as_none_returning():
    table = OutcomeStatistics()
    for key in range(10):
        table.record(key, [1, 0])
    assert table.returning == 0.0
    table.record(3, [1, 0])
    assert table.returning == pytest.approx(1 / 11)


def test_state_goes_round():
    one, two = OutcomeStatistics(), OutcomeStatistics()
    one.record("a", [1] * 20)
    one.record(3, [0, 1] * 5)
    two.load_state_dict(one.state_dict())
    for table in (one, two):
        table.record("a", [0] * 2)
    assert one.state_dict() == two.state_dict()
    assert two.chance(["a", 3]).tolist() == [14 / 16, 0.5]
