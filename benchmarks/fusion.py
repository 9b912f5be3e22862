"""How the numbers of the memory's ranking were chosen: on other conversations than those they are judged by.

    python benchmarks/fusion.py --data FILE          # as for `locomo.py`; some minutes

For every conversation that is left out, the setting with the best turn recall on the others is taken, the mean of
recall@5, @10 and @20, and judged on the one left out:

    window      turns before and after, and how often the turn itself (`dialogue.BEFORE`, `AFTER`, `OWN`)
    small       weight of a small word of the query (`queries.SMALL`)
    vectors     share of the lexical vectors beside words (`candidates.WEIGHTS`)
    sessions    share that comes from the best turn of the session (`candidates.WEIGHTS`)
    asked       what a turn that asks counts (`sessions.ASKED`)
    brief       a turn of n characters counts n / (n + this) (`sessions.BRIEF`)
    dates       share that is lost by what happened at another time than the query names (`candidates.WEIGHTS`)

Beside it `words` alone, with a window and a weight of small words chosen in the same way. "All" is the choice on all
conversations. Searches are the engine's, over the 200 best of each; what `locomo.py` measures through the public API
differs by what is cut as not relevant.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from locomo import Conversation, interval, read
from numpy.typing import NDArray

from wayfare.memory import Memory, dates, dialogue, sessions
from wayfare.memory.candidates import MOST, POOL, WEIGHTS
from wayfare.memory.embedding.lexical import Lexical
from wayfare.memory.index import queries
from wayfare.memory.index.cache import caches

KS = (5, 10, 20)
WINDOWS = ((1, 1, 2), (2, 1, 1), (2, 1, 2), (2, 2, 2))
SMALL = (0.15, 0.25, 0.4)
VECTORS = (0.0, 0.1, 0.2)
SESSIONS = (0.0, 0.2, 0.3, 0.4)
ASKED = (0.7, 0.85, 1.0)
BRIEF = (0.0, 10.0)
DATES = (0.0, 0.3)
Floats = NDArray[np.float64]


@dataclass(frozen=True, order=True)
class Setting:
    """A window, and the numbers above."""

    window: tuple[int, int, int] = WINDOWS[0]
    small: float = SMALL[0]
    vectors: float = 0.0
    sessions: float = 0.0
    asked: float = 1.0
    brief: float = 0.0
    dates: float = 0.0

    @property
    def words_alone(self) -> bool:
        """Whether nothing but a search for words has a part."""
        return (self.vectors, self.sessions, self.asked, self.brief, self.dates) == (0.0, 0.0, 1.0, 0.0, 0.0)


IN_CODE = Setting(
    (dialogue.BEFORE, dialogue.AFTER, dialogue.OWN),
    queries.SMALL,
    WEIGHTS["vectors"] / (WEIGHTS["words"] + WEIGHTS["vectors"]),
    WEIGHTS["sessions"],
    sessions.ASKED,
    sessions.BRIEF,
    WEIGHTS["dates"],
)


@dataclass(frozen=True)
class Scored:
    """Of one conversation, Q questions and N turns.

    words, vectors: [Q, N], 0 where not found        session, asking, length: [N]
    outside: [Q, N] whether it happened at another time than the question names
    asked, evidence: [E] pairs of a question and a turn that answers it
    """

    words: Floats
    vectors: Floats
    session: NDArray[np.int64]
    asking: NDArray[np.bool_]
    length: Floats
    outside: NDArray[np.bool_]
    asked: NDArray[np.int64]
    evidence: NDArray[np.int64]


@contextmanager
def held(window: tuple[int, int, int], small: float) -> Iterator[None]:
    """The engine with another window and weight."""
    before = (dialogue.BEFORE, dialogue.AFTER, dialogue.OWN), queries.SMALL
    try:
        (dialogue.BEFORE, dialogue.AFTER, dialogue.OWN), queries.SMALL = window, small
        yield
    finally:
        (dialogue.BEFORE, dialogue.AFTER, dialogue.OWN), queries.SMALL = before


def scored(talk: Conversation, window: tuple[int, int, int], smalls: Sequence[float]) -> dict[float, Scored]:
    """What the engine's searches say, for each weight of small words."""
    n, m = len(talk.turns), len(talk.questions)
    names = sorted({turn["session"] for turn in talk.turns})
    session = np.array([names.index(turn["session"]) for turn in talk.turns])
    asking = np.array([turn["text"].rstrip().endswith("?") for turn in talk.turns], np.bool_)
    length = np.array([len(f"{turn['speaker']}: {turn['text']}") for turn in talk.turns], np.float64)
    times = np.array([turn["time"] for turn in talk.turns])
    outside = np.zeros((m, n), np.bool_)
    for row, question in zip(outside, talk.questions, strict=True):
        span = dates.named(question.text)
        if span is not None:
            then = (times >= span[0]) & (times < span[1])
            row[:] = ~then & then.any()
    pairs = np.array([(i, place) for i, question in enumerate(talk.questions) for place in question.evidence], np.int64)
    found: dict[float, Scored] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        held(window, smalls[0]),
        Memory(Path(folder) / "m.db", synchronous="NORMAL") as memory,
    ):
        done = memory.remember_dialogue(talk.turns)
        database = memory.engine.database
        with database.read() as tx:
            numbers = dict(tx.execute("SELECT id, record FROM records").fetchall())
            ns = tx.namespace("default")
            assert ns is not None
            places: dict[int, list[int]] = {}
            for place, result in enumerate(done):
                places.setdefault(numbers[result.id], []).append(place)
            cache, lexical = caches(database)[ns], Lexical()
            vectors = np.zeros((m, n))
            for row, question in zip(vectors, talk.questions, strict=True):
                _fill(row, places, *cache.nearest(lexical.embed_query(question.text), POOL * MOST, exact=True))
            for small in smalls:
                words = np.zeros((m, n))
                with held(window, small):
                    for row, question in zip(words, talk.questions, strict=True):
                        _fill(row, places, *cache.words(question.text, POOL * MOST, calibrated=True))
                found[small] = Scored(
                    words, np.clip(vectors, 0.0, 1.0), session, asking, length, outside, pairs[:, 0], pairs[:, 1]
                )
    return found


def _fill(row: Floats, places: dict[int, list[int]], numbers: NDArray[np.int64], scores: Floats) -> None:
    for number, score in zip(numbers.tolist(), scores.tolist(), strict=True):
        row[places[number]] = score


def recall(given: Scored, setting: Setting) -> Floats:
    """Share of each question's evidence among the k best, [Q, KS]."""
    told = np.where(given.asking, setting.asked, 1.0) * given.length / (given.length + setting.brief)
    relevance = ((1 - setting.vectors) * given.words + setting.vectors * given.vectors) * told
    if setting.dates:
        relevance = np.where(given.outside, 1 - setting.dates, 1.0) * relevance
    if setting.sessions:
        best = np.stack([relevance[:, given.session == s].max(axis=1) for s in range(given.session.max() + 1)], axis=1)
        shared = (1 - setting.sessions) * relevance + setting.sessions * best[:, given.session]
        relevance = np.where(relevance > 0, shared, 0.0)
    rows = relevance[given.asked]
    own = rows[np.arange(len(rows)), given.evidence][:, None]
    earlier = np.arange(rows.shape[1]) < given.evidence[:, None]
    rank = np.count_nonzero((rows > own) | ((rows == own) & earlier), axis=1)
    held = (rank[:, None] < np.array(KS)) & (own > 0)
    counts = np.bincount(given.asked)
    return np.stack([np.bincount(given.asked, weights=held[:, i]) / counts for i in range(len(KS))], axis=1)


def figures(talks: Sequence[Conversation], say: Any = print) -> dict[Setting, list[Floats]]:
    """Setting -> recall of every question, [Q, KS] for each conversation."""
    told: dict[Setting, list[Floats]] = {}
    for talk in talks:
        for window in WINDOWS:
            by_small = scored(talk, window, SMALL)
            for small, *numbers in itertools.product(SMALL, VECTORS, SESSIONS, ASKED, BRIEF, DATES):
                setting = Setting(window, small, *numbers)
                told.setdefault(setting, []).append(recall(by_small[small], setting))
        say(f"{talk.name}: searched in {len(WINDOWS) * len(SMALL)} ways")
    return told


def chosen(told: dict[Setting, list[Floats]], but: int | None = None, words_alone: bool = False) -> Setting:
    """The best setting on all conversations but one; the first of equals."""

    def mean(setting: Setting) -> float:
        parts = [part for i, part in enumerate(told[setting]) if i != but]
        return round(float(np.concatenate(parts).mean()), 9)  # of all questions and KS

    return max((each for each in sorted(told) if each.words_alone or not words_alone), key=mean)


def held_out(told: dict[Setting, list[Floats]], words_alone: bool = False) -> tuple[list[Setting], list[Floats]]:
    """For each conversation the choice on the others, and what it finds there."""
    n = len(next(iter(told.values())))
    settings = [chosen(told, i, words_alone) for i in range(n)]
    return settings, [told[setting][i] for i, setting in enumerate(settings)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Choose, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a file with LoCoMo's schema")
    parser.add_argument("--output", type=Path, help="write the figures there, as JSON")
    options = parser.parse_args(arguments)
    talks = read(options.data)
    told = figures(talks)
    fused, words = held_out(told), held_out(told, words_alone=True)
    for i, talk in enumerate(talks):
        print(f"\n{talk.name} left out: {_shown(fused[0][i])}\n  words alone: {_shown(words[0][i])}\n ", end="")
        for j, k in enumerate(KS):
            print(f" recall@{k} {fused[1][i][:, j].mean():.3f}, words {words[1][i][:, j].mean():.3f};", end="")
    everything = chosen(told)
    rows = {
        "held out": fused[1],
        "words alone, held out": words[1],
        "difference": [a - b for a, b in zip(fused[1], words[1], strict=True)],
        "chosen on all, judged on the same": told[everything],
    }
    if IN_CODE in told:
        rows["in the code, judged on all"] = told[IN_CODE]
    shown = {
        name: {
            f"recall@{k}": [round(value, 4) for value in interval([part[:, j] for part in parts])]
            for j, k in enumerate(KS)
        }
        for name, parts in rows.items()
    }
    print("\n")
    for name, values in shown.items():
        print(f"{name:36}" + "  ".join(f"{k} {v[0]:.4f} [{v[1]:.4f}, {v[2]:.4f}]" for k, v in values.items()))
    print(f"chosen on all: {_shown(everything)}\nin the code:   {_shown(IN_CODE)}")
    if options.output:
        out = {
            "command": "python benchmarks/fusion.py --data FILE",
            "chosen": {talk.name: asdict(setting) for talk, setting in zip(talks, fused[0], strict=True)},
            "chosen on all": asdict(everything),
            "in the code": asdict(IN_CODE),
            "figures": shown,
        }
        options.output.write_text(json.dumps(out, indent=1) + "\n")


def _figures(parts: Sequence[Floats]) -> dict[str, list[float]]:
    return {
        f"recall@{k}": [round(value, 4) for value in interval([part[:, j] for part in parts])] for j, k in enumerate(KS)
    }


def _shown(setting: Setting) -> str:
    return ", ".join(f"{name} {value}" for name, value in asdict(setting).items())


if __name__ == "__main__":
    main()
