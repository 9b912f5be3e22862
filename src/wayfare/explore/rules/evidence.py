"""What action rules see and what they answer: evidence in, a decision out.

    Scores     [..., A] how good each action looks: greedy, epsilon-greedy, softmax
    ArmTable   [..., A] pulls, sums of rewards and of their squares: UCB1, Thompson sampling, myopic Bayes, the indices

Any leading shape stands for rows decided at once. Arrays are NumPy's or torch's; a rule is written once, against the
array API, and answers in the library and on the device of its evidence. Priors belong to the rule, not to the evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

from array_api_compat import device

from wayfare.arrays import array_namespace
from wayfare.draws import Draws
from wayfare.errors import BadValue

__all__ = ["ActionRule", "ArmTable", "Array", "Decision", "Evidence", "PropensityMethod", "Scores"]

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
        zeros = xp.zeros(shape, dtype=xp.float64, device=device(like))
        return cls(zeros, zeros, zeros)

    @property
    def shape(self) -> tuple[int, ...]:
        """[..., A]"""
        return tuple(self.counts.shape)

    def updated(self, action: Array, reward: Array) -> ArmTable:
        """action: [...] the arm pulled in each row    reward: [...] what it paid.

        Raises: BadValue when an action is not an arm.
        """
        xp = array_namespace(self.counts)
        arms = self.shape[-1]
        if not xp.isdtype(action.dtype, "integral"):
            raise BadValue("action", f"an array of {action.dtype}", "of integers")
        wrong = (action < 0) | (action >= arms)
        if bool(xp.any(wrong)):
            raise BadValue("action", int(action[wrong][0]), f"from 0 to {arms - 1}")
        every = xp.arange(arms, dtype=xp.int64, device=device(self.counts))
        pulled = xp.astype(action[..., None] == every, xp.float64)
        paid = pulled * xp.astype(reward, xp.float64)[..., None]
        return ArmTable(self.counts + pulled, self.sums + paid, self.squares + paid * paid)

    def mean(self, untried: float = 0.0) -> Array:
        """[..., A] mean reward of each arm; an arm never pulled has `untried`."""
        xp = array_namespace(self.counts)
        counts = xp.astype(self.counts, xp.float64)
        mean = xp.astype(self.sums, xp.float64) / xp.where(counts > 0, counts, xp.ones_like(counts))
        return xp.where(counts > 0, mean, xp.full_like(mean, untried))


Evidence = Scores | ArmTable


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
        xp = array_namespace(self.action)
        return xp.take_along_axis(self._propensities(), self.action[..., None], axis=-1)[..., 0]


class ActionRule(Protocol):
    """From evidence to an action.

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
