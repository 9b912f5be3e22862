"""Rows of numbers in which one counts: puzzles whose rule is hidden, and shared by all puzzles of a family.

    Early, the porter noted: amber mill, row 31 47 22 60 14. Which number counts?            a puzzle's text
    47                                                                                       its answer

A family has a name of two words, two keys and a few other numbers that its rows are made of. A row holds one of the two
keys, never in the last place; what counts is the number right behind it. The name, the row and words that mean nothing
are told; the keys are not. One right answer shows which number is a key, and applies to every row that holds it: to
copy the answer of a similar puzzle helps next to nothing, to carry over its rule does.

There are NUMBERS * (NUMBERS - 1) / 2 pairs of keys, of which one in sixteen is `held_out`: a solver that is trained on
families of the others (`examples`) meets every number as a key, but none of the rules that streams are made of.
Held-out numbers would not do: in a pilot a small transformer learned them as numbers that are never a key.

World and sizes ours, for the streams of Wei et al. 2025 (arXiv 2511.20857); the row with an answer behind a key is the
repeated pair of symbols with which Olsson et al. 2022 (arXiv 2209.11895) measure in-context learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue

__all__ = ["FIRST", "LENGTHS", "NUMBERS", "SECOND", "Examples", "Family", "Puzzle", "Puzzles", "examples", "key_pairs"]

Ints = NDArray[np.int64]
NUMBERS = 50
"""Numbers 10 to 59; in arrays from 0."""
LOWEST = 10
LENGTHS = (4, 5, 6)
"""Numbers of a row, which is its difficulty: without the rule one of length - 1 may count."""
POOL = 9
"""Numbers that the rows of a family are made of, its keys among them."""
HELD_OUT = 1 / 16

FIRST = (
    "amber", "brisk", "cedar", "dusty", "elder", "frosty", "golden", "hazel", "ivory", "jade", "lonely", "mossy",
    "narrow", "olive", "purple", "quiet", "russet", "silver", "timber", "velvet",
)  # fmt: skip
SECOND = (
    "abbey", "bridge", "chapel", "depot", "estate", "factory", "garden", "harbour", "island", "kiln", "lodge", "mill",
    "orchard", "palace", "quarry", "rampart", "station", "tower", "vault", "wharf",
)  # fmt: skip
WHEN = ("early", "late", "at noon", "on monday", "after rain", "before dawn", "last spring", "once more")
WHO = ("porter", "clerk", "sailor", "baker", "tailor", "miller", "painter", "gardener", "doctor", "teacher")
DID = ("noted", "copied", "reported", "whispered", "recalled", "telephoned")


@dataclass(frozen=True)
class Family:
    """name: two words        keys: two numbers from 0        others: the rest of its pool"""

    name: tuple[str, str]
    keys: tuple[int, int]
    others: tuple[int, ...]


@dataclass(frozen=True)
class Puzzle:
    """text: what is asked        row: its numbers as they are written        place: of the one that counts, from 1"""

    text: str
    row: tuple[str, ...]
    place: int
    family: int

    @property
    def answer(self) -> str:
        """The number that counts."""
        return self.row[self.place]


class Examples(NamedTuple):
    """Solved puzzles in sequences, as arrays: [B, N] unless told otherwise.

    first, second: of the family's name        row: [B, N, L] numbers from 0        place: of what counts
    shown: place that was answered        told: whether that was said to be right        family: within the sequence
    """

    first: Ints
    second: Ints
    row: Ints
    place: Ints
    shown: Ints
    told: NDArray[np.bool_]
    family: Ints


@lru_cache(maxsize=2)
def key_pairs(held_out: bool) -> Ints:
    """[P, 2] pairs of keys, the lower first: those of streams, or those of training."""
    pairs = np.array([(a, b) for a in range(NUMBERS) for b in range(a + 1, NUMBERS)], np.int64)
    chosen = Stream(0, "held-out keys").uniform(np.arange(len(pairs))) < HELD_OUT
    found: Ints = pairs[chosen == held_out]
    return found


class Puzzles:
    """The puzzles of a stream: puzzle i is of a family of its own accord, by (seed, i) alone.

    families: how many; 0: every puzzle has one of its own, of any pair of keys, and nothing can be carried over
    Raises: BadValue.
    """

    def __init__(self, families: int, seed: int) -> None:
        most = min(len(key_pairs(True)), len(FIRST) * len(SECOND))
        if isinstance(families, bool) or not isinstance(families, int) or not 0 <= families <= most:
            raise BadValue("families", families, f"a whole number from 0 to {most}")
        self.families, self.seed = families, seed
        self._draw = Stream(seed, "puzzles")
        self._pairs = _shuffled(key_pairs(True), seed, "pairs")
        names = np.array([(i, j) for i in range(len(FIRST)) for j in range(len(SECOND))])
        self._names = _shuffled(names, seed, "names")

    def family(self, number: int) -> Family:
        """Family `number`, from 0."""
        first, second = self._names[number % len(self._names)]
        pairs = self._pairs if self.families else _shuffled(_all_pairs(), self.seed, "pairs")
        keys = pairs[number % len(pairs)]
        chance = Stream(self.seed, "pool").uniform(np.arange(NUMBERS), number)
        chance[keys] = 2.0
        others = np.argsort(chance, kind="stable")[: POOL - 2]
        return Family((FIRST[first], SECOND[second]), (int(keys[0]), int(keys[1])), tuple(map(int, others)))

    def puzzle(self, i: int) -> Puzzle:
        """Puzzle i, from 0."""
        number = int(self._draw.integers(self.families, i, lane=0)) if self.families else i
        family = self.family(number)
        length = LENGTHS[int(self._draw.integers(len(LENGTHS), i, lane=1))]
        key = family.keys[int(self._draw.integers(2, i, lane=2))]
        order = np.argsort(self._draw.uniform(i, 1, np.arange(len(family.others))), kind="stable")
        row = [family.others[j] for j in order[: length - 1]]
        at = int(self._draw.integers(length - 1, i, lane=3))
        row.insert(at, key)
        when, who, did = (
            words[int(self._draw.integers(len(words), i, lane=4 + lane))] for lane, words in enumerate((WHEN, WHO, DID))
        )
        told = tuple(str(LOWEST + number) for number in row)
        text = (
            f"{when.capitalize()}, the {who} {did}: {' '.join(family.name)}, row {' '.join(told)}. Which number counts?"
        )
        return Puzzle(text, told, at + 1, number)


def examples(
    seed: int, number: int, rows: int, length: int, count: int, *, families: Ints, right: NDArray[np.float64],
    noise: NDArray[np.float64], held_out: bool = False,
) -> Examples:  # fmt: skip
    """Sequences of solved puzzles: number `number` of `rows` sequences of `count`, all of `length` numbers.

    families: [rows] that meet in a sequence        right: [rows] share of right answers
    noise: [rows] chance that a wrong answer is told to be right, or a right one to be wrong
    held_out: whether the keys are those of streams
    """
    draw = Stream(seed, f"examples {number}")
    copy, each = np.arange(rows)[:, None], np.arange(count)
    most = int(families.max())
    family = (draw.uniform(copy, each, 0) * families[:, None]).astype(np.int64)  # [B, N]
    pairs = key_pairs(held_out)
    keys = pairs[(draw.uniform(copy, np.arange(most), 1) * len(pairs)).astype(np.int64)]  # [B, F, 2]
    first, second = (
        np.argsort(draw.uniform(copy, np.arange(len(words)), 2 + lane), axis=1)[:, :most]
        for lane, words in enumerate((FIRST, SECOND))
    )
    chance = draw.uniform(copy[..., None], np.arange(most)[:, None], 10 + np.arange(NUMBERS))  # [B, F, NUMBERS]
    np.put_along_axis(chance, keys, 2.0, axis=2)
    pool = np.argsort(chance, axis=2)[:, :, : POOL - 2]
    others = pool[copy, family]  # [B, N, POOL - 2]
    shuffle = np.argsort(draw.uniform(copy[..., None], each[:, None], 100 + np.arange(POOL - 2)), axis=2)
    others = np.take_along_axis(others, shuffle, axis=2)
    key = keys[copy, family, (draw.uniform(copy, each, 4) * 2).astype(np.int64)]
    at = (draw.uniform(copy, each, 5) * (length - 1)).astype(np.int64)[..., None]
    along = np.arange(length)
    from_pool = np.clip(np.where(along < at, along, along - 1), 0, length - 2)
    row = np.where(along == at, key[..., None], np.take_along_axis(others, from_pool, axis=2))
    place = at[..., 0] + 1
    is_right = draw.uniform(copy, each, 6) < right[:, None]
    wrong = 1 + (draw.uniform(copy, each, 7) * (length - 2)).astype(np.int64)
    wrong += wrong >= place
    told = is_right ^ (draw.uniform(copy, each, 8) < noise[:, None])
    return Examples(
        first[copy, family], second[copy, family], row, place, np.where(is_right, place, wrong), told, family
    )


@lru_cache(maxsize=1)
def _all_pairs() -> Ints:
    found: Ints = np.concatenate([key_pairs(True), key_pairs(False)])
    return found


def _shuffled(rows: Ints, seed: int, name: str) -> Ints:
    found: Ints = rows[np.argsort(Stream(seed, name).uniform(np.arange(len(rows))), kind="stable")]
    return found
