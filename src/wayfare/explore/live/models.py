"""What a live bandit learns of its actions: the evidence that an action rule decides by, one reward at a time.

    ArmCounts     pulls and sums of each action, whatever the context: for UCB1, Thompson sampling, the indices
    RidgeScores   a ridge regression of the reward on the context for each action: for softmax, inverse gap weighting
    RidgeTable    the same with how much is known: for LinUCB, linear Thompson
    WeightedSums  rewards over the chance of what brought them: for Exp3

A model of your own needs the four methods of `Model`, or of `WeightedModel`.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import ArmTable, Evidence, LinearTable, Scores, WeightedRewards, with_one_more

__all__ = ["ArmCounts", "Model", "RidgeScores", "RidgeTable", "WeightedModel", "WeightedSums"]

Floats = NDArray[np.float64]
LENGTH = 1e6
"""Of the longest context a ridge regression of ridge 1 takes: its square is still far from 1 / the rounding error."""


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


class WeightedModel(Protocol):
    """A `Model` that learns from the propensity, too: of the decision that the reward is for."""

    dimension: int
    weighted: ClassVar[Literal[True]]

    def evidence(self, context: Floats) -> Evidence:
        """See `Model`."""
        ...

    def learn(self, context: Floats, action: int, reward: float, propensity: float) -> None:
        """One reward, between 0 and 1, of an action that had this chance."""
        ...

    def state(self) -> dict[str, Floats]:
        """See `Model`."""
        ...

    def restore(self, state: dict[str, Floats]) -> None:
        """See `Model`."""
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


class WeightedSums:
    """Sums of r / p and of 1 / p of A actions, and how many rewards there were. Rewards lie between 0 and 1."""

    dimension = 0
    weighted: ClassVar[Literal[True]] = True

    def __init__(self, actions: int) -> None:
        self._sums, self._rounds = np.zeros((2, actions)), np.zeros(())

    def evidence(self, context: Floats) -> WeightedRewards:
        """See `WeightedModel`."""
        rewards, weights = self._sums.copy()
        return WeightedRewards(rewards, weights, self._rounds.copy())

    def learn(self, context: Floats, action: int, reward: float, propensity: float) -> None:
        """See `WeightedModel`."""
        self._sums[:, action] += (reward / propensity, 1.0 / propensity)
        self._rounds += 1.0

    def state(self) -> dict[str, Floats]:
        """sums: [2, A] of r / p and of 1 / p        rounds: [] rewards so far"""
        return {"sums": self._sums.copy(), "rounds": self._rounds.copy()}

    def restore(self, state: dict[str, Floats]) -> None:
        """See `Model`."""
        sums, rounds = _like("sums", state, self._sums), _like("rounds", state, self._rounds)
        self._sums, self._rounds = sums, rounds


class Ridge:
    """For each action, or for all together, a ridge regression of the reward on features and a constant:

    theta = (sum x x' + ridge I)^-1 sum r x,     x = (features, 1)

    The inverse is kept by rank-one updates (Sherman & Morrison 1950) in O(D^2). Contexts should be about 1 in size;
    those longer than 1e6 sqrt(ridge) are refused, since rounding would take over.

    actions: A        dimension: D        ridge: above 0
    features: `context`: a context is D numbers that all actions see, each action has its own theta;
        `action`: a context is A * D numbers, each action's own one after another, and they share theta
    """

    def __init__(
        self,
        actions: int,
        dimension: int,
        ridge: float = 1.0,
        features: Literal["context", "action"] = "context",
    ) -> None:
        if dimension < 1:
            raise BadValue("dimension", dimension, "at least 1")
        if not 0 < ridge < float("inf"):
            raise BadValue("ridge", ridge, "above 0 and finite")
        if features not in ("context", "action"):
            raise BadValue("features", features, "'context' or 'action'")
        self._own, size = features == "context", dimension + 1
        self.dimension = dimension if self._own else actions * dimension
        thetas = actions if self._own else 1
        self._inverse = np.broadcast_to(np.eye(size) / ridge, (thetas, size, size)).copy()
        self._sums = np.zeros((thetas, size))
        self._weights = np.zeros((thetas, size))
        self._largest = LENGTH * math.sqrt(ridge)
        self._shown = np.ones((1 if self._own else actions, size))

    def learn(self, context: Floats, action: int, reward: float) -> None:
        """See `Model`."""
        shown = self._features(context)
        at, x = (action, shown[0]) if self._own else (0, shown[action])
        inverse = self._inverse[at] = with_one_more(self._inverse[at], x)
        self._sums[at] += reward * x
        self._weights[at] = inverse @ self._sums[at]

    def state(self) -> dict[str, Floats]:
        """inverse: [A, D+1, D+1]    sums: [A, D+1]; where theta is shared, 1 in the place of A"""
        return {"inverse": self._inverse.copy(), "sums": self._sums.copy()}

    def restore(self, state: dict[str, Floats]) -> None:
        """See `Model`."""
        inverse, sums = _like("inverse", state, self._inverse), _like("sums", state, self._sums)
        self._inverse, self._sums = inverse, sums
        self._weights = np.stack([a @ b for a, b in zip(inverse, sums, strict=True)])

    def _features(self, context: Floats) -> Floats:
        """[1, D+1], or [A, D+1] where each action shows its own; good until it is called again."""
        shown = self._shown
        shown[:, :-1] = context if self._own else context.reshape(len(shown), -1)
        size = max(math.hypot(*row) for row in shown.tolist())
        if size > self._largest:  # one such row takes all that the arithmetic can tell apart
            raise BadValue(
                "context", size, f"of length {self._largest:g} at most: scale it, say to mean 0 and spread 1"
            )
        return shown


class RidgeScores(Ridge):
    """Predicted rewards, of the regression that `Ridge` describes, with its arguments."""

    def evidence(self, context: Floats) -> Scores:
        """See `Model`: predicted rewards [A]."""
        shown = self._features(context)
        return Scores(self._weights @ shown[0] if self._own else shown @ self._weights[0])


class RidgeTable(Ridge):
    """Predicted rewards and how much is known of them, of the regression that `Ridge` describes, with its arguments."""

    def evidence(self, context: Floats) -> LinearTable:
        """See `Model`."""
        return LinearTable(self._inverse.copy(), self._sums.copy(), self._features(context).copy())


def _like(name: str, state: dict[str, Floats], now: Floats) -> Floats:
    kept = np.asarray(state.get(name, ()), dtype=np.float64)
    if kept.shape != now.shape:
        raise BadValue(name, list(kept.shape), f"of shape {list(now.shape)}")
    return kept.copy()
