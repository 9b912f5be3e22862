"""Hidden strategy: one word of eight decides, ten words of filler make almost every answer a new string.

    task17 :                              prompt
    way3 f14 f9 f20 ... (ten of them)     completion: right if the way is this prompt's, whatever the filler

Which way is right is hidden in the prompt's name; nothing tells but trying. Filler is drawn around a centre that the
way sets, so that answers of one way are alike in what they stand for, and unlike as strings: novelty of strings sees
nothing, novelty of representations does.

The corpus takes the right way with probability `right_rate` at every prompt, held out or not: nothing can be learned of
one prompt from others here, so that the rate of right answers is the whole of the base's knowledge, and is set.

Task ours, for RepExp's selection at inference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Draws, Stream
from wayfare.errors import BadValue
from wayfare.worlds.verifiable.contract import SPLITS, Row, Split, counted, number_of, scored, share

__all__ = ["HiddenStrategy"]

Ints = NDArray[np.int64]
WAYS, FILLER, FILLERS = 8, 10, 32
NEAR = 12
"""Fillers of a way's range, of `FILLERS` in a ring; the centres of ways lie 4 apart, so that ranges overlap."""
_WORDS = re.compile(rf"way([0-{WAYS - 1}])((?: f(?:[0-9]|[12][0-9]|3[01])){{{FILLER}}})")


@dataclass(frozen=True)
class HiddenStrategy:
    """prompts: of each split        right_rate: of the corpus
    loose: share of fillers that come from anywhere, not from the way's range        seed: of the right ways

    Columns: way. Raises: BadValue.
    """

    prompts: int = 16
    right_rate: float = 0.02
    loose: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        counted("prompts", self.prompts, 1)
        share("right_rate", self.right_rate)
        share("loose", self.loose)
        if self.prompts > 1000:
            raise BadValue("prompts", self.prompts, "at most 1000")

    @property
    def name(self) -> str:
        return "hidden-strategy"

    @property
    def words(self) -> tuple[str, ...]:
        tasks = (f"task{i}" for i in range(len(SPLITS) * self.prompts))
        return (*tasks, *(f"way{i}" for i in range(WAYS)), *(f"f{i}" for i in range(FILLERS)), ":")

    @property
    def max_completion(self) -> int:
        return 1 + FILLER + 1

    def rows(self, split: Split) -> list[Row]:
        begin = number_of(split) * self.prompts
        return [
            {"prompt": f"task{i} :", "index": i, "way": int(self._ways[i])} for i in range(begin, begin + self.prompts)
        ]

    def verify(self, text: str, way: int) -> float:
        """1 for the right way and ten words of filler."""
        found = _WORDS.fullmatch(text)
        return float(found is not None and int(found[1]) == way)

    def reward(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """`verify` of each. Reads the column way. Raises: BadValue."""
        return scored(self.verify, completions, columns, ("way",), longest=8 * self.max_completion)

    def well_formed(self, text: str, row: Row) -> bool:
        """Whether it is a way and ten words of filler."""
        return _WORDS.fullmatch(text) is not None

    def corpus(self, count: int, seed: int) -> list[tuple[str, str]]:
        """Every prompt, held out or not, answered rightly at `right_rate`. Raises: BadValue."""
        counted("count", count)
        draw, each = Stream(seed, "strategy corpus"), np.arange(count)
        asked = draw.integers(len(self._ways), each, lane=0)
        wrong = (self._ways[asked] + 1 + draw.integers(WAYS - 1, each, lane=1)) % WAYS
        ways = np.where(draw.uniform(each, lane=2) < self.right_rate, self._ways[asked], wrong)
        filler = self._filler(ways, draw.uniform(each[:, None], 1, np.arange(2 * FILLER)))
        return [(f"task{i} :", _completion(int(way), words)) for i, way, words in zip(asked, ways, filler, strict=True)]

    def oracle(self, row: Row) -> str:
        """The right way, with the fillers at its centre."""
        way = int(row["way"])
        return _completion(way, self._filler(np.array([way]), np.full((1, 2 * FILLER), 0.999))[0])

    def floor(self, row: Row, draw: Draws) -> str:
        """Any way, all alike likely, with filler as the corpus has it."""
        u = np.asarray(draw.uniform(1 + 2 * FILLER))
        way = int(u[0] * WAYS)
        return _completion(way, self._filler(np.array([way]), u[None, 1:])[0])

    @cached_property
    def _ways(self) -> Ints:
        found: Ints = Stream(self.seed, "ways").integers(WAYS, np.arange(len(SPLITS) * self.prompts))
        return found

    def _filler(self, ways: Ints, u: NDArray[np.float64]) -> Ints:
        """ways [B], u [B, 20] -> [B, 10] fillers."""
        near = FILLERS // WAYS * ways[:, None] + (u[:, FILLER:] * NEAR).astype(np.int64)
        anywhere = (u[:, FILLER:] * FILLERS).astype(np.int64)
        return np.where(u[:, :FILLER] < self.loose, anywhere, near % FILLERS)


def _completion(way: int, filler: Ints) -> str:
    return f"way{way} {' '.join(f'f{each}' for each in filler)}"
