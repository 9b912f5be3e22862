"""The estimators against cases worked by hand, all outcomes of a small world, one another and OBP's definitions."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.explore.evaluation import DecisionLog, evaluate
from wayfare.explore.evaluation.estimators import (
    clip_weights,
    direct_method,
    doubly_robust,
    importance_weights,
    ips,
    self_normalised_ips,
    switch_doubly_robust,
    switch_threshold,
)

ACTIONS = np.array([0, 1, 1, 0])
REWARDS = np.array([1.0, 2.0, 0.0, 4.0])
TARGET = np.array([[0.5, 0.5], [0.0, 1.0], [0.5, 0.5], [0.25, 0.75]])
WEIGHTS = importance_weights(TARGET, ACTIONS, np.array([0.25, 0.5, 0.5, 0.5]))
PREDICTED = np.array([[1.0, 3.0], [0.0, 1.0], [2.0, 2.0], [4.0, 0.0]])


def test_four_rows_by_hand() -> None:
    assert WEIGHTS.tolist() == [2.0, 2.0, 1.0, 0.5]
    assert ips(WEIGHTS, REWARDS).value == (2 + 4 + 0 + 2) / 4
    assert self_normalised_ips(WEIGHTS, REWARDS).value == pytest.approx(8 / 5.5)
    assert direct_method(TARGET, PREDICTED).value == (2 + 1 + 2 + 1) / 4
    robust = doubly_robust(WEIGHTS, REWARDS, ACTIONS, TARGET, PREDICTED)
    assert robust.numerator.tolist() == [2.0, 3.0, 0.0, 1.0] and robust.value == 1.5
    switched = switch_doubly_robust(WEIGHTS, REWARDS, ACTIONS, TARGET, PREDICTED, 1.0)
    assert switched.numerator.tolist() == [2.0, 1.0, 0.0, 1.0]
    assert clip_weights(WEIGHTS, 1.5).tolist() == [1.5, 1.5, 1.0, 0.5]


def test_doubly_robust_is_ips_where_the_model_says_nothing_and_the_model_where_it_errs_nowhere() -> None:
    nothing = np.zeros_like(PREDICTED)
    np.testing.assert_array_equal(
        doubly_robust(WEIGHTS, REWARDS, ACTIONS, TARGET, nothing).numerator, ips(WEIGHTS, REWARDS).numerator
    )
    exact = PREDICTED.copy()
    exact[np.arange(4), ACTIONS] = REWARDS
    np.testing.assert_array_equal(
        doubly_robust(WEIGHTS, REWARDS, ACTIONS, TARGET, exact).numerator, direct_method(TARGET, exact).numerator
    )


def test_switch_is_the_model_at_0_and_doubly_robust_above_all_weights() -> None:
    model = direct_method(TARGET, PREDICTED)
    robust = doubly_robust(WEIGHTS, REWARDS, ACTIONS, TARGET, PREDICTED)
    assert switch_doubly_robust(WEIGHTS, REWARDS, ACTIONS, TARGET, PREDICTED, 0.0).value == model.value
    assert switch_doubly_robust(WEIGHTS, REWARDS, ACTIONS, TARGET, PREDICTED, 2.0).value == robust.value


def test_over_all_logs_of_a_small_world_ips_and_doubly_robust_are_right_on_average() -> None:
    """Contexts of chance 0.3 and 0.7, two actions, coins for rewards, logs of two rows: all 64 with their chances."""
    context, behaviour = np.array([0.3, 0.7]), np.array([[0.8, 0.2], [0.4, 0.6]])
    pays, policy = np.array([[0.9, 0.5], [0.2, 0.6]]), np.array([[0.1, 0.9], [0.5, 0.5]])
    wrong = np.array([[5.0, -1.0], [0.3, 2.0]])  # a reward model that is nowhere right
    truth = float((context[:, None] * policy * pays).sum())
    found = {"chance": 0.0, "ips": 0.0, "dr": 0.0, "snips": 0.0, "clipped": 0.0, "weight": 0.0}
    one = list(itertools.product((0, 1), (0, 1), (0, 1)))
    for rows in itertools.product(one, repeat=2):
        x, a, r = (np.array(column) for column in zip(*rows, strict=True))
        chance = float(np.prod(context[x] * behaviour[x, a] * np.where(r == 1, pays[x, a], 1 - pays[x, a])))
        w = importance_weights(policy[x], a, behaviour[x, a])
        found["chance"] += chance
        found["weight"] += chance * float(w.mean())
        found["ips"] += chance * ips(w, r.astype(float)).value
        found["clipped"] += chance * ips(clip_weights(w, 1.0), r.astype(float)).value
        found["snips"] += chance * self_normalised_ips(w, r.astype(float)).value
        found["dr"] += chance * doubly_robust(w, r.astype(float), a, policy[x], wrong[x]).value
    assert found["chance"] == pytest.approx(1) and found["weight"] == pytest.approx(1)
    assert found["ips"] == pytest.approx(truth, abs=1e-12)
    assert found["dr"] == pytest.approx(truth, abs=1e-12)
    assert found["clipped"] < truth - 0.05  # what the bias of clipping looks like
    assert abs(found["snips"] - truth) > 0.01  # consistent, not unbiased


def test_the_same_as_the_open_bandit_pipeline_defines_them(draw: Callable[..., object]) -> None:
    """Its published formulas in plain loops; benchmarks/same_estimates.py asks the package itself."""
    drawn = draw(rows=300)
    log, target = drawn.log, drawn.target
    predicted = drawn.chance + 0.1 * np.sin(np.arange(900)).reshape(300, 3)
    sums = {"ips": 0.0, "weights": 0.0, "dm": 0.0, "dr": 0.0, "switch-dr": 0.0}
    tau = 1.2
    for i in range(300):
        a, r = int(log.actions[i]), float(log.rewards[i])
        w = float(target[i, a]) / float(log.propensities[i])
        baseline = sum(float(target[i, b]) * float(predicted[i, b]) for b in range(3))
        sums["ips"] += w * r
        sums["weights"] += w
        sums["dm"] += baseline
        sums["dr"] += baseline + w * (r - float(predicted[i, a]))
        sums["switch-dr"] += baseline + (w * (r - float(predicted[i, a])) if w <= tau else 0.0)
    expected = {name: sums[name] / 300 for name in ("ips", "dm", "dr", "switch-dr")}
    expected["snips"] = sums["ips"] / sums["weights"]
    for name, value in expected.items():
        options = {} if name in ("ips", "snips") else {"model": predicted}
        options |= {"switch": tau} if name == "switch-dr" else {}
        assert evaluate(log, target, name, **options).value == pytest.approx(value, abs=1e-9)


@given(st.permutations(list(range(30))), st.sampled_from(["ips", "snips", "dm", "dr", "switch-dr"]))
def test_the_order_of_the_log_does_not_matter(order: list[int], estimator: str) -> None:
    at = np.array(order)
    row = np.arange(30)
    contexts, actions = np.sin(row)[:, None], row % 3
    rewards, p = np.cos(row * 1.7), 0.2 + (row % 4) / 10
    target = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])[row % 2]
    ids = [f"d{n}" for n in row]
    log = DecisionLog(contexts, 3, actions, rewards, p, ids=tuple(ids))
    other = DecisionLog(contexts[at], 3, actions[at], rewards[at], p[at], ids=tuple(ids[n] for n in order))
    for interval in ("normal", "bootstrap"):
        first = evaluate(log, target, estimator, interval, folds=3, draws=100)
        second = evaluate(other, target[at], estimator, interval, folds=3, draws=100)
        assert second.value == pytest.approx(first.value, abs=1e-10)
        assert (second.low, second.high) == pytest.approx((first.low, first.high), abs=1e-9)


def test_the_threshold_of_switch_follows_the_error_it_avoids() -> None:
    """Rare huge weights are left to the model where little is at stake, and kept where much is."""
    n = 2000
    weights = np.where(np.arange(n) % 500 == 0, 50.0, 0.9)
    noise = np.where(np.arange(n) % 1000 == 0, 1.0, -1.0)
    target, predicted = np.ones((n, 1)), np.full((n, 1), 0.5)
    actions = np.zeros(n, dtype=np.int64)
    rewards = 0.5 + 10 * noise
    assert switch_threshold(weights, rewards, actions, target, predicted, span=0.01) < 50
    assert switch_threshold(weights, rewards, actions, target, predicted, span=1e6) == 50
    assert switch_threshold(np.zeros(n), rewards, actions, target, predicted, span=1.0) == np.inf


def test_what_makes_no_estimate_is_refused() -> None:
    with pytest.raises(BadValue, match="weight 0 in every row"):
        self_normalised_ips(np.zeros(4), REWARDS)
    with pytest.raises(BadValue, match="clip must be above 0"):
        clip_weights(WEIGHTS, 0.0)
    with pytest.raises(BadValue, match="switch must be at least 0"):
        switch_doubly_robust(WEIGHTS, REWARDS, ACTIONS, TARGET, PREDICTED, -1.0)
