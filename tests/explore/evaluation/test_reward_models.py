"""Reward models: a ridge by action equal to its normal equations, and predictions that never saw their own row."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.evaluation import DecisionLog, Ridge, cross_fitted
from wayfare.explore.evaluation.reward_models import deal


def _log(rows: int = 60, contexts: bool = True) -> DecisionLog:
    stream, row = Stream(0, "models"), np.arange(rows)
    x = stream.normal(0, row, np.arange(2)[:, None]).T * [1.0, 40.0] + [3.0, -7.0]
    actions = stream.integers(3, 1, row)
    rewards = 2.0 + actions * x[:, 0] - 0.1 * x[:, 1]
    return DecisionLog(x if contexts else None, 3, actions, rewards, np.full(rows, 1 / 3))


def test_a_ridge_for_each_action_solves_its_normal_equations() -> None:
    log = _log()
    found = Ridge(0.5).predictions(log.features, log.actions, log.rewards, log.features[:5], 3)
    x = log.features / log.features.std(axis=0)
    for action in range(3):
        rows = log.actions == action
        design = np.hstack([x[rows], np.ones((rows.sum(), 1))])
        theta = np.linalg.solve(design.T @ design + 0.5 * np.diag([1.0, 1.0, 0.0]), design.T @ log.rewards[rows])
        np.testing.assert_allclose(found[:, action], x[:5] @ theta[:2] + theta[2], atol=1e-9)


def test_the_unit_of_a_context_does_not_matter_and_an_untaken_action_gets_the_mean() -> None:
    log = _log()
    model = Ridge()
    first = model.predictions(log.features, log.actions, log.rewards, log.features, 4)
    other = model.predictions(log.features * 1000, log.actions, log.rewards, log.features * 1000, 4)
    np.testing.assert_allclose(first, other, atol=1e-9)
    assert first[:, 3] == pytest.approx(log.rewards.mean())


def test_without_contexts_each_action_is_predicted_its_mean_in_the_other_folds() -> None:
    log = _log(contexts=False)
    predicted, fold = cross_fitted(log, folds=4), deal(log, 4)
    for row in (0, 17, 59):
        for action in range(3):
            others = (fold != fold[row]) & (log.actions == action)
            assert predicted[row, action] == pytest.approx(log.rewards[others].mean())


def test_a_row_s_own_reward_never_reaches_its_prediction() -> None:
    log = _log()
    changed = np.array(log.rewards)
    changed[11] += 1e6
    other = DecisionLog(log.contexts, 3, log.actions, changed, log.propensities)
    for model in (Ridge(), LinearRegression()):
        before, after = cross_fitted(log, model), cross_fitted(other, model)
        same = (before == after).all(axis=1)
        assert same[deal(log, 5) == deal(log, 5)[11]].all() and not same[deal(log, 5) != deal(log, 5)[11]].any()


def test_a_model_of_the_user_sees_context_and_action_and_is_not_fitted_itself() -> None:
    log = _log()
    linear = LinearRegression()
    predicted, fold = cross_fitted(log, linear, folds=3), deal(log, 3)
    assert not hasattr(linear, "coef_")
    design = np.hstack([log.features, np.eye(3)[log.actions]])
    mine = LinearRegression().fit(design[fold != 0], log.rewards[fold != 0])
    row = int(np.flatnonzero(fold == 0)[0])
    expected = mine.predict(np.hstack([np.tile(log.features[row], (3, 1)), np.eye(3)]))
    np.testing.assert_allclose(predicted[row], expected, atol=1e-9)


def test_folds_are_even_and_follow_the_ids_whatever_the_order() -> None:
    log = _log(61)
    fold = deal(log, 4, seed=3)
    assert sorted(np.bincount(fold).tolist()) == [15, 15, 15, 16]
    back = slice(None, None, -1)
    other = DecisionLog(
        log.contexts[back], 3, log.actions[back], log.rewards[back], log.propensities[back], ids=log.ids[::-1]
    )
    np.testing.assert_array_equal(deal(other, 4, seed=3), fold[::-1])
    assert (deal(log, 4, seed=4) != fold).any()


class _Broken:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def fit(self, x: np.ndarray, y: np.ndarray) -> None: ...

    def predict(self, x: np.ndarray) -> object:
        return self.answer


def test_models_and_folds_that_cannot_be_are_refused() -> None:
    log = _log()
    with pytest.raises(BadValue, match="folds must be an integer from 2 to 60"):
        cross_fitted(log, folds=1)
    with pytest.raises(BadValue, match="ridge must be above 0"):
        Ridge(0.0)
    with pytest.raises(BadValue, match="model must be an object with fit"):
        cross_fitted(log, object())  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="got 'shape"):
        cross_fitted(log, _Broken(np.zeros((2, 2))))
    with pytest.raises(BadValue, match="not finite"):
        cross_fitted(log, _Broken(np.full(12, np.nan)))
