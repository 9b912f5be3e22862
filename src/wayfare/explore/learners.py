"""What a simulated policy learns of its actions, many runs at once: the evidence that its rule decides by.

    Pulls               pulls and sums of each arm, whatever the context      -> ArmTable
    ImportanceWeighted  rewards over the chance of what brought them          -> WeightedRewards (Exp3)
    LinearEvidence      reward as a linear function of the features           -> LinearTable
    RidgeRegression     the same                                              -> Scores (predicted rewards)

A learner of your own needs the attribute and the three methods of `Learner`. For one live stream see
`wayfare.explore.live.models`.
"""

from __future__ import annotations

from typing import Literal, Protocol

from array_api_compat import device

from wayfare.arrays import array_namespace
from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import (
    ArmTable,
    Array,
    Evidence,
    LinearTable,
    Scores,
    WeightedRewards,
    with_one_more,
)

__all__ = ["ImportanceWeighted", "Learner", "LinearEvidence", "Pulls", "RidgeRegression"]


class Learner(Protocol):
    """contextual: whether `learn` looks at the context.

    A learner with a true `weighted` is given `propensity` [N], too: the chance that the action had when it was taken.
    """

    contextual: bool

    def begin(self, runs: int, actions: int, like: Array) -> None:
        """Forget everything; arrays are to be of the library and device of `like`."""
        ...

    def evidence(self, context: Array) -> Evidence:
        """context: [N, O] what the world shows -> evidence over the actions, [N, A]."""
        ...

    def learn(self, context: Array, action: Array, reward: Array, known: Array) -> None:
        """One reward [N] of an action [N] in the context [N, O] in which it was taken, in the runs `known` [N] bool."""
        ...


class Pulls:
    """Pulls, sums and sums of squares of each arm."""

    contextual = False
    _table: ArmTable

    def begin(self, runs: int, actions: int, like: Array) -> None:
        """See `Learner`."""
        self._table = ArmTable.empty((runs, actions), like)

    def evidence(self, context: Array) -> ArmTable:
        """See `Learner`."""
        return self._table

    def learn(self, context: Array, action: Array, reward: Array, known: Array) -> None:
        """See `Learner`."""
        self._table = self._table.updated(action, reward, known)


class ImportanceWeighted:
    """Rewards in [0, 1] over propensities, for Exp3."""

    contextual = False
    weighted = True
    _sums: WeightedRewards

    def begin(self, runs: int, actions: int, like: Array) -> None:
        """See `Learner`."""
        self._sums = WeightedRewards.empty((runs, actions), like)

    def evidence(self, context: Array) -> WeightedRewards:
        """See `Learner`."""
        return self._sums

    def learn(
        self, context: Array, action: Array, reward: Array, known: Array, propensity: Array | None = None
    ) -> None:
        """See `Learner`. Raises: BadValue without propensities, or for a reward outside 0 to 1."""
        if propensity is None:
            raise BadValue("propensity", None, "given with each reward")
        self._sums = self._sums.updated(action, reward, propensity, known)


class LinearEvidence:
    """Ridge regression of the rewards on features, theta = (sum x x' + ridge I)^-1 sum r x, as evidence for rules that
    ask how much is known, too: LinUCB, linear Thompson.

    dimension: D        ridge: above 0
    features: `context`: the first D numbers of what is shown, each action has its own theta (as for `TableBandit`);
        `action`: each action shows its own D numbers, action after action, and they share theta (as for `LinearBandit`)
    constant: add a feature that is always 1

    Raises: BadValue for an argument out of range, and in `evidence` for a context too narrow.
    """

    contextual = True

    def __init__(
        self,
        dimension: int,
        features: Literal["context", "action"] = "context",
        ridge: float = 1.0,
        *,
        constant: bool = False,
    ) -> None:
        if dimension < 1:
            raise BadValue("dimension", dimension, "at least 1")
        if features not in ("context", "action"):
            raise BadValue("features", features, "'context' or 'action'")
        if not 0 < ridge < float("inf"):
            raise BadValue("ridge", ridge, "above 0 and finite")
        self.dimension, self.features, self.ridge, self.constant = dimension, features, float(ridge), constant

    def begin(self, runs: int, actions: int, like: Array) -> None:
        """See `Learner`."""
        xp = array_namespace(like)
        self._actions, size = actions, self.dimension + self.constant
        shown = xp.zeros((runs, actions, size), dtype=xp.float64, device=device(like))
        empty = LinearTable.empty(shown, actions if self.features == "context" else 1, self.ridge)
        self._inverse, self._sums = empty.inverse, empty.sums
        self._theta = xp.zeros_like(self._sums)
        self._runs = xp.arange(runs, dtype=xp.int64, device=device(like))

    def evidence(self, context: Array) -> Evidence:
        """See `Learner`."""
        return LinearTable(_copied(self._inverse), _copied(self._sums), self._features(context))

    def learn(self, context: Array, action: Array, reward: Array, known: Array) -> None:
        """See `Learner`. Only what the actions taken have learned is touched."""
        xp = array_namespace(context)
        features = self._features(context)
        own = self.features == "context"
        theta = action if own else xp.zeros_like(action)
        at = (self._runs, theta)
        x = features[:, 0] if own else features[self._runs, action]
        x = xp.where(known[:, None], x, xp.zeros_like(x))
        reward = xp.where(known, xp.astype(reward, xp.float64), xp.zeros_like(x[:, 0]))  # what is unknown may be NaN
        inverse = with_one_more(self._inverse[at], x)
        sums = self._sums[at] + reward[:, None] * x
        self._inverse[at], self._sums[at] = inverse, sums
        self._theta[at] = (inverse @ sums[..., None])[..., 0]

    def _features(self, context: Array) -> Array:
        """[N, A, D] or, where actions have a theta each, [N, 1, D]."""
        xp = array_namespace(context)
        wide = self._actions if self.features == "action" else 1
        if context.shape[1] < wide * self.dimension:
            raise BadValue("context", f"{context.shape[1]} numbers", f"at least {wide * self.dimension} wide")
        own = xp.astype(context[:, : wide * self.dimension], xp.float64)
        x = xp.reshape(own, (context.shape[0], wide, self.dimension))
        return xp.concat([x, xp.ones_like(x[..., :1])], axis=-1) if self.constant else x


class RidgeRegression(LinearEvidence):
    """The same regression, as predicted rewards alone: for softmax, epsilon-greedy, inverse gap weighting."""

    def evidence(self, context: Array) -> Evidence:
        """See `Learner`."""
        wide, one = self._features(context), self._theta
        if self.features == "context":
            wide, one = one, wide
        return Scores((wide @ one.swapaxes(-1, -2))[..., 0])


def _copied(x: Array) -> Array:
    """Evidence is never changed in place; what is learned here is."""
    return array_namespace(x).asarray(x, copy=True)
