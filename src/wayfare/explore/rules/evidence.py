"""What action rules see and what they answer: evidence in, a decision out.

    Scores           [..., A] how good each action looks: greedy, epsilon-greedy, softmax, inverse gap weighting
    ArmTable         [..., A] pulls, sums of rewards and their squares: UCB1, KL-UCB, Thompson sampling, the indices
    LinearTable      least squares of rewards on features, and each action's features now: LinUCB, linear Thompson
    WeightedRewards  rewards over the chance of what brought them: Exp3

Any leading shape stands for rows decided at once. Arrays are NumPy's or torch's; a rule is written once, against the
array API, and answers in the library and on the device of its evidence. Priors belong to the rule, not to the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from array_api_compat import device

from wayfare.arrays import actions_first, actions_last, array_namespace
from wayfare.draws import Draws
from wayfare.errors import BadValue

__all__ = [
    "ActionRule",
    "ArmTable",
    "Array",
    "Decision",
    "Evidence",
    "LinearTable",
    "PropensityMethod",
    "Scores",
    "with_one_more",
]

Array = Any
"""A NumPy array or a torch tensor."""

PropensityMethod = Literal["closed form", "quadrature", "estimated", "none"]
"""How propensities come about: exactly, to an error below 1e-6, from samples, or not at all."""


@dataclass(frozen=True)
class Scores:
    """scores: [..., A] how good each action looks, in any unit."""

    scores: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """[..., A]"""
        return tuple(self.scores.shape)


@dataclass(frozen=True)
class ArmTable:
    """What a bandit's arms have paid. A table is never changed in place: `updated` returns the next one.

    counts:  [..., A] pulls            sums: [..., A] of the rewards            squares: [..., A] of the squared rewards
    """

    counts: Array
    sums: Array
    squares: Array

    @classmethod
    def empty(cls, shape: tuple[int, ...], like: Array) -> ArmTable:
        """No pull yet: `shape` is [..., A]; the library and the device are those of `like`."""
        xp = array_namespace(like)
        zeros = actions_last(xp.zeros((shape[-1], *shape[:-1]), dtype=xp.float64, device=device(like)), shape[:-1])
        return cls(zeros, zeros, zeros)

    @property
    def shape(self) -> tuple[int, ...]:
        """[..., A]"""
        return tuple(self.counts.shape)

    def updated(self, action: Array, reward: Array, known: Array | None = None) -> ArmTable:
        """action: [...] the arm pulled in each row    reward: [...] what it paid    known: [...] bool, the rows that
        have a reward (None: all).

        Raises: BadValue when an action is not an arm.
        """
        xp = array_namespace(self.counts)
        arms = self.shape[-1]
        if not xp.isdtype(action.dtype, "integral"):
            raise BadValue("action", f"an array of {action.dtype}", "of integers")
        wrong = (action < 0) | (action >= arms)
        if bool(wrong.any()):
            raise BadValue("action", int(action[wrong][0]), f"from 0 to {arms - 1}")
        at = xp.astype(xp.reshape(action, (-1,)), xp.int64, copy=False)
        rows = at.shape[0]
        at = at * rows + xp.arange(rows, dtype=xp.int64, device=device(at))
        paid = xp.reshape(xp.astype(reward, xp.float64, copy=False), (-1,))
        if known is not None and not bool(known.all()):
            known = xp.reshape(known, (-1,))
            at, paid = at[known], paid[known]
        tables = []
        for table, more in ((self.counts, 1.0), (self.sums, paid), (self.squares, paid * paid)):
            flat = xp.reshape(actions_first(xp.astype(table, xp.float64)), (-1,))
            flat[at] += more
            tables.append(actions_last(xp.reshape(flat, (arms, rows)), self.shape[:-1]))
        return ArmTable(*tables)

    def mean(self, untried: float = 0.0) -> Array:
        """[..., A] mean reward of each arm; an arm never pulled has `untried`."""
        xp = array_namespace(self.counts)
        counts = xp.astype(self.counts, xp.float64)
        mean = xp.astype(self.sums, xp.float64) / xp.where(counts > 0, counts, xp.ones_like(counts))
        return xp.where(counts > 0, mean, xp.full_like(mean, untried))


def with_one_more(inverse: Array, x: Array) -> Array:
    """inverse: [..., D, D] symmetric, of A        x: [..., D] -> [..., D, D], of A + x x' (Sherman & Morrison 1950).

    An x of zeros changes nothing. What comes out is symmetric to the last bit.
    """
    if type(x) is np.ndarray and x.ndim == 1:
        turned = inverse.dot(x)
        turned /= math.sqrt(1.0 + x.dot(turned))
        return inverse - turned[:, None] * turned
    turned = inverse @ x[..., None]
    step = turned / (1.0 + x[..., None, :] @ turned) ** 0.5
    return inverse - step * step.swapaxes(-1, -2)


@dataclass(frozen=True)
class LinearTable:
    """Ridge regressions of rewards on features, theta = A^-1 b with A = ridge I + sum x x' and b = sum r x, and the
    features that the actions show now.

    inverse:  [..., T, D, D] A^-1        sums: [..., T, D] b        features: [..., F, D] x

    T is the number of actions where each has a theta of its own, and 1 where they share one; F is it where each action
    shows its own features, and 1 where all see the same context.
    """

    inverse: Array
    sums: Array
    features: Array

    @classmethod
    def empty(cls, features: Array, thetas: int, ridge: float = 1.0) -> LinearTable:
        """Nothing learned; features: [..., F, D] as above. Raises: BadValue for a ridge that is not above 0."""
        if not 0 < ridge < float("inf"):
            raise BadValue("ridge", ridge, "above 0 and finite")
        xp = array_namespace(features)
        features = xp.astype(features, xp.float64, copy=False)
        on: dict[str, Any] = {"dtype": xp.float64, "device": device(features)}
        rows, size = tuple(features.shape[:-2]), features.shape[-1]
        inverse = xp.zeros((*rows, thetas, size, size), **on) + xp.eye(size, **on) / ridge
        return cls(inverse, xp.zeros((*rows, thetas, size), **on), features)

    @property
    def shape(self) -> tuple[int, ...]:
        """[..., A]"""
        return (*self.features.shape[:-2], max(self.features.shape[-2], self.sums.shape[-2]))

    @property
    def shared(self) -> bool:
        """Whether several actions have one theta: what is learned of one is learned of all."""
        return bool(self.sums.shape[-2] == 1 < self.shape[-1])

    def theta(self) -> Array:
        """[..., T, D]"""
        return (self.inverse @ self.sums[..., None])[..., 0]

    def mean(self) -> Array:
        """[..., A] predicted rewards, x . theta."""
        xp = array_namespace(self.sums)
        return xp.broadcast_to(xp.sum(self.features * self.theta(), axis=-1), self.shape)

    def spread(self) -> Array:
        """[..., A] x' A^-1 x, at least 0: how little is known where x points."""
        xp = array_namespace(self.sums)
        turned = (self.features[..., None, :] @ self.inverse)[..., 0, :]
        return xp.broadcast_to(xp.clip(xp.sum(turned * self.features, axis=-1), 0.0, None), self.shape)

    def updated(self, action: Array, reward: Array, known: Array | None = None) -> LinearTable:
        """With the reward of one action a row, in the features that are shown.

        action: [...] int        reward: [...]        known: [...] bool, rows in which there is one; None: all
        Raises: BadValue when an action is not there.
        """
        xp = array_namespace(self.sums)
        many = self.shape[-1]
        wrong = (action < 0) | (action >= many)
        if bool(xp.any(wrong)):
            raise BadValue("action", int(action[wrong][0]), f"from 0 to {many - 1}")
        own = action[..., None] == xp.arange(many, dtype=xp.int64, device=device(self.sums))
        own = own if known is None else own & known[..., None]
        used = xp.astype(own, xp.float64)[..., None] * self.features
        if self.sums.shape[-2] == 1:
            used = xp.sum(used, axis=-2, keepdims=True)
        sums = self.sums + xp.astype(reward, xp.float64)[..., None, None] * used
        return LinearTable(with_one_more(self.inverse, used), sums, self.features)


@dataclass(frozen=True)
class WeightedRewards:
    """What Exp3 knows: rewards in [0, 1], each divided by the chance of the action that brought it.

    rewards: [..., A] sums of r / p        weights: [..., A] sums of 1 / p        rounds: [...] rewards so far
    """

    rewards: Array
    weights: Array
    rounds: Array

    @classmethod
    def empty(cls, shape: tuple[int, ...], like: Array) -> WeightedRewards:
        """No round yet: `shape` is [..., A]; the library and the device are those of `like`."""
        xp = array_namespace(like)
        zeros = xp.zeros(shape, dtype=xp.float64, device=device(like))
        return cls(zeros, zeros, zeros[..., 0])

    @property
    def shape(self) -> tuple[int, ...]:
        """[..., A]"""
        return tuple(self.rewards.shape)

    def updated(self, action: Array, reward: Array, propensity: Array, known: Array | None = None) -> WeightedRewards:
        """action, reward, propensity: [...] what was done, what it paid, and the chance it had    known: [...] bool,
        the rows that have a reward (None: all).

        Raises: BadValue for a reward outside 0 to 1, an action that is not there or a propensity not above 0.
        """
        xp = array_namespace(self.rewards)
        known = xp.ones_like(action, dtype=xp.bool) if known is None else known
        arms = self.shape[-1]
        for field, value, bad, rule in (
            ("action", action, (action < 0) | (action >= arms), f"from 0 to {arms - 1}"),
            ("reward", reward, ~((reward >= 0) & (reward <= 1)), "between 0 and 1"),
            ("propensity", propensity, ~(propensity > 0), "above 0"),
        ):
            wrong = bad & known
            if bool(xp.any(wrong)):
                raise BadValue(field, value[wrong][0].item(), rule)
        own = (action[..., None] == xp.arange(arms, dtype=xp.int64, device=device(action))) & known[..., None]
        weight = xp.where(own, 1.0 / xp.where(known, propensity, 1.0)[..., None], 0.0)
        paid = xp.where(known, xp.astype(reward, xp.float64), 0.0)[..., None] * weight
        rounds = self.rounds + xp.astype(known, xp.float64)
        return WeightedRewards(self.rewards + paid, self.weights + weight, rounds)


Evidence = Scores | ArmTable | LinearTable | WeightedRewards


@dataclass(frozen=True)
class Decision:
    """What was chosen, and from what.

    action: [...] int64        scores: [..., A] float64, how good each looked (samples, for a sampling rule)
    """

    action: Array
    scores: Array
    _propensities: Callable[[], Array]

    @cached_property
    def propensity(self) -> Array:
        """[...] float64: chance that the rule chooses this action on this evidence. Computed when asked for."""
        if not self.action.ndim:
            return self._propensities()[self.action]
        xp = array_namespace(self.action)
        return xp.take_along_axis(self._propensities(), self.action[..., None], axis=-1)[..., 0]


def is_anytime(rule: ActionRule) -> bool:
    """Whether the rule serves for any number of pulls; a horizon-aware one is made for `rule.horizon` of them."""
    return getattr(rule, "horizon", None) is None


class ActionRule(Protocol):
    """From evidence to an action.

    A rule that is made for a number of pulls has that number as `horizon` (`is_anytime` asks); the others are anytime.

    mask: [..., A] bool, the allowed actions (None: all). Exact ties are shared equally by `propensities` and broken by
    the draws in `decide`: no action is favoured for its position.
    Raises: BadValue for a row that allows none, naming it, and for NaN scores.
    """

    @property
    def propensity_method(self) -> PropensityMethod:
        """How `propensities` are had."""
        ...

    def propensities(self, evidence: Any, mask: Array | None = None) -> Array:
        """-> [..., A] float64: 0 off the mask, each row sums to 1."""
        ...

    def decide(self, evidence: Any, mask: Array | None, draws: Draws) -> Decision:
        """draws: `Stream(seed, name).at(copy, step)`, copy and step of the evidence's leading shape and library."""
        ...
