"""What a log can tell of a target: weights, overlap, and propensities that are what they say."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from wayfare.explore.evaluation import DecisionLog, calibration, effective_sample_size, no_overlap
from wayfare.explore.evaluation.diagnostics import mean_and_z


def test_the_effective_sample_size_counts_equal_weights_and_nothing_else() -> None:
    assert effective_sample_size(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_sample_size(np.array([5.0, 0.0, 0.0])) == 1
    assert effective_sample_size(np.array([1.0, 3.0])) == 16 / 10
    assert effective_sample_size(np.zeros(3)) == 0


def test_calibration_by_hand() -> None:
    log = DecisionLog(None, 3, [0, 1, 2, 0], np.zeros(4), [0.5, 0.25, 0.25, 0.5])
    found = calibration(log)
    assert found is not None
    assert (found.inverse, found.allowed) == (3.0, 3.0) and found.z == 0.0
    other = calibration(DecisionLog(None, 2, [0, 1, 1, 0], np.zeros(4), [0.5, 0.25, 0.25, 0.5]))
    assert other is not None
    assert other.z == pytest.approx(1.0 / math.sqrt(4 / 3 / 4))
    uniform = calibration(DecisionLog(None, 3, [0, 1, 2], np.zeros(3), [1 / 3, 1 / 3, 1 / 3]))
    assert uniform is not None and uniform.z == 0.0
    wrong = calibration(DecisionLog(None, 2, [0, 1], np.zeros(2), [1 / 3, 1 / 3]))
    assert wrong is not None and wrong.z == math.inf
    assert calibration(DecisionLog(None, 2, [0, 1], np.zeros(2), None)) is None


def test_calibration_is_a_test_of_its_size_and_finds_floored_and_foreign_propensities(
    draw: Callable[..., object],
) -> None:
    z = [calibration(draw(rows=400, copy=copy).log).z for copy in range(300)]
    assert abs(np.mean(z)) < 0.25 and 0.8 < np.std(z) < 1.2
    drawn = draw(rows=4000)
    log = drawn.log
    for wrong in (np.maximum(log.propensities, 0.3), drawn.target[np.arange(4000), log.actions]):
        other = DecisionLog(log.contexts, log.allowed, log.actions, log.rewards, wrong)
        assert abs(calibration(other).z) > 4


def test_overlap_is_missing_where_the_log_shows_that_an_action_could_not_be_taken() -> None:
    allowed = np.array([[True, True, True]] * 3 + [[True, True, False]])
    log = DecisionLog(None, allowed, [0, 1, 0, 1], np.zeros(4), [0.5, 0.5, 1.0, 0.5])
    assert no_overlap(log, np.array([[0.5, 0.5, 0.0]] * 4)) == 0.25  # row 2: action 0 was certain
    assert no_overlap(log, np.array([[1.0, 0.0, 0.0]] * 4)) == 0.0
    assert no_overlap(log, np.array([[0.5, 0.0, 0.5]] * 3 + [[0.5, 0.5, 0.0]])) == 0.75  # action 2 was never taken
    without = DecisionLog(None, allowed, [0, 1, 0, 1], np.zeros(4), None)
    assert no_overlap(without, np.array([[0.5, 0.5, 0.0]] * 4)) == 0.0


def test_agreement_to_rounding_is_no_deviation() -> None:
    assert mean_and_z(np.full(5, 0.1) * 3, 0.3) == (pytest.approx(0.3), 0.0)
    assert mean_and_z(np.array([1.0]), 0.0)[1] == math.inf
