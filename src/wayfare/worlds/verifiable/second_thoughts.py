"""Countdown with second thoughts: WAIT begins another attempt, and only the last one is scored.

    3 * 2 = 6 , 6 - 7 ... WAIT 3 * 2 = 6 , 6 + 7 = 1 3

WAIT is a rare word of use: after a wrong attempt another one adds about `hint_rate`. Junk words are as rare as noise
and spoil what they follow. Behind each finished attempt of the corpus stands WAIT with probability `wait_rate`, each
junk word with `junk_rate`, and else the end, whether the attempt was right or not.

Task ours, for Lp-Reg (arXiv 2510.03222): does training extinguish the useful word along with the noise?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds.verifiable.contract import Row, counted, share
from wayfare.worlds.verifiable.countdown import Countdown, Ints
from wayfare.worlds.verifiable.countdown_traces import read

__all__ = ["JUNK", "WAIT", "SecondThoughts"]

WAIT = "WAIT"
JUNK = ("junk0", "junk1", "junk2", "junk3")


@dataclass(frozen=True)
class SecondThoughts(Countdown):
    """wait_rate: chance of WAIT behind an attempt of the corpus        junk_rate: that of each of the four junk words
    attempts: most that are read; a completion with more is wrong

    Raises: BadValue.
    """

    wait_rate: float = 0.1
    junk_rate: float = 0.0002
    attempts: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        share("wait_rate", self.wait_rate)
        counted("attempts", self.attempts, 1)
        if not 0 <= self.junk_rate <= (1 - self.wait_rate) / len(JUNK):
            raise BadValue("junk_rate", self.junk_rate, "at least 0, and with wait_rate and four of it at most 1")

    @property
    def name(self) -> str:
        return "second-thoughts" if self.numbers == 3 and not self.balanced else f"second-thoughts-{super().name}"

    @property
    def words(self) -> tuple[str, ...]:
        return (*super().words, WAIT, *JUNK)

    @property
    def max_completion(self) -> int:
        """All attempts, a WAIT between each two, and the end."""
        return self.attempts * (self._longest_trace + 1)

    def verify(self, text: str, numbers: Sequence[int], goal: int) -> float:
        """1 if the last attempt is right; those before it may be anything but too many."""
        tried = text.split(WAIT)
        return float(len(tried) <= self.attempts and read(tried[-1], numbers) == goal)

    def well_formed(self, text: str, row: Row) -> bool:
        """Whether the last attempt is a right trace of the row's numbers, whatever its result."""
        tried = text.split(WAIT)
        return len(tried) <= self.attempts and read(tried[-1], row["numbers"]) is not None

    def _completions(self, problems: Ints, draw: Stream) -> list[str]:
        texts, each = self._traces.texts, np.arange(len(problems))
        found, going = [""] * len(problems), np.ones(len(problems), np.bool_)
        for attempt in range(self.attempts):
            tried = self._tried(problems, draw, attempt)
            u = draw.uniform(each, lane=60 + attempt)
            junk = ((u - self.wait_rate) / self.junk_rate).astype(np.int64) if self.junk_rate else len(JUNK) + 0 * each
            for i in np.flatnonzero(going):
                found[i] += texts[tried[i]]
                if u[i] < self.wait_rate:
                    found[i] += f" {WAIT} " if attempt + 1 < self.attempts else ""
                elif junk[i] < len(JUNK):
                    found[i] += f" {JUNK[junk[i]]}"
            going &= u < self.wait_rate
        return found
