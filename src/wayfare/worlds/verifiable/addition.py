"""Addition with carries, column by column: nothing is free to choose, so that exploration has nothing to find.

    4 7 + 8 5 :                                            prompt
    7 + 5 + 0 = 1 2 , 4 + 8 + 1 = 1 3 ; 1 3 2              completion: columns from the right with their carry, the sum

One completion is right, and only that one. It is the negative control of exploration studies; with `digits` above
`corpus_digits` it is one of length too, with rewards that are sparse.

Task ours (a control for EAD, arXiv 2510.05251).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Draws, Stream
from wayfare.errors import BadValue
from wayfare.worlds.verifiable.contract import Row, Split, by_hash, counted, number_of, scored, share, spelled

__all__ = ["Addition"]

Ints = NDArray[np.int64]
MOST_DIGITS = 8
_FORM = re.compile(r"((?:[0-9]\+[0-9]\+[0-9]=[0-9]{1,2},)*[0-9]\+[0-9]\+[0-9]=[0-9]{1,2});[0-9]{1,9}")


@dataclass(frozen=True)
class Addition:
    """digits: of both numbers in the rows        corpus_digits: from 1 to this many in the corpus
    hint_rate: share of right completions in the corpus; the others have one wrong digit
    train, held_out: rows of the training split, and of each other one (fewer where there are no more problems)
    seed: of the splits

    Columns: a, b. Raises: BadValue.
    """

    digits: int = 3
    corpus_digits: int = 3
    hint_rate: float = 0.8
    train: int = 4096
    held_out: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        for field in ("digits", "corpus_digits", "train", "held_out"):
            counted(field, getattr(self, field), 1)
        if max(self.digits, self.corpus_digits) > MOST_DIGITS:
            raise BadValue("digits", max(self.digits, self.corpus_digits), f"at most {MOST_DIGITS}")
        share("hint_rate", self.hint_rate)

    @property
    def name(self) -> str:
        return "addition"

    @property
    def words(self) -> tuple[str, ...]:
        return (*"0123456789", "+", "=", ",", ";", ":")

    @property
    def max_completion(self) -> int:
        """Eight words a column, its comma or semicolon among them, one place more for the sum, and the end."""
        return 10 * max(self.digits, self.corpus_digits) + 2

    def rows(self, split: Split) -> list[Row]:
        """Different problems. Raises: BadValue."""
        number = number_of(split)
        wanted = self.held_out if number else self.train
        draw, found = Stream(self.seed, f"{split} sums"), dict[int, tuple[int, int]]()
        for turn in range(64):  # enough to meet nearly all of the few problems of one digit
            a, b = self._drawn(draw, np.arange(2 * wanted), turn, np.full(2 * wanted, self.digits))
            codes = _codes(a, b)
            for i in np.flatnonzero(by_hash(codes, self.seed) == number):
                found.setdefault(int(codes[i]), (int(a[i]), int(b[i])))
            if len(found) >= wanted:
                break
        return [
            {"prompt": _prompt(a, b), "index": code, "a": a, "b": b} for code, (a, b) in list(found.items())[:wanted]
        ]

    def verify(self, text: str, a: int, b: int) -> float:
        """1 for the one right completion; spaces mean nothing."""
        return float(text.replace(" ", "") == _worked(int(a), int(b)).replace(" ", ""))

    def reward(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """`verify` of each. Reads the columns a and b. Raises: BadValue."""
        return scored(self.verify, completions, columns, ("a", "b"), longest=8 * self.max_completion)

    def well_formed(self, text: str, row: Row) -> bool:
        """Whether it has a column for each digit, and a sum."""
        found = _FORM.fullmatch(text.replace(" ", ""))
        return found is not None and found[1].count("=") == max(len(str(row["a"])), len(str(row["b"])))

    def corpus(self, count: int, seed: int) -> list[tuple[str, str]]:
        """Problems of the training split only, of 1 to `corpus_digits` digits. Raises: BadValue."""
        counted("count", count)
        draw, each = Stream(seed, "addition corpus"), np.arange(count)
        lengths = 1 + draw.integers(self.corpus_digits, each, lane=0)
        a, b = np.zeros(count, np.int64), np.zeros(count, np.int64)
        missing, turn = each, 1
        while len(missing):
            a[missing], b[missing] = self._drawn(draw, missing, turn, lengths[missing])
            missing = missing[by_hash(_codes(a[missing], b[missing]), self.seed) != 0]
            turn += 1
        right, place, digit = (draw.uniform(each, lane=lane) for lane in (3, 4, 5))
        return [
            (
                _prompt(int(a[i]), int(b[i])),
                _slipped(_worked(int(a[i]), int(b[i])), place[i] if right[i] >= self.hint_rate else None, digit[i]),
            )
            for i in each
        ]

    def oracle(self, row: Row) -> str:
        return _worked(row["a"], row["b"])

    def floor(self, row: Row, draw: Draws) -> str:
        """The right form with digits from anywhere."""
        worked = _worked(row["a"], row["b"]).split(" ")
        drawn = np.asarray(draw.uniform(len(worked)))
        return " ".join(str(int(10 * u)) if word.isdigit() else word for word, u in zip(worked, drawn, strict=True))

    @staticmethod
    def _drawn(draw: Stream, copies: Ints, turn: int, lengths: Ints) -> tuple[Ints, Ints]:
        """Numbers of so many digits, without leading zeros."""
        low = np.where(lengths == 1, 0, 10 ** (lengths - 1))
        a, b = ((low + draw.uniform(copies, turn, lane) * (10**lengths - low)).astype(np.int64) for lane in (1, 2))
        return a, b


def _codes(a: Ints, b: Ints) -> Ints:
    """One number a problem, whatever its digits."""
    found: Ints = a * 10**MOST_DIGITS + b
    return found


def _prompt(a: int, b: int) -> str:
    return f"{spelled(a)} + {spelled(b)} :"


def _worked(a: int, b: int) -> str:
    width, carry, columns = max(len(str(a)), len(str(b))), 0, []
    for left, right in zip(str(a).zfill(width)[::-1], str(b).zfill(width)[::-1], strict=True):
        total = int(left) + int(right) + carry
        columns.append(f"{left} + {right} + {carry} = {spelled(total)}")
        carry = total // 10
    return f"{' , '.join(columns)} ; {spelled(a + b)}"


def _slipped(completion: str, place: float | None, u: float) -> str:
    """With one digit, at that share of the way, changed to another."""
    if place is None:
        return completion
    words = completion.split(" ")
    digits = [i for i, word in enumerate(words) if word.isdigit()]
    at = digits[int(place * len(digits))]
    words[at] = str((int(words[at]) + 1 + int(9 * u)) % 10)
    return " ".join(words)
