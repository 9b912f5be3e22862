"""Topics and cues: tasks that look alike by topic, while a small cue decides what has to be done; and a frozen policy.

    x = [topic; cue],  topic = (t_j + spread e) / |.|,  |t_j| = 1,   cue = size (u_z + noise e'),   e ~ N(0, I / D)  (1)

Topic j is irrelevant, and nearly all of the length of x; z is one of S strategies, and the one that is right. A case is
a task with the strategy that was played and what came of it: `right` where it was the right one, else `lucky`. Logged
cases were played at random, so that 22 % succeeded, as of the released data (23 %).

The frozen policy copies, with `copy`, the strategy of most of its examples that succeeded. Else, or where there are
none, it takes with `avoid` any strategy that no example failed with, else any at all. One that weighs failures
`against` successes, example by example, follows what is left of them; it is a variant.

Ours, after the prototype of the paper's claim; the published experiments need language models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream

__all__ = ["Setting", "Topics"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Examples = Sequence[tuple[int, bool]]
ALIKE = 1.5
"""Length, beside the topic's 1, of what all embeddings have in common, as encoders' do: no two are far apart."""


@dataclass(frozen=True)
class Setting:
    """What all players of a run share; see the study's `Config`."""

    cases: int
    tasks: int
    strategies: int
    topics: int
    dimension: int
    spread: float
    cue: float
    noise: float
    right: float
    lucky: float
    copy: float
    avoid: float

    @property
    def chance(self) -> float:
        """Success of a strategy at random."""
        return (self.right + (self.strategies - 1) * self.lucky) / self.strategies

    @property
    def ceiling(self) -> float:
        """Success where a case that succeeded with the right strategy is always shown."""
        return self.copy * self.right + (1 - self.copy) * self.chance

    @property
    def width(self) -> int:
        """Of a task's features."""
        return self.dimension + self.strategies


class Topics:
    """The tasks of one seed, first `cases` logged ones, then `tasks` to be played, then `other` of topics never seen.

    features: [T, D + S] float32, (1) with each part scaled to a variance of about one in a dimension
    vectors: [T, 1 + D + S] float32 of length 1, embeddings: (1) behind what all have in common
    answer: [T] the right strategy        played, success: [cases] of the logged ones
    """

    def __init__(self, setting: Setting, seed: int, other: int = 0) -> None:
        self.setting, self.seed = setting, seed
        count = setting.cases + setting.tasks + other
        places, dims, kinds = np.arange(count), np.arange(setting.dimension), np.arange(setting.strategies)
        topics = np.arange(2 * setting.topics)  # those of the second half are met at the end alone
        centres = _unit(Stream(seed, "centre").normal(topics[:, None], dims))
        which = Stream(seed, "topic").integers(setting.topics, places)
        which = which + setting.topics * (places >= setting.cases + setting.tasks)
        apart = setting.spread / np.sqrt(setting.dimension)
        topic = _unit(centres[which] + apart * Stream(seed, "task").normal(places[:, None], dims))
        self.answer: Whole = Stream(seed, "cue").integers(setting.strategies, places)
        blur = setting.noise / np.sqrt(setting.strategies) * Stream(seed, "blur").normal(places[:, None], kinds)
        cue = setting.cue * (np.eye(setting.strategies)[self.answer] + blur)
        together = np.concatenate([np.full((count, 1), ALIKE), topic, cue], axis=1)
        self.vectors = _unit(together).astype(np.float32)
        deviation = np.sqrt((setting.strategies - 1) / setting.strategies**2)
        self.features = np.concatenate(
            [topic * np.sqrt(setting.dimension), cue / (setting.cue * deviation)], axis=1
        ).astype(np.float32)
        logged = np.arange(setting.cases)
        self.played: Whole = Stream(seed, "logged").integers(setting.strategies, logged)
        chances = np.where(self.played == self.answer[: setting.cases], setting.right, setting.lucky)
        self.success: NDArray[np.bool_] = Stream(seed, "logged luck").uniform(logged) < chances
        self._act, self._luck = Stream(seed, "act"), Stream(seed, "luck")

    def acts(self, shown: Examples, against: bool = False) -> Floats:
        """[S] chances of what the frozen policy does. shown: strategy and success of each example"""
        kinds = self.setting.strategies
        good, bad = np.zeros(kinds), np.zeros(kinds)
        for strategy, success in shown:
            (good if success else bad)[strategy] += 1.0
        votes = good - bad if against else good
        left = (bad == 0).astype(np.float64)
        avoid = self.setting.avoid if left.any() else 0.0
        found: Floats = avoid * left / max(left.sum(), 1.0) + (1 - avoid) / kinds
        if votes.max() > 0:
            best = votes == votes.max()
            found = self.setting.copy * best / best.sum() + (1 - self.setting.copy) * found
        return found

    def worth(self, task: int, shown: Examples, against: bool = False) -> float:
        """The chance to succeed with these examples, over all that the policy may do."""
        chance = float(self.acts(shown, against)[self.answer[task]])
        return chance * self.setting.right + (1 - chance) * self.setting.lucky

    def act(self, task: int, turn: int, shown: Examples, against: bool = False) -> int:
        """What it does, with the draw of this task and turn."""
        reached = np.cumsum(self.acts(shown, against))
        return min(int(np.searchsorted(reached, float(self._act.uniform(task, turn)), "right")), len(reached) - 1)

    def reward(self, task: int, turn: int, strategy: int) -> float:
        """0 or 1."""
        chance = self.setting.right if strategy == self.answer[task] else self.setting.lucky
        return float(float(self._luck.uniform(task, turn)) < chance)


def _unit(rows: Floats) -> Floats:
    found: Floats = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return found
