"""Whether a text only restates what was just shown: an agent that stores what it has recalled stores nothing new.

Without this a memory fills with itself: one made-up fact was stored 668 times by a loop of recalling and remembering
(mem0ai/mem0 issue 4573).

A text is an echo of a record when it says hardly anything that the record does not: nearly all its words, as the index
knows them, and nearly all pairs of neighbouring words stand in it. Small words decide nothing; numbers and negations
that are not in the record always make it new.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from wayfare.memory.embedding.lexical import SMALL_WORDS
from wayfare.memory.index.tokens import tokens
from wayfare.memory.records import Record, normalised

__all__ = ["echo_of"]

WORDS = 0.9
"""Share of the text's words that stand in the record."""
PAIRS = 0.6
"""Share of the text's pairs of neighbouring words that do: the same words in another order say something else."""
TELLING = frozenset(
    {"not", "no", "never", "dont", "cannot", "cant", "wont", "doesnt", "didnt", "isnt", "arent", "without"}
)
_TRIMMED = SMALL_WORDS - TELLING


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
    known = set(shown)
    if not words or any(word not in known and (word in TELLING or word[0].isdigit()) for word in words):
        return 0.0
    if any(word in TELLING and word not in words for word in known):
        return 0.0
    share = sum(word in known for word in words) / len(words)
    pairs, there = set(pairwise(words)), set(pairwise(shown))
    held = len(pairs & there) / len(pairs) if pairs else 1.0
    # A lone word is not a restatement of a whole text.
    if share < WORDS or held < PAIRS or (len(words) == 1 and len(known) > 2):
        return 0.0
    return (share + held) / 2
