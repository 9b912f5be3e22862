"""What is known of each task's difficulty: its recent rewards, and from them a chance of success.

    p = mean of the newest visit's rewards, where it had at least `window` of them
        mean of the latest `window` rewards, over visits, where it had fewer                               (1)

A task is known from `enough` observations on. Of so few, none or all are often right: at p = 0.05, 16 draws hold no
success with chance 0.44. `smoothing` adds that many successes and as many failures.

Source: (1) Li et al. 2025 (arXiv 2509.25849); smoothing is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wayfare.errors import BadValue

__all__ = ["OutcomeStatistics"]


class OutcomeStatistics:
    """See the module.

    window, enough: at least 1        smoothing: at least 0
    threshold: rewards above it are successes; None: rewards are -1, 0 or 1, and only 1 is a success

    Raises: BadValue for a number out of range.
    """

    def __init__(
        self, window: int = 16, enough: int = 8, smoothing: float = 0.0, threshold: float | None = None
    ) -> None:
        for field, value in (("window", window), ("enough", enough)):
            if value < 1:
                raise BadValue(field, value, "at least 1")
        if not 0 <= smoothing < math.inf:
            raise BadValue("smoothing", smoothing, "finite and at least 0")
        self.window, self.enough, self.smoothing, self.threshold = window, enough, smoothing, threshold
        self._recent: dict[int | str, list[int]] = {}  # successes, latest last; of a long visit, all of it
        self._seen: dict[int | str, int] = {}
        self._visits = self._returns = 0

    def __len__(self) -> int:
        """Tasks with an observation."""
        return len(self._seen)

    def record(self, key: int | str, rewards: Sequence[float] | npt.NDArray[Any]) -> None:
        """One visit: the rewards of a task's group. NaN, the reward of what could not be scored, is left out.

        Raises: BadValue for a reward other than -1, 0 and 1 where no threshold tells successes.
        """
        self._add(key, self._right(rewards))

    def record_groups(self, keys: Sequence[int | str], group_id: npt.NDArray[Any], rewards: npt.NDArray[Any]) -> None:
        """A batch. keys: of M groups        group_id: [B], from 0        rewards: [B]

        Raises: BadValue, see `record`; nothing is then recorded.
        """
        group_id, rewards = np.asarray(group_id), np.asarray(rewards, dtype=float)
        if group_id.shape != rewards.shape or (len(group_id) and not 0 <= group_id.min() <= group_id.max() < len(keys)):
            raise BadValue("group_id", group_id.shape, f"one a reward, from 0 to {len(keys) - 1}")
        visits = [self._right(rewards[group_id == group]) for group in range(len(keys))]
        for key, right in zip(keys, visits, strict=True):
            self._add(key, right)

    def _right(self, rewards: Sequence[float] | npt.NDArray[Any]) -> list[int]:
        numbers = [float(reward) for reward in rewards if not math.isnan(reward)]
        if self.threshold is None:
            wrong = [number for number in numbers if number not in (-1.0, 0.0, 1.0)]
            if wrong:
                raise BadValue("reward", wrong[0], "-1, 0 or 1 where no threshold is given")
        least = 0.0 if self.threshold is None else self.threshold
        return [int(number > least) for number in numbers]

    def _add(self, key: int | str, right: list[int]) -> None:
        if not right:
            return
        key = key if isinstance(key, str) else int(key)  # NumPy's would not pass through a state dict
        self._visits, self._returns = self._visits + 1, self._returns + (key in self._seen)
        self._seen[key] = self._seen.get(key, 0) + len(right)
        before = self._recent.get(key, [])
        self._recent[key] = right if len(right) >= self.window else [*before, *right][-self.window :]

    def observations(self, keys: Sequence[int | str]) -> npt.NDArray[np.int64]:
        """[M], rewards seen of each task since the beginning."""
        return np.array([self._seen.get(key, 0) for key in keys], dtype=np.int64)

    def chance(self, keys: Sequence[int | str]) -> npt.NDArray[np.float64]:
        """(1): [M], NaN where fewer than `enough` were seen."""
        found = np.full(len(keys), np.nan)
        for place, key in enumerate(keys):
            if self._seen.get(key, 0) >= self.enough:
                recent = self._recent[key]
                found[place] = (sum(recent) + self.smoothing) / (len(recent) + 2.0 * self.smoothing)
        return found

    @property
    def returning(self) -> float:
        """Share of visits to a task seen before: near 0 the statistics steer nothing, as on a stream of new tasks."""
        return self._returns / self._visits if self._visits else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Keys and numbers."""
        return {
            "keys": list(self._seen),
            "seen": list(self._seen.values()),
            "recent": [list(self._recent[key]) for key in self._seen],
            "visits": self._visits,
            "returns": self._returns,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        self._seen = dict(zip(state["keys"], state["seen"], strict=True))
        self._recent = {key: list(recent) for key, recent in zip(state["keys"], state["recent"], strict=True)}
        self._visits, self._returns = state["visits"], state["returns"]
