"""A stream of tasks over a growing memory, from one seed: the same for every arm.

    families    kinds of problem; a task is of one of them, at random
    originals   memories whose advice works; half are there at the start, the others are written while the stream runs
    twins       with probability `misled` an original has a near-duplicate, written with it: it repeats the words of the
                question, so it is more relevant than any original, and its advice fails
    strangers   memories of other families that come along, less relevant, and their advice does not fit

What a memory is worth is a number in [0, 1]; what a task earns is a Bernoulli reward whose mean is the mean of what it
shows (`additive`: the agent follows one of the memories at random), or the largest (`best`: it picks the best one).
Under drift, from the middle of the stream on, originals that have a twin are worth what the twin was worth, and the
other way round.

An arm may also write what came of its tasks (`Own`): then its memory depends on what it has chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.explore.rules.slates import ConditionalPoisson, SlateMixture
from wayfare.memory.candidates import RELATIVE

__all__ = ["REWARDS", "Own", "Setting", "Stage", "expected_reward"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
REWARDS = ("additive", "best")
STRANGERS = 6
HELPS, FAILS, FOREIGN = (0.55, 0.85), (0.05, 0.2), 0.1
"""What is worth what: advice that works, that fails, and that was meant for another problem."""
ORIGINAL, TWIN, STRANGER = (0.4, 0.6), (0.7, 0.9), (0.1, 0.3)
"""Relevance."""
JITTER = 0.05
"""Half the width of what a question's wording adds to a relevance."""
WRITTEN_BY = 0.75
"""Share of the stream within which the other half is written."""


@dataclass(frozen=True)
class Setting:
    """What all arms of a condition share; see the study's `Config`."""

    tasks: int
    families: int
    originals: int
    k: int
    misled: float
    reward: str = "additive"
    drift: bool = False
    used: bool = True


class Stage:
    """The stream of one seed.

    family, born: [M] of each memory, and the task before which it is written
    value: [2, M] what each is worth, before and after the drift
    asked: [T] family of each task        luck: [T] the uniform draw that decides whether a task succeeds
    """

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting, self.seed = setting, seed
        families, originals, tasks = setting.families, setting.originals, setting.tasks
        rows = np.arange(families)[:, None], np.arange(originals)[None, :]

        def drawn(name: str, low: float = 0.0, high: float = 1.0) -> Floats:
            return np.asarray(low + (high - low) * Stream(seed, name).uniform(*rows))

        born = np.floor(drawn("written") * WRITTEN_BY * tasks).astype(np.int64)
        born[:, : (originals + 1) // 2] = 0
        twin = drawn("twin") < setting.misled
        own, other = drawn("worth", *HELPS), drawn("worth of the twin", *FAILS)
        family = np.broadcast_to(rows[0], born.shape)
        self.family = np.concatenate([family.ravel(), family[twin]])
        self.born = np.concatenate([born.ravel(), born[twin]])
        self.relevance = np.concatenate(
            [drawn("relevance", *ORIGINAL).ravel(), drawn("relevance of the twin", *TWIN)[twin]]
        )
        before = np.concatenate([own.ravel(), other[twin]])
        after = np.concatenate([np.where(twin, other, own).ravel(), own[twin]])
        self.value = np.stack([before, after if setting.drift else before])
        steps = np.arange(tasks)
        self.asked: Integers = np.asarray(Stream(seed, "family").integers(families, steps))
        self.follows: Floats = np.asarray(Stream(seed, "which is followed").uniform(steps))
        self.luck: Floats = np.asarray(Stream(seed, "luck").uniform(steps))

    def __len__(self) -> int:
        return len(self.family)

    def phase(self, t: int) -> int:
        """0 before the drift, 1 after it."""
        return int(self.setting.drift and 2 * t >= self.setting.tasks)

    def candidates(self, t: int) -> tuple[Integers, Floats, Floats]:
        """Memories that task t could recall, most relevant first: places, relevance and worth, [n] each."""
        own = np.flatnonzero((self.family == self.asked[t]) & (self.born <= t))
        others = np.flatnonzero((self.family != self.asked[t]) & (self.born <= t))
        chance = np.asarray(Stream(self.seed, "strangers").uniform(t, others))
        strangers = others[np.argsort(chance, kind="stable")[:STRANGERS]]
        wording = JITTER * (2 * np.asarray(Stream(self.seed, "wording").uniform(t, own)) - 1)
        low, high = STRANGER
        far = low + (high - low) * np.asarray(Stream(self.seed, "strange relevance").uniform(t, strangers))
        places = np.concatenate([own, strangers])
        relevance = np.concatenate([self.relevance[own] + wording, far])
        worth = np.concatenate([self.value[self.phase(t)][own], np.full(len(strangers), FOREIGN)])
        return _cut(places, relevance, worth)


def _cut(places: Integers, relevance: Floats, worth: Floats) -> tuple[Integers, Floats, Floats]:
    """Most relevant first, without what is too far behind the first: phase A of a recall does so, too."""
    order = np.argsort(-relevance, kind="stable")
    order = order[relevance[order] >= RELATIVE * relevance[order[0]]]
    return places[order], relevance[order], worth[order]


@dataclass
class Own:
    """What an arm has written of its own tasks, each memory known by a place behind those of the stage.

    A tenth of the tasks is written down, at the same tasks for every arm: what had worked is worth as much as an
    original, what had failed as little as a twin, and both repeat the question.
    """

    stage: Stage
    family: list[int] = field(default_factory=list)
    born: list[int] = field(default_factory=list)
    relevance: list[float] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    SHARE = 0.1
    MOST = 20
    """Of one family, the newest."""

    def candidates(self, t: int) -> tuple[Integers, Floats, Floats]:
        """Those of the stage, and its own."""
        places, relevance, worth = self.stage.candidates(t)
        mine = [i for i, family in enumerate(self.family) if family == self.stage.asked[t]][-self.MOST :]
        at = np.array(mine, np.int64)
        places = np.concatenate([places, at + len(self.stage)])
        relevance = np.concatenate([relevance, np.array(self.relevance)[at] if mine else []])
        worth = np.concatenate([worth, np.array(self.value)[at] if mine else []])
        return _cut(places, relevance, worth)

    def see(self, t: int, reward: float) -> bool:
        """Whether task t was written down."""
        seed = self.stage.seed
        if float(Stream(seed, "writes").uniform(t)) >= self.SHARE:
            return False
        low, high = HELPS if reward > 0 else FAILS
        self.family.append(int(self.stage.asked[t]))
        self.born.append(t + 1)
        self.value.append(low + (high - low) * float(Stream(seed, "worth of what is written").uniform(t)))
        low, high = ORIGINAL[0], TWIN[1]
        self.relevance.append(low + (high - low) * float(Stream(seed, "relevance of what is written").uniform(t)))
        return True


def expected_reward(mixture: SlateMixture, worth: Floats, reward: str) -> float:
    """Exact mean reward of a drawn slate. worth: [n] in the order of the mixture's places."""
    k = mixture.k
    if reward == "additive":
        return float(mixture.inclusion() @ worth) / k
    found = 0.0
    for share, part in mixture.parts:
        if isinstance(part, ConditionalPoisson):
            found += share * _expected_best(part.weights, worth, k)
        else:
            found += share * float(worth[part.best(k)].max())
    return found


def _expected_best(weights: Floats, worth: Floats, k: int) -> float:
    """Sum over the items in the order of their worth: the chance that all k lie up to here is e_k(so far) / e_k."""
    order: Sequence[int] = np.argsort(worth, kind="stable").tolist()
    row = [1.0] + [0.0] * k
    reached = []
    for i in order:
        w = float(weights[i])
        row = [1.0, *[a + w * b for a, b in zip(row[1:], row, strict=False)]]
        reached.append(row[k])
    return float(np.diff(reached, prepend=0.0) @ worth[order]) / reached[-1]
