"""Modular arithmetic answered in one word: a bandit with a context, whose gradients and values have closed forms.

    n3 + n5 :        prompt: p is fixed and not told
    n1               completion: (3 + 5) mod 7

p^2 problems, p answers; a base that knows nothing is right once in p. There is no sequence, so that nothing of
sequences can be studied on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wayfare.draws import Draws, Stream
from wayfare.errors import BadValue
from wayfare.worlds.verifiable.contract import Row, Split, by_rank, counted, number_of, scored, share

__all__ = ["ModularArithmetic"]

_ANSWER = re.compile(r"n(0|[1-9][0-9]{0,2})")


@dataclass(frozen=True)
class ModularArithmetic:
    """p: the modulus, from 2 to 199        hint_rate: share of right answers in the corpus
    seed: of the split

    Columns: answer. Raises: BadValue.
    """

    p: int = 7
    hint_rate: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        counted("p", self.p, 2)
        if self.p > 199:
            raise BadValue("p", self.p, "at most 199")
        share("hint_rate", self.hint_rate)

    @property
    def name(self) -> str:
        return "modular"

    @property
    def words(self) -> tuple[str, ...]:
        return (*(f"n{i}" for i in range(self.p)), "+", ":")

    @property
    def max_completion(self) -> int:
        return 2

    def rows(self, split: Split) -> list[Row]:
        """Raises: BadValue."""
        found = np.flatnonzero(by_rank(self.p**2, self.seed) == number_of(split))
        return [{"prompt": self._prompt(i), "index": i, "answer": self._answer(i)} for i in found.tolist()]

    def verify(self, text: str, answer: int) -> float:
        """1 for the answer, with nothing around it."""
        found = _ANSWER.fullmatch(text)
        return float(found is not None and int(found[1]) == answer)

    def reward(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """`verify` of each. Reads the column answer. Raises: BadValue."""
        return scored(self.verify, completions, columns, ("answer",), longest=4)

    def well_formed(self, text: str, row: Row) -> bool:
        """Whether it is one number of the field."""
        found = _ANSWER.fullmatch(text)
        return found is not None and int(found[1]) < self.p

    def corpus(self, count: int, seed: int) -> list[tuple[str, str]]:
        """Problems of the training split only. Raises: BadValue."""
        counted("count", count)
        draw, each = Stream(seed, "modular corpus"), np.arange(count)
        known = np.flatnonzero(by_rank(self.p**2, self.seed) == 0)
        asked = known[draw.integers(len(known), each, lane=0)]
        off = np.where(draw.uniform(each, lane=1) < self.hint_rate, 0, 1 + draw.integers(self.p - 1, each, lane=2))
        return [
            (self._prompt(i), f"n{(self._answer(i) + add) % self.p}")
            for i, add in zip(asked.tolist(), off.tolist(), strict=True)
        ]

    def oracle(self, row: Row) -> str:
        return f"n{row['answer']}"

    def floor(self, row: Row, draw: Draws) -> str:
        return f"n{int(float(draw.uniform()) * self.p)}"

    def _prompt(self, problem: int) -> str:
        return f"n{problem // self.p} + n{problem % self.p} :"

    def _answer(self, problem: int) -> int:
        return (problem // self.p + problem % self.p) % self.p
