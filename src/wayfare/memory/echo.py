"""Whether a text only restates what was just shown: an agent that stores what it has recalled stores nothing new.

Without this a memory fills with itself: one made-up fact was stored 668 times by a loop of recalling and remembering
(mem0ai/mem0 issue 4573).

A text is an echo of a record when it says nothing that the record does not: every word of it, as the index knows them,
stands in the record, most pairs of neighbouring words too, and it denies what the record denies. Words that only hold
a sentence together, or introduce it ("as recalled:"), decide nothing. One new word is news: a wrong echo loses a
memory, a missed one costs a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from wayfare.memory.index.queries import SMALL_WORDS
from wayfare.memory.index.tokens import tokens
from wayfare.memory.records import Record, normalised

__all__ = ["echo_of"]

PAIRS = 0.6
"""Share of the text's pairs of neighbouring words that stand in the record: another order says something else."""
TELLING = frozenset(
    {"not", "no", "never", "dont", "cannot", "cant", "wont", "doesnt", "didnt", "isnt", "arent", "without"}
)
INTRODUCING = frozenset(
    tokens("said says recall recalls recalled recalling remember remembers remembered note noted reminder again known")
)
_TRIMMED = (SMALL_WORDS | INTRODUCING) - TELLING


def echo_of(text: str, shown: Sequence[Record]) -> str | None:
    """The id of the shown record that `text` restates, the closest where several are; None if it says anything new."""
    said, words = normalised(text), _words(text)
    best, closest = None, 0.0
    for record in shown:
        if normalised(record.content) == said:
            return record.id
        share = _restated(words, _words(record.content))
        if share > closest:
            best, closest = record.id, share
    return best


def _words(text: str) -> list[str]:
    found = tokens(text)
    return [word for word in found if word not in _TRIMMED] or found


def _restated(words: Sequence[str], shown: Sequence[str]) -> float:
    """How closely, to 1; 0 where it says something new."""
    own, known = set(words), set(shown)
    # A lone word is not a restatement of a whole text.
    if not own or not own <= known or (known & TELLING) - own or (len(own) == 1 and len(known) > 2):
        return 0.0
    pairs, there = set(pairwise(words)), set(pairwise(shown))
    held = len(pairs & there) / len(pairs) if pairs else 1.0
    return held * len(own) / len(known) if held >= PAIRS else 0.0
