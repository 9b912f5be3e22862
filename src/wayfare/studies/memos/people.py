"""Synthetic people and where they live: the facts that memories hold, and the lessons in which a model learns to look
them up.

    "dalo ozburg mina eldale"        a memory of two facts: a person, and the place where they live
    "? mina"                         a question; the answer is one word, "eldale"

Who lives where is drawn afresh for every list, so that nothing can be known without reading: a guess is right with
1 / PLACES. Words are tokens.

    echo      p q p: the third word is the first. One layer learns it, and with it to look one word back
    lookup    a list, then questions with their answers

Looking up takes two steps of attention, and a net of this size does not find the first by itself within minutes: the
echo lesson is what makes the rest quick. It teaches no fact and no list.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.draws import Stream
from wayfare.language.nano import WordReader

__all__ = ["ASK", "PEOPLE", "PLACES", "READER", "Fact", "Lesson", "draw_facts", "echo", "first_lesson",
    "later_lesson", "lookup", "memory"]  # fmt: skip

_SYLLABLES = [a + b for a, b in product("bdfgklmnprstvz", "aeiou")]  # 70
PEOPLE = tuple(a + b for a, b in product(_SYLLABLES[::5] + _SYLLABLES[2::5], _SYLLABLES[:20]))[:560]
PLACES = tuple(a + b for a, b in product(("ald", "cast", "oz", "thorn"),
    ("burg", "dale", "ford", "ham", "mouth", "shire", "ton", "wood")))  # fmt: skip
ASK = "?"
FEW = 64
"""People of the first lessons: what is learned of few words sooner holds for all of them soon."""
READER = WordReader([ASK, *PEOPLE, *PLACES])
_FIRST_PERSON = READER.ids[PEOPLE[0]]
_FIRST_PLACE = READER.ids[PLACES[0]]


class Fact(NamedTuple):
    """Who lives where."""

    person: str
    place: str

    @property
    def text(self) -> str:
        """As it stands in a memory."""
        return f"{self.person} {self.place}"

    @property
    def question(self) -> str:
        """What is asked of it; the answer is the place."""
        return f"{ASK} {self.person}"


class Lesson(NamedTuple):
    """One update's batch. facts: of each list; 0 for an echo        rows: lists        questions: on each

    people: the lists are about the first so many
    """

    facts: int
    rows: int
    questions: int
    people: int = len(PEOPLE)


def draw_facts(seed: int, name: str, count: int) -> list[Fact]:
    """Different people, at random places. name: of the draw, so that one seed gives several lists"""
    stream = Stream(seed, f"facts {name}")
    who = np.argsort(stream.uniform(0, 0, np.arange(len(PEOPLE))), kind="stable")[:count]
    where = stream.integers(len(PLACES), 0, 1, np.arange(count))
    return [Fact(PEOPLE[i], PLACES[j]) for i, j in zip(who.tolist(), where.tolist(), strict=True)]


def memory(facts: Sequence[Fact]) -> str:
    """The facts as one text."""
    return " ".join(fact.text for fact in facts)


def first_lesson(updates: int, number: int, seed: int) -> Lesson:
    """What update `number` of `updates` teaches the small net: echoes, then short lists of few people, then of all."""
    share = number / updates
    if share < 0.08 or (share < 0.24 and number % 4 == 0):
        return Lesson(0, 16, 12)
    pick = int(Stream(seed, "course").integers(4, number))
    if share < 0.85:
        return Lesson((2, 3, 4, 6)[pick], 16, 16, FEW if share < 0.5 else len(PEOPLE))
    return Lesson((4, 8, 16, 24)[pick], 12, 24)


def later_lesson(number: int, seed: int) -> Lesson:
    """What any update teaches the grown net: lists of up to 500 facts."""
    pick = int(Stream(seed, "later course").integers(6, number))
    return Lesson((12, 32, 80, 250, 500, 500)[pick], (16, 10, 5, 2, 1, 1)[pick], 48)


def echo(seed: int, number: int, rows: int, length: int) -> tuple[Tensor, Tensor]:
    """(ids, labelled) [rows, 3 length]: p q p, of the first few people and all places."""
    stream = Stream(seed, "echo")
    copies = np.arange(rows)[:, None] + rows * number
    first, second = (stream.integers(FEW + len(PLACES), copies, lane, np.arange(length)) for lane in (0, 1))
    numbers = np.stack([first, second, first], axis=2).reshape(rows, -1)
    ids = _words(np.where(numbers < FEW, numbers + _FIRST_PERSON, numbers - FEW + _FIRST_PLACE), 0)
    labelled = torch.zeros_like(ids, dtype=torch.bool)
    labelled[:, 2::3] = True
    return ids, labelled


def lookup(seed: int, number: int, lesson: Lesson) -> tuple[Tensor, Tensor]:
    """(ids, labelled): lists of facts, ASK, and questions with their answers, which are labelled."""
    stream = Stream(seed, "lists")
    facts, rows, questions, people = lesson
    copies = np.arange(rows)[:, None] + rows * number
    who = np.argsort(stream.uniform(copies, 0, np.arange(people)), axis=1, kind="stable")[:, :facts]
    person = _words(who, _FIRST_PERSON)
    place = _words(stream.integers(len(PLACES), copies, 1, np.arange(facts)), _FIRST_PLACE)
    asked = torch.from_numpy(np.asarray(stream.integers(facts, copies, 2, np.arange(questions)), np.int64))
    told = torch.stack([person, place], dim=2).flatten(1)
    said = torch.stack([person.gather(1, asked), place.gather(1, asked)], dim=2).flatten(1)
    ids = torch.cat([told, torch.full((rows, 1), READER.ids[ASK]), said], dim=1)
    labelled = torch.zeros_like(ids, dtype=torch.bool)
    labelled[:, 2 * facts + 2 :: 2] = True
    return ids, labelled


def _words(numbers: NDArray[np.int64], first: int) -> Tensor:
    return torch.from_numpy(np.asarray(numbers, np.int64) + first)
