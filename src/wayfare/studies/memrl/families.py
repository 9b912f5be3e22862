"""Twin families: tasks that look alike and need different strategies, and a policy that copies what it is shown.

    x = (c_f + noise * e / sqrt(D)) / |.|,   e ~ N(0, I),   |c_f| = 1,   <c_f, c_twin> = twin                       (1)

Families 2i and 2i + 1 are twins, their strategies differ; within a pair similarity says little of which is right. The
order of the tasks, what the policy would do by itself, and luck are draws at (task, pass): the same for all players.

Ours; the published experiments need a language model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream

__all__ = ["Families", "Setting"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Setting:
    """What all players of a run share; see the study's `Config`."""

    families: int
    per_family: int
    held_out: int
    strategies: int
    dimension: int
    noise: float
    twin: float
    right: float
    lucky: float
    copy: float
    passes: int

    @property
    def chance(self) -> float:
        """Success of a strategy at random."""
        return (self.right + (self.strategies - 1) * self.lucky) / self.strategies

    @property
    def ceiling(self) -> float:
        """Success of the frozen policy when it is always shown the right strategy."""
        return self.copy * self.right + (1 - self.copy) * self.chance


class Families:
    """The tasks of one seed.

    vectors: [T + H, D] float32 of length 1, first the T tasks that come again, then the H held-out ones
    family, answer: [T + H] family, and its right strategy        tasks: T
    """

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting, self.seed = setting, seed
        many, each, held = setting.families, setting.per_family, setting.held_out
        self.tasks = many * each
        kinds = np.arange(many)
        self.family: Whole = np.concatenate([np.repeat(kinds, each), np.repeat(kinds, held)])
        dims = np.arange(setting.dimension)
        centre = _unit(Stream(seed, "centre").normal(kinds[:, None], dims))
        pairs = many // 2
        first, other = centre[::2], centre[1::2]
        other = _unit(other - first * (first * other).sum(axis=1, keepdims=True))
        centre = np.empty_like(centre)
        centre[::2], centre[1::2] = first, setting.twin * first + np.sqrt(1 - setting.twin**2) * other
        shift = 1 + (Stream(seed, "strategy of the twin").uniform(np.arange(pairs)) * (setting.strategies - 1)).astype(
            np.int64
        )
        strategy = (Stream(seed, "strategy").uniform(np.arange(pairs)) * setting.strategies).astype(np.int64)
        answers = np.stack([strategy, (strategy + shift) % setting.strategies], axis=1).ravel()
        self.answer: Whole = answers[self.family]
        places = np.arange(len(self.family))[:, None]
        noise = Stream(seed, "task").normal(places, dims) * (setting.noise / np.sqrt(setting.dimension))
        self.vectors = _unit(centre[self.family] + noise).astype(np.float32)
        self._own, self._copies, self._which, self._luck = (
            Stream(seed, name) for name in ("own strategy", "copy", "which item", "luck")
        )

    def order(self, turn: int) -> list[int]:
        """The tasks of a pass, in the order in which they come."""
        draws = Stream(self.seed, "order").uniform(np.arange(self.tasks), turn)
        found: list[int] = np.argsort(draws, kind="stable").tolist()
        return found

    def copied(self, task: int, turn: int, shown: int) -> int | None:
        """Which of the `shown` items the frozen policy acts upon; None: upon none."""
        if not shown or float(self._copies.uniform(task, turn)) >= self.setting.copy:
            return None
        return int(float(self._which.uniform(task, turn)) * shown)

    def own(self, task: int, turn: int) -> int:
        """What the policy does where it copies nothing."""
        return int(float(self._own.uniform(task, turn)) * self.setting.strategies)

    def reward(self, task: int, turn: int, strategy: int) -> float:
        """0 or 1."""
        chance = self.setting.right if strategy == self.answer[task] else self.setting.lucky
        return float(float(self._luck.uniform(task, turn)) < chance)

    def success(self, task: int, strategies: list[int]) -> float:
        """The chance to succeed when items with these strategies are shown, over all that the policy may do."""
        setting = self.setting
        if not strategies:
            return setting.chance
        right = strategies.count(int(self.answer[task])) / len(strategies)
        copied = right * setting.right + (1 - right) * setting.lucky
        return setting.copy * copied + (1 - setting.copy) * setting.chance


def _unit(rows: Floats) -> Floats:
    found: Floats = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return found
