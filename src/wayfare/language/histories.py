"""A history of decisions as text that a language model can read, and back without loss.

Every inner episode stands between `begin` and an end word; a decision is what was seen, `act`, and the action's
letter; the reward follows only when it is not zero (the format of Rentschler & Roberts 2025, arXiv 2501.14176, the
predecessor of the paper behind study `exploit`):

    begin 12 act B 13 act B reward 1 end begin 12 act

What was seen is written sparsely: `12` says that entry 12 is 1, `3=0.25` that entry 3 is 0.25; entries of zero are
left out. Numbers are float32, written with the fewest digits that read back as the same bits. The end words tell the
boundary codes apart (`end`, `cut`, and `task end`, `task cut` when the task goes too), so nothing is lost. A text
stops before the next decision, at `act`.

This module knows no tokenizer and no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wayfare.errors import BadValue

__all__ = ["ACTIONS", "History", "from_text", "outcome_words", "prompt_words", "to_text"]

ACTIONS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The letters of the actions: action 0 is A."""

END_WORDS = ((), ("end",), ("cut",), ("task", "end"), ("task", "cut"))
"""Words after a step, by its boundary code: running, episode terminated, truncated, task terminated, truncated."""


@dataclass(frozen=True, eq=False)
class History:
    """What happened, from the beginning of an episode on. Equal to another one when all bits are.

    observation: [T+1, O] float32, what was seen before each step and after the last; finite
    action:      [T] int64, below 26
    reward:      [T] float32, finite
    boundary:    [T] int8, the boundary code of each step, 0 to 4
    """

    observation: npt.NDArray[np.float32]
    action: npt.NDArray[np.int64]
    reward: npt.NDArray[np.float32]
    boundary: npt.NDArray[np.int8]

    def __post_init__(self) -> None:
        """Raises: BadValue for a shape, number or code that no history has."""
        dtypes = {"observation": np.float32, "action": np.int64, "reward": np.float32, "boundary": np.int8}
        for field, dtype in dtypes.items():
            object.__setattr__(self, field, np.asarray(getattr(self, field), dtype))
        steps = self.action.shape
        if len(steps) != 1 or self.reward.shape != steps or self.boundary.shape != steps:
            shapes = (self.action.shape, self.reward.shape, self.boundary.shape)
            raise BadValue("action, reward, boundary", shapes, "three vectors of one length")
        if self.observation.ndim != 2 or len(self.observation) != steps[0] + 1:
            raise BadValue("observation", self.observation.shape, f"of shape [{steps[0] + 1}, columns]")
        for field in ("observation", "reward"):
            _finite(field, getattr(self, field))
        if self.action.size and not 0 <= self.action.min() <= self.action.max() < len(ACTIONS):
            raise BadValue("action", self.action.tolist(), f"between 0 and {len(ACTIONS) - 1}")
        if self.boundary.size and not 0 <= self.boundary.min() <= self.boundary.max() < len(END_WORDS):
            raise BadValue("boundary", self.boundary.tolist(), f"codes between 0 and {len(END_WORDS) - 1}")

    def __len__(self) -> int:
        """Steps taken: T."""
        return len(self.action)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        mine, theirs = vars(self), vars(other)
        return all(mine[k].shape == theirs[k].shape and mine[k].tobytes() == theirs[k].tobytes() for k in mine)

    __hash__ = None  # type: ignore[assignment]


def prompt_words(observation: npt.NDArray[np.float32], begins: bool) -> list[str]:
    """What the agent reads before it acts. observation: [O]; begins: whether an inner episode begins with it."""
    words = ["begin"] if begins else []
    for entry in np.flatnonzero((observation != 0) | np.signbit(observation)).tolist():
        value = observation[entry]
        words.append(f"{entry}" if value == 1 else f"{entry}={_number(value)}")
    return [*words, "act"]


def outcome_words(action: int, reward: float, boundary: int) -> list[str]:
    """What the agent reads after it acted: the letter of its action, the reward unless zero, what ended."""
    return [ACTIONS[action], *_reward_words(np.float32(reward)), *END_WORDS[boundary]]


def to_text(history: History) -> str:
    """The whole history, up to the `act` of the decision that comes next."""
    words: list[str] = []
    begins = True
    for t in range(len(history)):
        words += prompt_words(history.observation[t], begins)
        words += outcome_words(int(history.action[t]), float(history.reward[t]), int(history.boundary[t]))
        begins = bool(history.boundary[t])
    return " ".join([*words, *prompt_words(history.observation[-1], begins)])


def from_text(text: str, columns: int) -> History:
    """Read a text of `to_text` back. columns: entries of an observation, which the text does not say.

    Raises: BadValue that names the word at which the text stops being a history.
    """
    reader = _Reader(text.split())
    observations, actions, rewards, boundaries = [], [], [], []
    begins = True
    while True:
        observations.append(reader.prompt(columns, begins))
        if reader.done():
            break
        action, reward, boundary = reader.outcome()
        actions.append(action)
        rewards.append(reward)
        boundaries.append(boundary)
        begins = bool(boundary)
    return History(
        np.stack(observations),
        np.array(actions, np.int64),
        np.array(rewards, np.float32),
        np.array(boundaries, np.int8),
    )


class _Reader:
    """Takes words off the front of a text."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words, self.at = words, 0

    def done(self) -> bool:
        return self.at == len(self.words)

    def peek(self) -> str:
        return "" if self.done() else self.words[self.at]

    def take(self, allowed: str, *wanted: str) -> str:
        word = self.peek()
        if wanted and word not in wanted:
            raise BadValue(f"word {self.at} of the text", word, allowed)
        self.at += 1
        return word

    def prompt(self, columns: int, begins: bool) -> npt.NDArray[np.float32]:
        if begins:
            self.take("'begin', where an episode begins", "begin")
        observation = np.zeros(columns, np.float32)
        while self.peek() != "act":
            field = f"word {self.at} of the text"
            word = self.take("an entry of what was seen, or 'act'")
            entry, _, value = word.partition("=")
            if not entry.isdigit() or int(entry) >= columns:
                raise BadValue(field, word, f"'act' or an entry below {columns}, such as 0 or 0=0.25")
            observation[int(entry)] = _read(field, value) if value else 1
        self.take("'act'")
        return observation

    def outcome(self) -> tuple[int, np.float32, int]:
        action = ACTIONS.index(self.take(f"an action's letter, {ACTIONS[0]} to {ACTIONS[-1]}", *ACTIONS))
        reward = np.float32(0)
        if self.peek() == "reward":
            self.take("'reward'")
            reward = _read(f"word {self.at} of the text", self.take("a number"))
        if self.peek() == "task":
            self.take("'task'")
            return action, reward, 2 + ("", "end", "cut").index(self.take("'end' or 'cut' after 'task'", "end", "cut"))
        if self.peek() in ("end", "cut"):
            return action, reward, ("", "end", "cut").index(self.take("'end' or 'cut'"))
        return action, reward, 0


def _reward_words(reward: np.float32) -> list[str]:
    return ["reward", _number(reward)] if reward != 0 or np.signbit(reward) else []


def _number(value: np.float32) -> str:
    """The fewest digits that read back as the same float32."""
    short = str(value).removesuffix(".0")
    return short if np.float32(float(short)) == value else repr(float(value))


def _read(field: str, text: str) -> np.float32:
    try:
        return np.float32(float(text))
    except ValueError:
        raise BadValue(field, text, "a number") from None


def _finite(field: str, values: npt.NDArray[Any]) -> None:
    if not np.isfinite(values).all():
        raise BadValue(field, values[~np.isfinite(values)][0].item(), "finite")
