"""A history as the tokens of one model, and where in them a decision is made.

Each word is made into tokens alone, with the space before it, so that the tokens of a history begin with the tokens
of every earlier part of it: what was read stays read, and the decision of a step stands at one place, its `act`.
Action a is one token, its letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from wayfare.errors import BadValue
from wayfare.language.histories import ACTIONS, History, outcome_words, prompt_words

__all__ = ["HistoryTokens", "Tokens"]


@dataclass(frozen=True)
class Tokens:
    """A history for one model.

    ids:        all tokens
    decisions:  [T+1] places of `act` among them; the action of step t stands right behind its own
    prompts:    [T+1] places at which what is seen before each decision begins
    """

    ids: tuple[int, ...]
    decisions: tuple[int, ...]
    prompts: tuple[int, ...]


class HistoryTokens:
    """Writes histories for one tokenizer.

    tokenizer:       of `transformers`
    actions:         how many the agent has, 1 to 26
    show_task_ends:  whether the end of a task reads differently from an episode's; not, when the world hides it

    Raises: BadValue when the tokenizer has no single token for each action's letter, or does not write words back
    unchanged.
    """

    def __init__(self, tokenizer: Any, actions: int, show_task_ends: bool = False) -> None:
        if not 1 <= actions <= len(ACTIONS):
            raise BadValue("actions", actions, f"between 1 and {len(ACTIONS)}, one letter each")
        self.tokenizer, self.actions, self.show_task_ends = tokenizer, actions, show_task_ends
        self._word = lru_cache(maxsize=4096)(self._encode)
        letters = [self._word(letter) for letter in ACTIONS[:actions]]
        if len(set(letters)) < actions or any(len(ids) != 1 for ids in letters):
            raise BadValue(
                "model", type(tokenizer).__name__, "one whose tokenizer has one token for each action's letter"
            )
        for word in ("begin", "act", "reward", "-1.5e-07", "3=0.25"):
            if self.decode(self._word(word)) != f" {word}":
                raise BadValue(
                    "model", type(tokenizer).__name__, f"one whose tokenizer writes ' {word}' back unchanged"
                )
        self.action_ids: tuple[int, ...] = tuple(ids[0] for ids in letters)

    def prompt(self, observation: npt.NDArray[np.float32], begins: bool) -> list[int]:
        """Tokens up to and with the `act` of a decision. observation: [O]; begins: whether an inner episode begins."""
        return self._words(prompt_words(observation, begins))

    def outcome(self, action: int, reward: float, boundary: int) -> list[int]:
        """Tokens of what was done and what came of it."""
        shown = boundary if self.show_task_ends or boundary < 3 else boundary - 2
        return self._words(outcome_words(action, reward, shown))

    def history(self, history: History) -> Tokens:
        """All tokens of a history, up to the `act` of the decision that comes next."""
        ids: list[int] = []
        decisions: list[int] = []
        prompts: list[int] = []
        begins = True
        for t in range(len(history) + 1):
            prompts.append(len(ids))
            ids += self.prompt(history.observation[t], begins)
            decisions.append(len(ids) - 1)
            if t < len(history):
                boundary = int(history.boundary[t])
                ids += self.outcome(int(history.action[t]), float(history.reward[t]), boundary)
                begins = boundary != 0
        return Tokens(tuple(ids), tuple(decisions), tuple(prompts))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, a space before its first word."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _words(self, words: Sequence[str]) -> list[int]:
        return [token for word in words for token in self._word(word)]

    def _encode(self, word: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(f" {word}", add_special_tokens=False))
