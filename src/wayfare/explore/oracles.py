"""Regression oracles: predictors of the reward of each action, fitted to a log as a whole, for policies that are
refitted in batches.

    oracle = LogisticOracle(actions=6).fit(x, a, y)             # rows of a log: context, action, reward
    Scores(oracle.scores(x_now))                                # evidence for SquareCB, FastCB, softmax, ...

    RidgeOracle       linear least squares, one regression an action
    LogisticOracle    logistic regression, one an action: chances of success
    EstimatorOracle   any estimator with scikit-learn's `fit(X, y)` and `predict(X)` or `predict_proba(X)`

Exploration is a function of the scores alone, so that any oracle goes with any rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.errors import BadValue

__all__ = ["EstimatorOracle", "LogisticOracle", "Oracle", "RidgeOracle"]

Floats = NDArray[np.float64]
NEWTON = 100
"""Newton steps at most; a logistic regression with a ridge takes less than ten."""


class Oracle(Protocol):
    """actions: A"""

    actions: int

    def fit(self, x: ArrayLike, a: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None) -> Self:
        """x: [N, D] contexts    a: [N] int, the actions taken    y: [N] their rewards    weight: [N] of the rows

        What was fitted before is forgotten.
        """
        ...

    def scores(self, x: ArrayLike) -> Floats:
        """x: [N, D] -> [N, A] predicted rewards."""
        ...


class RidgeOracle:
    """theta_a = (sum w x x' + ridge I)^-1 sum w x y over the rows of action a, x with a constant; score theta_a . x.

    An action without rows has score 0.
    Raises: BadValue for fewer than one action, or a ridge that is not above 0.
    """

    def __init__(self, actions: int, ridge: float = 1.0) -> None:
        if not 0 < ridge < float("inf"):
            raise BadValue("ridge", ridge, "above 0 and finite")
        self.actions, self.ridge = _whole(actions), float(ridge)

    def fit(self, x: ArrayLike, a: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None) -> Self:
        """See `Oracle`. Raises: BadValue for rows that do not fit together."""
        shown, taken, rewards, weights = _rows(x, a, y, weight, self.actions)
        shown = np.concatenate([shown, np.ones((len(shown), 1))], axis=1)
        self._theta = np.zeros((self.actions, shown.shape[1]))
        for action in range(self.actions):
            rows = taken == action
            self._theta[action] = self._one(shown[rows], rewards[rows], weights[rows])
        return self

    def scores(self, x: ArrayLike) -> Floats:
        """See `Oracle`."""
        theta = _fitted(self, "_theta")
        return np.asarray(_contexts(x, theta.shape[1] - 1) @ theta[:, :-1].T + theta[:, -1])

    def _one(self, x: Floats, y: Floats, w: Floats) -> Floats:
        """theta of one action's rows; x: [n, D+1]"""
        return np.asarray(np.linalg.solve((x.T * w) @ x + self.ridge * np.eye(x.shape[1]), x.T @ (w * y)))


class LogisticOracle(RidgeOracle):
    """Chance of success 1 / (1 + exp(-theta_a . x)); theta_a minimises the log loss of the rows of action a, weighted,
    plus ridge |theta_a|^2 / 2, by Newton's method. An action without rows has score 1/2. Rewards lie in 0 to 1.

    Raises: as `RidgeOracle`, and in `fit` for rewards out of range.
    """

    def fit(self, x: ArrayLike, a: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None) -> Self:
        """See `Oracle`."""
        rewards = np.asarray(y, dtype=np.float64)
        if rewards.size and not (rewards.min() >= 0 and rewards.max() <= 1):
            raise BadValue("y", [float(rewards.min()), float(rewards.max())], "between 0 and 1")
        return super().fit(x, a, y, weight)

    def scores(self, x: ArrayLike) -> Floats:
        """See `Oracle`."""
        return _chance(super().scores(x))

    def _one(self, x: Floats, y: Floats, w: Floats) -> Floats:
        theta, ridge = np.zeros(x.shape[1]), self.ridge
        loss = _log_loss(theta, x, y, w, ridge)
        for _ in range(NEWTON):
            p = _chance(x @ theta)
            slope = x.T @ (w * (p - y)) + ridge * theta
            step = np.linalg.solve((x.T * (w * p * (1.0 - p))) @ x + ridge * np.eye(len(theta)), slope)
            length = 1.0
            while (found := _log_loss(theta - length * step, x, y, w, ridge)) > loss and length > 1e-8:
                length /= 2.0
            if found > loss:
                break
            theta, fall, loss = theta - length * step, loss - found, found
            if fall <= 1e-12 * (1.0 + loss):
                break
        return theta


class EstimatorOracle:
    """Any estimator of scikit-learn's kind: trees, boosting, networks, pipelines.

    make: gives a new estimator, for instance `lambda: HistGradientBoostingClassifier(random_state=0)`. One that has
        `predict_proba` is fitted to labels 0 and 1 and gives the chance of 1, any other is a regression.
    actions: A
    design: `apart`: an estimator for each action; `joined`: one for all, shown the context and the action one-hot

    An action without rows (`apart`) is given the mean of all rewards. Where a classifier has seen one label only it is
    not fitted: it is taken to say the mean of its rows and one more row, whose reward is the mean of all.

    Raises: BadValue for fewer than one action or another design, and in `fit` for labels of a classifier other than 0
    and 1.
    """

    def __init__(self, make: Callable[[], Any], actions: int, design: Literal["apart", "joined"] = "apart") -> None:
        if design not in ("apart", "joined"):
            raise BadValue("design", design, "'apart' or 'joined'")
        self.actions, self.make, self.design = _whole(actions), make, design

    def fit(self, x: ArrayLike, a: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None) -> Self:
        """See `Oracle`. `weight` is handed on as `sample_weight` where it is given."""
        rows, taken, rewards, weights = _rows(x, a, y, weight, self.actions)
        overall = float(np.average(rewards, weights=weights)) if len(rewards) else 0.0
        groups = [taken == action for action in range(self.actions)]
        if self.design == "joined":
            rows, groups = np.concatenate([rows, np.eye(self.actions)[taken]], axis=1), [np.ones(len(rows), dtype=bool)]
        self._width = rows.shape[1] - (self.actions if self.design == "joined" else 0)
        self._parts = [
            self._part(rows[g], rewards[g], weights[g] if weight is not None else None, overall) for g in groups
        ]
        return self

    def scores(self, x: ArrayLike) -> Floats:
        """See `Oracle`."""
        parts = _fitted(self, "_parts")
        shown = _contexts(x, self._width)
        if self.design == "apart":
            return np.stack([_predicted(part, shown) for part in parts], axis=1)
        every = np.repeat(np.eye(self.actions), len(shown), axis=0)
        wide = np.concatenate([np.tile(shown, (self.actions, 1)), every], axis=1)
        return _predicted(parts[0], wide).reshape(self.actions, len(shown)).T.copy()

    def _part(self, x: Floats, y: Floats, w: Floats | None, overall: float) -> Any:
        """A fitted estimator, or the number that stands for one."""
        if not len(y):
            return overall
        estimator = self.make()
        if hasattr(estimator, "predict_proba"):
            strange = y[(y != 0) & (y != 1)]
            if strange.size:
                raise BadValue("y", float(strange[0]), "0 or 1, the labels of a classifier")
            if y.min() == y.max():
                return (float(y.sum()) + overall) / (len(y) + 1.0)
            y = y.astype(np.int64)
        return estimator.fit(x, y) if w is None else estimator.fit(x, y, sample_weight=w)


def _predicted(part: Any, x: Floats) -> Floats:
    if isinstance(part, float):
        return np.full(len(x), part)
    if hasattr(part, "predict_proba"):
        return np.asarray(part.predict_proba(x), dtype=np.float64)[:, list(part.classes_).index(1)]
    return np.asarray(part.predict(x), dtype=np.float64).reshape(len(x))


def _chance(logit: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logit)))


def _log_loss(theta: Floats, x: Floats, y: Floats, w: Floats, ridge: float) -> float:
    logit = x @ theta
    return float(w @ (np.logaddexp(0.0, logit) - y * logit) + 0.5 * ridge * theta @ theta)


def _whole(actions: int) -> int:
    if isinstance(actions, bool) or not isinstance(actions, int) or actions < 1:
        raise BadValue("actions", actions, "an integer of at least 1")
    return actions


def _fitted(oracle: object, field: str) -> Any:
    if not hasattr(oracle, field):
        raise BadValue("oracle", type(oracle).__name__, "fitted first")
    return getattr(oracle, field)


def _contexts(x: ArrayLike, width: int | None = None) -> Floats:
    shown = np.asarray(x, dtype=np.float64)
    if shown.ndim != 2 or (width is not None and shown.shape[1] != width):
        raise BadValue("x", list(shown.shape), f"of shape [N, {'D' if width is None else width}]")
    if not np.isfinite(shown).all():
        raise BadValue(f"x[{int(np.argwhere(~np.isfinite(shown))[0, 0])}]", "NaN or infinite", "finite")
    return shown


def _rows(
    x: ArrayLike, a: ArrayLike, y: ArrayLike, weight: ArrayLike | None, actions: int
) -> tuple[Floats, NDArray[np.int64], Floats, Floats]:
    shown, taken, rewards = _contexts(x), np.asarray(a), np.asarray(y, dtype=np.float64)
    weights = np.ones(len(shown)) if weight is None else np.asarray(weight, dtype=np.float64)
    if taken.size and taken.dtype.kind not in "iu":
        raise BadValue("a", f"an array of {taken.dtype}", "of integers")
    for field, column in (("a", taken), ("y", rewards), ("weight", weights)):
        if column.shape != (len(shown),):
            raise BadValue(field, list(column.shape), f"of shape [{len(shown)}], as many as x has rows")
    for field, wrong, rule, column in (
        ("a", (taken < 0) | (taken >= actions), f"from 0 to {actions - 1}", taken),
        ("y", ~np.isfinite(rewards), "finite", rewards),
        ("weight", ~(np.isfinite(weights) & (weights >= 0)), "finite and at least 0", weights),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise BadValue(f"{field}[{row}]", column[row].item(), rule)
    return shown, taken.astype(np.int64), rewards, weights
