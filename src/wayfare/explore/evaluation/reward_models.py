"""Predicted rewards of every action in every row of a log, each row by a model that has not seen it.

    predicted = cross_fitted(log)                                   # a ridge regression for each action
    predicted = cross_fitted(log, GradientBoostingRegressor())      # anything with fit(X, y) and predict(X)

A model of yours sees X [n, D + A], the context beside the action as one column of 0 and 1 each. Rows are dealt into K
folds by a hash of their ids: the predictions do not depend on the order of the log.

Source of cross-fitting: Chernozhukov et al. 2018, "Double/debiased machine learning", definition 3.1.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.evaluation.log import DecisionLog

__all__ = ["Regressor", "Ridge", "cross_fitted", "deal"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Regressor(Protocol):
    """The face that scikit-learn's regressors have. It is copied for each fold; the one given is never fitted."""

    def fit(self, X: Any, y: Any) -> Any:
        """X: [n, D + A], y: [n]"""
        ...

    def predict(self, X: Any) -> Any:
        """X: [m, D + A] -> [m]"""
        ...


class Identified(Protocol):
    """A log whose rows have ids."""

    @property
    def ids(self) -> Sequence[str]: ...

    def __len__(self) -> int: ...


class Ridge:
    """For each action a ridge regression of the reward on the context, with a constant that is not shrunk.

    Contexts are scaled to variance 1 first, so that `ridge` has the same meaning in any unit. An action that was never
    taken is predicted the mean of all rewards; without contexts each action is predicted its mean.

    ridge: penalty, above 0, in rows
    """

    def __init__(self, ridge: float = 1.0) -> None:
        if not 0 < ridge < float("inf"):
            raise BadValue("ridge", ridge, "above 0 and finite")
        self.ridge = ridge

    def __repr__(self) -> str:
        return f"Ridge({self.ridge:g})"

    def predictions(self, x: Floats, actions: Integers, rewards: Floats, wanted: Floats, width: int) -> Floats:
        """Fitted on x [n, D], actions, rewards [n]; of the rows wanted [m, D] -> [m, A]."""
        spread = x.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        x, wanted = x / spread, wanted / spread
        predicted = np.full((len(wanted), width), rewards.mean())
        for action in np.unique(actions):
            rows = actions == action
            middle, mean = x[rows].mean(axis=0), rewards[rows].mean()
            centred = x[rows] - middle
            gram = centred.T @ centred + self.ridge * np.eye(x.shape[1])
            slope = np.linalg.solve(gram, centred.T @ (rewards[rows] - mean)) if x.shape[1] else np.zeros(0)
            predicted[:, action] = mean + (wanted - middle) @ slope
        return predicted


def cross_fitted(log: DecisionLog, model: Ridge | Regressor | None = None, *, folds: int = 5, seed: int = 0) -> Floats:
    """[N, A] predicted rewards, each row by a model fitted on the other folds.

    model: None: `Ridge()`
    folds: K, at least 2 and at most N

    Raises: BadValue for folds out of range, and for a model whose predictions are not finite or of another shape.
    """
    model = Ridge() if model is None else model
    fold = deal(log, folds, seed)
    predicted = np.zeros(log.shape)
    for k in range(folds):
        here, there = fold == k, fold != k
        if isinstance(model, Ridge):
            x, a, r = log.features[there], log.actions[there], log.rewards[there]
            predicted[here] = model.predictions(x, a, r, log.features[here], log.shape[1])
        else:
            predicted[here] = _of_regressor(model, log, there, here)
    return predicted


def deal(log: Identified, folds: int, seed: int = 0) -> Integers:
    """[N] fold of each row, 0 .. K-1, of sizes that differ by one at most; by the rows' ids alone.

    Raises: BadValue for a log of one decision, or unless 2 <= folds <= N.
    """
    if len(log) < 2:
        raise BadValue("log", f"{len(log)} decision", "at least 2, of which one is predicted from the other")
    if isinstance(folds, bool) or not isinstance(folds, (int, np.integer)) or not 2 <= folds <= len(log):
        raise BadValue("folds", folds, f"an integer from 2 to {len(log)}, the rows of the log")
    names = np.array([crc32(name.encode()) for name in log.ids], dtype=np.int64)
    backwards = np.array([crc32(name[::-1].encode()) for name in log.ids], dtype=np.int64)
    place = np.lexsort((np.array(log.ids), Stream(seed, "folds").uniform(names, backwards)))
    fold = np.empty(len(log), dtype=np.int64)
    fold[place] = np.arange(len(log)) % folds
    return fold


def _of_regressor(model: Regressor, log: DecisionLog, there: NDArray[np.bool_], here: NDArray[np.bool_]) -> Floats:
    if not (hasattr(model, "fit") and hasattr(model, "predict")):
        raise BadValue("model", type(model).__name__, "an object with fit(X, y) and predict(X), or predictions [N, A]")
    fitted = copy.deepcopy(model)
    one_hot = np.eye(log.shape[1])
    fitted.fit(np.hstack([log.features[there], one_hot[log.actions[there]]]), log.rewards[there])
    rows = int(here.sum())
    predicted = np.zeros((rows, log.shape[1]))
    for action in range(log.shape[1]):
        same = np.broadcast_to(one_hot[action], (rows, log.shape[1]))
        told = np.asarray(fitted.predict(np.hstack([log.features[here], same])), dtype=np.float64)
        if told.shape != (rows,) or not np.isfinite(told).all():
            shown = f"shape {list(told.shape)}" if told.shape != (rows,) else "predictions that are not finite"
            raise BadValue("model", shown, f"one whose predict gives {rows} finite numbers for {rows} rows")
        predicted[:, action] = told
    return predicted
