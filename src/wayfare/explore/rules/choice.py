"""Choosing the best of what is allowed, with exact ties shared: the part that all action rules have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import device, to_device

from wayfare.arrays import actions_first, actions_last, array_namespace
from wayfare.draws import Draws
from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import (
    ArmTable,
    Array,
    Decision,
    Evidence,
    LinearTable,
    PropensityMethod,
    Scores,
    WeightedRewards,
)

__all__ = [
    "BestScore",
    "allowed",
    "as_float",
    "checked",
    "look",
    "one_row",
    "pick",
    "require_linear",
    "require_table",
    "share_ties",
    "softmax",
]


FEW = 64
"""Actions in a short row."""


def one_row(scores: Array) -> bool:
    """Whether this is one short row of NumPy's. A loop over its numbers is then several times as quick as NumPy, whose
    every call costs a microsecond: a decision takes 20 calls, and the memory makes one decision at a time."""
    return type(scores) is np.ndarray and scores.ndim == 1 and scores.shape[0] <= FEW


def allowed(like: Array, mask: Array | None) -> Array:
    """like: [..., A] -> [..., A] bool. Raises: BadValue naming the first row in which no action is allowed."""
    xp = array_namespace(like)
    if mask is None:
        if one_row(like) and len(like):
            return _every(len(like))
        mask = xp.ones_like(like, dtype=xp.bool)
        if like.shape[-1]:
            return mask
    else:
        if mask.dtype != xp.bool:
            raise BadValue("mask", f"an array of {mask.dtype}", "boolean")
        if mask.shape != like.shape:
            mask = xp.broadcast_to(mask, like.shape)
    some = mask.any(-1)
    if not (some if not some.ndim else some.all()):
        _refuse_rows("mask", mask, ~some, "true for at least one action")
    return mask


@lru_cache(maxsize=256)
def _every(actions: int) -> Array:
    mask = np.ones(actions, dtype=bool)
    mask.flags.writeable = False
    return mask


@lru_cache(maxsize=256)
def _count_and_place(actions: int) -> Array:
    """[2, A]: ones and 0 .. A - 1."""
    return np.stack([np.ones(actions), np.arange(actions, dtype=np.float64)])


def checked(scores: Array) -> Array:
    """scores: [..., A] as float64. Raises: BadValue naming the first row with a NaN."""
    xp = array_namespace(scores)
    if scores.dtype != xp.float64:
        scores = xp.astype(scores, xp.float64)
    if one_row(scores) and not math.isnan(sum(scores.tolist())):
        return scores
    wrong = xp.isnan(scores)
    if wrong.any():
        _refuse_rows("scores", scores, wrong.any(-1), "free of NaN")
    return scores


def require_table(evidence: Evidence, rule: object) -> ArmTable:
    """Raises: BadValue when the evidence is not an `ArmTable`."""
    if not isinstance(evidence, ArmTable):
        raise BadValue("evidence", type(evidence).__name__, f"an ArmTable for {type(rule).__name__}")
    return evidence


def require_linear(evidence: Evidence, rule: object) -> LinearTable:
    """Raises: BadValue when the evidence is not a `LinearTable`."""
    if not isinstance(evidence, LinearTable):
        raise BadValue("evidence", type(evidence).__name__, f"a LinearTable for {type(rule).__name__}")
    return evidence


def _refuse_rows(field: str, table: Array, bad: Array, rule: str) -> None:
    """bad: [...] with a true one."""
    rows, every = np.asarray(to_device(bad, "cpu")), np.asarray(to_device(table, "cpu"))
    row = tuple(int(i) for i in np.argwhere(rows)[0])
    name = f"{field}[{', '.join(map(str, row))}]" if row else field
    raise BadValue(name, every[row].tolist(), rule)


def _best(scores: Array, mask: Array | None) -> Array:
    """[..., A] -> [A, N] bool: in each row the best that is allowed (None: all), in a row of -inf whatever is."""
    xp = array_namespace(scores)
    if mask is None:
        scores = actions_first(scores)
        return scores == xp.max(scores, axis=0)
    mask, scores = actions_first(mask), actions_first(scores)
    scores = xp.where(mask, scores, -xp.inf)
    return mask & (scores == xp.max(scores, axis=0))


def share_ties(scores: Array, mask: Array) -> Array:
    """scores, mask: [..., A] -> [..., A] float64: the best allowed actions in equal shares, 0 elsewhere."""
    if one_row(scores):
        row = list(zip(scores.tolist(), mask.tolist(), strict=True))
        top = max(score for score, may in row if may)
        best_of_row = [may and score == top for score, may in row]
        return np.array(best_of_row, dtype=np.float64) / sum(best_of_row)
    xp = array_namespace(scores)
    best = xp.astype(_best(scores, mask), xp.float64)
    return actions_last(best / xp.sum(best, axis=0), scores.shape[:-1])


def pick(scores: Array, mask: Array | None, draws: Draws) -> Array:
    """scores, mask: [..., A] -> [...] int64: of the best allowed ones, that of the largest of `draws.uniform(A)`.

    Rows without a tie draw nothing.
    """
    actions = scores.shape[-1]
    if one_row(scores):
        row = (
            scores.tolist()
            if mask is None
            else [score if may else None for score, may in zip(scores.tolist(), mask.tolist(), strict=True)]
        )
        top = max(score for score in row if score is not None)
        tied = [place for place, score in enumerate(row) if score == top]
        if len(tied) > 1:
            uniform = draws.uniform(actions)
            return np.int64(max(tied, key=lambda place: uniform[place]))
        return np.int64(tied[0])
    xp = array_namespace(scores)
    best = _best(scores, mask)
    # this product counts the best and names the only one
    several, chosen = as_float(_count_and_place(actions), scores) @ xp.astype(best, xp.float64)
    chosen = xp.reshape(xp.astype(chosen, xp.int64), scores.shape[:-1])
    if int(xp.count_nonzero(best)) == several.shape[0]:
        return chosen
    if chosen.ndim != 1:
        return xp.argmax(xp.where(actions_last(best, chosen.shape), draws.uniform(actions), -1.0), axis=-1)
    rows = xp.nonzero(several > 1)[0]
    uniform = draws.of(rows).uniform(actions)
    chosen[rows] = xp.argmax(xp.where(actions_last(best[:, rows], rows.shape), uniform, -1.0), axis=-1)
    return chosen


def softmax(scores: Array, mask: Array, temperature: float = 1.0) -> Array:
    """scores, mask: [..., A] -> [..., A] float64 of sum 1: exp(score / temperature) in proportion, 0 off the mask."""
    xp = array_namespace(scores)
    scores = xp.where(mask, scores, xp.full_like(scores, -xp.inf))
    weights = xp.exp((scores - xp.max(scores, axis=-1, keepdims=True)) / temperature)
    return weights / xp.sum(weights, axis=-1, keepdims=True)


class BestScore(ABC):
    """A rule that takes the action of highest score and shares ties."""

    @property
    def propensity_method(self) -> PropensityMethod:
        """1 over the number of best actions."""
        return "closed form"

    @abstractmethod
    def scores(self, evidence: Any) -> Array:
        """-> [..., A] float64, what the chosen action is best in."""

    def propensities(self, evidence: Evidence, mask: Array | None = None) -> Array:
        """-> [..., A] float64: the best allowed actions in equal shares."""
        scores = checked(self.scores(evidence))
        return share_ties(scores, allowed(scores, mask))

    def decide(self, evidence: Evidence, mask: Array | None, draws: Draws) -> Decision:
        """Ties go to the largest of `draws.uniform(A)`."""
        scores = checked(self.scores(evidence))
        if mask is not None:
            mask = allowed(scores, mask)
        action = pick(scores, mask, draws)
        return Decision(action, scores, lambda: share_ties(scores, allowed(scores, mask)))


def as_float(x: Any, like: Array) -> Array:
    """A number, sequence or array as float64 in the library and on the device of `like`."""
    xp = array_namespace(like)
    return xp.asarray(x, dtype=xp.float64, device=device(like))


def look(evidence: Evidence) -> Array:
    """[..., A]: an array of the evidence, for its shape, library and device."""
    if isinstance(evidence, LinearTable):
        return evidence.mean()
    if isinstance(evidence, WeightedRewards):
        return evidence.rewards
    return evidence.scores if isinstance(evidence, Scores) else evidence.counts
