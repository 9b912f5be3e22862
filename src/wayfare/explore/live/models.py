"""What a live bandit learns of its actions: the evidence that an action rule decides by, one reward at a time.

    ArmCounts     pulls and sums of each action, whatever the context: for UCB1, Thompson sampling, the indices
    RidgeScores   a ridge regression of the reward on the context for each action: for softmax, inverse gap weighting

A model of your own needs the four methods of `Model`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import ArmTable, Evidence, Scores

__all__ = ["ArmCounts", "Model", "RidgeScores"]

Floats = NDArray[np.float64]


class Model(Protocol):
    """dimension: D, numbers in a context; 0: it takes none."""

    dimension: int

    def evidence(self, context: Floats) -> Evidence:
        """context: [D] -> evidence over all A actions."""
        ...

    def learn(self, context: Floats, action: int, reward: float) -> None:
        """One reward of one action in its context [D]."""
        ...

    def state(self) -> dict[str, Floats]:
        """All that was learned, as arrays."""
        ...

    def restore(self, state: dict[str, Floats]) -> None:
        """Go on from what `state` gave."""
        ...


class ArmCounts:
    """Pulls, sums and sums of squares of A actions."""

    dimension = 0

    def __init__(self, actions: int) -> None:
        self._table = np.zeros((3, actions))

    def evidence(self, context: Floats) -> ArmTable:
        """See `Model`."""
        counts, sums, squares = self._table.copy()  # evidence is never changed in place
        return ArmTable(counts, sums, squares)

    def learn(self, context: Floats, action: int, reward: float) -> None:
        """See `Model`."""
        self._table[:, action] += (1.0, reward, reward * reward)

    def state(self) -> dict[str, Floats]:
        """table: [3, A]"""
        return {"table": self._table.copy()}

    def restore(self, state: dict[str, Floats]) -> None:
        """See `Model`."""
        self._table = _like("table", state, self._table)


class RidgeScores:
    """Predicted rewards: for each action a ridge regression on the context and a constant.

    theta_a = (sum x x' + ridge I)^-1 sum r x,     x = (context, 1)

    The inverse is kept by rank-one updates (Sherman & Morrison 1950) in O(D^2), made symmetric at each.

    actions: A        dimension: D        ridge: above 0
    """

    def __init__(self, actions: int, dimension: int, ridge: float = 1.0) -> None:
        if dimension < 1:
            raise BadValue("dimension", dimension, "at least 1")
        if not 0 < ridge < float("inf"):
            raise BadValue("ridge", ridge, "above 0 and finite")
        self.dimension = dimension
        self._inverse = np.broadcast_to(np.eye(dimension + 1) / ridge, (actions, dimension + 1, dimension + 1)).copy()
        self._sums = np.zeros((actions, dimension + 1))
        self._weights = np.zeros((actions, dimension + 1))

    def evidence(self, context: Floats) -> Scores:
        """See `Model`: predicted rewards [A]."""
        return Scores(self._weights @ np.append(context, 1.0))

    def learn(self, context: Floats, action: int, reward: float) -> None:
        """See `Model`."""
        x = np.append(context, 1.0)
        inverse = self._inverse[action]
        seen = inverse @ x
        inverse -= np.outer(seen, seen) / (1.0 + x @ seen)
        inverse += inverse.T.copy()
        inverse *= 0.5
        self._sums[action] += reward * x
        self._weights[action] = inverse @ self._sums[action]

    def state(self) -> dict[str, Floats]:
        """inverse: [A, D+1, D+1]    sums: [A, D+1]"""
        return {"inverse": self._inverse.copy(), "sums": self._sums.copy()}

    def restore(self, state: dict[str, Floats]) -> None:
        """See `Model`."""
        inverse, sums = _like("inverse", state, self._inverse), _like("sums", state, self._sums)
        self._inverse, self._sums = inverse, sums
        self._weights = np.stack([a @ b for a, b in zip(inverse, sums, strict=True)])


def _like(name: str, state: dict[str, Floats], now: Floats) -> Floats:
    kept = np.asarray(state.get(name, ()), dtype=np.float64)
    if kept.shape != now.shape:
        raise BadValue(name, list(kept.shape), f"of shape {list(now.shape)}")
    return kept.copy()
