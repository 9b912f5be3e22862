"""Records, questions and right answers of the memory benchmark: the same for all, written once to a work folder.

    topics        clustered: points about 500 centres           unclustered   normal, the same in every direction
    spectrum      variances that fall as 1/j, turned at random, as those of text models do
    dialogue      lexical vectors of turns of dialogue, and of two turns of one conversation where the turns run out

A set of n records is vectors [n, 384] of length 1 and QUESTIONS questions drawn alike. Texts have 8 to 40 words of a
Zipf vocabulary of 30,000, questions 8, in every set the same. Record i has the tag `t{i % 100}`, question j looks for
the tag `t{j % 100}`: a filter that keeps 1 %. Of a dialogue only vectors are written, never a text. Only the dialogue
needs Wayfare, so that a peer's environment, which has NumPy, can read everything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
SETS = ("topics", "unclustered", "spectrum", "dialogue")
DIMENSION, QUESTIONS, TEN, TAGS = 384, 400, 10, 100
VOCABULARY, SHORTEST, LONGEST, ASKED = 30_000, 8, 40, 8
TOPICS, SPREAD = 500, 0.5
SAME = 1e-5
"""Two scores that differ by less are the same: contenders compute in float32."""
BLOCK = 20_000
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "ol")]


@dataclass(frozen=True)
class Rows:
    """Some records in their order: the number of the first, texts, vectors [m, D], tags."""

    first: int
    texts: Sequence[str]
    vectors: Vectors
    tags: Sequence[str]

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + len(self.texts))


@dataclass(frozen=True)
class Data:
    """What one set holds, read from its folder: vectors stay in the file until they are touched.

    questions [Q, D]        asked: their words
    tenth, tenth_tagged [Q]: score of the tenth best, of all records and of those with the tag
    """

    vectors: Vectors
    questions: Vectors
    asked: Sequence[str]
    tenth: NDArray[np.float32]
    tenth_tagged: NDArray[np.float32]
    folder: Path

    def __len__(self) -> int:
        return len(self.vectors)

    def texts(self, start: int, end: int) -> list[str]:
        """Of the records from `start` to before `end`."""
        return list(texts(start, end))

    def parts(self, size: int, start: int = 0, end: int | None = None) -> Iterator[Rows]:
        """The records, `size` at a time."""
        end = len(self) if end is None else end
        for first in range(start, end, size):
            last = min(end, first + size)
            tags = [tag(i) for i in range(first, last)]
            yield Rows(first, self.texts(first, last), np.array(self.vectors[first:last]), tags)

    def right(self, question: int, answers: Sequence[int], tagged: bool = False) -> float:
        """Share of the ten best that is among the answers (numbers of records): those at least as near as the tenth."""
        tenth = (self.tenth_tagged if tagged else self.tenth)[question]
        found = sorted({i for i in answers[:TEN] if not tagged or tag(i) == tag(question)})
        scores = np.asarray(self.vectors[found]) @ self.questions[question]
        return float(np.count_nonzero(scores >= tenth - SAME)) / min(TEN, len(self))


def tag(i: int) -> str:
    """Of record or question i."""
    return f"t{i % TAGS}"


def read(folder: Path) -> Data:
    """A set that `write` has left there."""
    told = json.loads((folder / "about.json").read_text())
    vectors, questions = np.load(folder / "vectors.npy", mmap_mode="r"), np.load(folder / "questions.npy")
    best = np.load(folder / "tenth.npy")
    return Data(vectors, questions, told["asked"], best[0], best[1], folder)


def write(folder: Path, name: str, n: int, dialogue: Path | None = None) -> dict[str, Any]:
    """Make a set of n records unless it is there already; what it is made of.

    dialogue: a file as LoCoMo's (a list of conversations); without one a dialogue is made up
    """
    about = folder / "about.json"
    if about.exists():
        return dict(json.loads(about.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    source = ""
    if name == "dialogue":
        vectors, questions, source = _dialogue(n, dialogue)
    else:
        vectors, questions = _drawn(name, n)
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "questions.npy", questions)
    np.save(folder / "tenth.npy", _tenth(vectors, questions))
    told = {"set": name, "records": n, "source": source or name, "asked": asked(len(questions))}
    aside = folder / "about.json.new"
    aside.write_text(json.dumps(told))
    os.replace(aside, about)
    return told


# Vectors


def _drawn(name: str, n: int) -> tuple[Vectors, Vectors]:
    """Records [n, D] and questions [Q, D] of a set that is drawn; the first records of a larger set are the smaller."""
    shape = np.random.default_rng([7, SETS.index(name)])
    centres = _unit(shape.normal(size=(TOPICS, DIMENSION)).astype(np.float32))
    scale = (np.arange(1, DIMENSION + 1) ** -0.5).astype(np.float32)
    turn = np.linalg.qr(shape.normal(size=(DIMENSION, DIMENSION)))[0].astype(np.float32)

    def some(m: int, *seed: int) -> Vectors:
        rng = np.random.default_rng([11, SETS.index(name), *seed])
        normal = rng.standard_normal((m, DIMENSION), np.float32)
        if name == "topics":
            return _unit(centres[rng.integers(TOPICS, size=m)] + SPREAD * normal / np.float32(DIMENSION**0.5))
        return _unit(normal) if name == "unclustered" else _unit((normal * scale) @ turn)

    found = np.empty((n, DIMENSION), np.float32)
    for block, start in enumerate(range(0, n, BLOCK)):
        found[start : start + BLOCK] = some(BLOCK, 0, block)[: n - start]
    return found, some(QUESTIONS, 1)


def _dialogue(n: int, path: Path | None) -> tuple[Vectors, Vectors, str]:
    """Lexical vectors of n pieces of dialogue and of questions about it, and what they were taken from."""
    from wayfare.memory.embedding.lexical import Lexical

    rng = np.random.default_rng(13)
    if path is None:
        talks, questions = _made_up(rng)
        source = "a dialogue that is made up (no --dialogue given)"
    else:
        given = json.loads(path.read_text())
        talks = [turns_of(each["conversation"]) for each in given]
        questions = [str(each["question"]) for talk in given for each in talk["qa"]]
        turns = sum(map(len, talks))
        source = f"real dialogue: {len(talks)} conversations, {turns} turns, beyond that two turns of one conversation"
    pieces = [turn for talk in talks for turn in talk][:n]
    seen = set(pieces)
    while len(pieces) < n:
        talk = talks[int(rng.integers(len(talks)))]
        first, second = rng.integers(len(talk), size=2)
        piece = f"{talk[first]} {talk[second]}"
        if piece not in seen:
            seen.add(piece)
            pieces.append(piece)
    embedder = Lexical(DIMENSION)
    chosen = [questions[i] for i in rng.permutation(len(questions))[:QUESTIONS]]
    return embedder.embed(pieces), embedder.embed(chosen), source


def turns_of(conversation: dict[str, Any]) -> list[str]:
    """What is said in a conversation of LoCoMo's schema, in order, each with its speaker."""
    sessions = [
        name for name in conversation if name.startswith("session_") and name.removeprefix("session_").isdigit()
    ]
    sessions.sort(key=lambda name: int(name.removeprefix("session_")))
    return [f"{turn['speaker']}: {turn['text']}" for name in sessions for turn in conversation[name]]


def _made_up(rng: np.random.Generator) -> tuple[list[list[str]], list[str]]:
    """Conversations of 600 turns between two, and questions that take some words of a turn."""
    names = ["Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana"]
    talks = []
    for c in range(8):
        said = _sentences(rng, 600, 5, 30)
        talks.append([f"{names[(c + i % 2) % 8]}: {each}" for i, each in enumerate(said)])
    questions = []
    for _ in range(2 * QUESTIONS):
        words = talks[int(rng.integers(8))][int(rng.integers(600))].replace(":", "").split()
        questions.append("When did " + " ".join(words[i] for i in sorted(rng.permutation(len(words))[:6])) + "?")
    return talks, questions


def _unit(vectors: Vectors) -> Vectors:
    lengths: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def _tenth(vectors: Vectors, questions: Vectors) -> NDArray[np.float32]:
    """[2, Q] score of the tenth best for each question: of all records, and of those with its tag."""
    n, count = len(vectors), len(questions)
    found = np.full((2, count), -np.inf, np.float32)
    tags = np.arange(n) % TAGS
    for j in range(count):
        scores = vectors @ questions[j]
        for row, some in enumerate((scores, scores[tags == j % TAGS])):
            found[row, j] = np.partition(some, max(0, len(some) - TEN))[max(0, len(some) - TEN)]
    return found


# Texts


def word(rank: int) -> str:
    """The word of a rank, from 0: three syllables that no other rank has."""
    base = len(SYLLABLES)
    return SYLLABLES[rank % base] + SYLLABLES[rank // base % base] + SYLLABLES[(rank // base**2 + 7 * rank) % base]


_WORDS: list[str] = []
_LAW: list[NDArray[np.float64]] = []


def _sentences(rng: np.random.Generator, m: int, shortest: int, longest: int) -> list[str]:
    """m texts, their words by Zipf's law."""
    if not _WORDS:
        _WORDS.extend(word(rank) for rank in range(VOCABULARY))
        mass = 1.0 / np.arange(1, VOCABULARY + 1)
        _LAW.append(np.cumsum(mass / mass.sum()))
    lengths = rng.integers(shortest, longest + 1, size=m)
    ranks = np.minimum(np.searchsorted(_LAW[0], rng.random(int(lengths.sum()))), VOCABULARY - 1)
    parts = np.split(ranks, np.cumsum(lengths)[:-1])
    return [" ".join([_WORDS[rank] for rank in part]) for part in parts]


def texts(start: int, end: int) -> Iterator[str]:
    """Of the records from `start` to before `end`: the same in every set."""
    size = 1_000
    for block in range(start // size, -(-end // size)):
        made = _sentences(np.random.default_rng([17, block]), size, SHORTEST, LONGEST)
        yield from made[max(0, start - block * size) : end - block * size]


def asked(count: int) -> list[str]:
    """The words of so many questions."""
    return _sentences(np.random.default_rng([19]), count, ASKED, ASKED)
