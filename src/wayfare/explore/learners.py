"""What a simulated policy learns of its actions, many runs at once: the evidence that its rule decides by.

    Pulls             pulls and sums of each arm, whatever the context        -> ArmTable
    RidgeRegression   reward as a linear function of the features             -> Scores (predicted rewards)

A learner of your own needs the attribute and the three methods of `Learner`. For one live stream see
`wayfare.explore.live.models`.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from array_api_compat import array_namespace, device

from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import ArmTable, Array, Evidence, Scores

__all__ = ["Learner", "Pulls", "RidgeRegression"]


class Learner(Protocol):
    """contextual: whether `learn` looks at the context."""

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
        table = self._table
        xp = array_namespace(table.counts)
        every = xp.arange(table.shape[-1], dtype=xp.int64, device=device(table.counts))
        pulled = xp.astype((action[:, None] == every) & known[:, None], xp.float64)
        paid = pulled * xp.astype(reward, xp.float64)[:, None]
        self._table = ArmTable(table.counts + pulled, table.sums + paid, table.squares + paid * paid)


class RidgeRegression:
    """Predicted rewards by ridge regression, theta = (sum x x' + ridge I)^-1 sum r x, its inverse kept by rank-one
    updates (Sherman & Morrison 1950).

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
        on: dict[str, Any] = {"dtype": xp.float64, "device": device(like)}
        self._actions, size = actions, self.dimension + self.constant
        self._thetas = actions if self.features == "context" else 1
        self._inverse = xp.zeros((runs, self._thetas, size, size), **on) + xp.eye(size, **on) / self.ridge
        self._sums = xp.zeros((runs, self._thetas, size), **on)

    def evidence(self, context: Array) -> Evidence:
        """See `Learner`."""
        xp = array_namespace(context)
        theta = xp.sum(self._inverse * self._sums[..., None, :], axis=-1)
        return Scores(xp.sum(self._features(context) * theta, axis=-1))

    def learn(self, context: Array, action: Array, reward: Array, known: Array) -> None:
        """See `Learner`."""
        xp = array_namespace(context)
        features = self._features(context)
        own = xp.arange(self._actions, dtype=xp.int64, device=device(action)) == action[:, None]
        if self.features == "context":
            used = xp.astype(own & known[:, None], xp.float64)[..., None] * features
        else:
            taken = xp.sum(xp.astype(own, xp.float64)[..., None] * features, axis=1, keepdims=True)
            used = xp.astype(known, xp.float64)[:, None, None] * taken
        turned = xp.sum(self._inverse * used[..., None, :], axis=-1)
        length = 1.0 + xp.sum(used * turned, axis=-1)
        self._inverse = self._inverse - turned[..., :, None] * turned[..., None, :] / length[..., None, None]
        self._sums = self._sums + xp.astype(reward, xp.float64)[:, None, None] * used

    def _features(self, context: Array) -> Array:
        """[N, A, D] or, where actions have a theta each, [N, 1, D]."""
        xp = array_namespace(context)
        wide = self._actions if self.features == "action" else 1
        if context.shape[1] < wide * self.dimension:
            raise BadValue("context", f"{context.shape[1]} numbers", f"at least {wide * self.dimension} wide")
        own = xp.astype(context[:, : wide * self.dimension], xp.float64)
        x = xp.reshape(own, (context.shape[0], wide, self.dimension))
        return xp.concat([x, xp.ones_like(x[..., :1])], axis=-1) if self.constant else x
