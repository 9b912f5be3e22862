"""Texts as vectors without a model: hashed words and pieces of words.

Every word (stemmed, as the index knows it) and every three to five neighbouring letters of it point to a place of the
vector and a sign, both taken from a hash (Weinberger et al., "Feature hashing for large scale multitask learning",
ICML 2009), so that inner products are right in the mean without a vocabulary. Repeated words count less than once
each (1 + log of their number); words that only hold sentences together count little. What this adds to the search for
words: misspelt, compound and inflected words still meet. It knows nothing of meaning.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.memory.index.queries import SMALL_WORDS
from wayfare.memory.index.tokens import tokens

__all__ = ["DIMENSION", "Lexical"]

DIMENSION = 384
SMALLEST, LARGEST = 16, 8_192
PIECES = 0.6
"""Share of a word's length (as a vector) that its pieces have, the word itself having the rest."""
PLACES = 2
"""Of a word itself: with two a collision of words costs half."""
SMALL = 0.15
"""Weight of a word that only holds a sentence together; other words have 1."""
MOST_WORDS = 50_000
Feature = tuple[NDArray[np.int64], NDArray[np.float64]]


class _Words(dict[str, Feature]):
    """Word -> its places and what it adds at each; begun anew when full."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def __missing__(self, word: str) -> Feature:
        found = self._features(word)
        if len(self) >= MOST_WORDS:
            self.clear()
        self[word] = found
        return found

    def _features(self, word: str) -> Feature:
        marked = f"<{word}>"
        pieces = [marked[i : i + n] for n in (3, 4, 5) for i in range(len(marked) - n + 1) if n < len(marked)]
        whole, part = (1.0, 0.0) if not pieces else (1.0 - PIECES, PIECES)
        placed = [self._hashed(f"{copy}{word}", math.sqrt(whole / PLACES)) for copy in range(PLACES)]
        placed += [self._hashed(f"#{piece}", math.sqrt(part / len(pieces))) for piece in pieces]
        weight = SMALL if word in SMALL_WORDS else 1.0
        places = np.array([place for place, _ in placed], np.int64)
        return places, np.array([weight * value for _, value in placed])

    def _hashed(self, feature: str, value: float) -> tuple[int, float]:
        number = int.from_bytes(blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
        return (number >> 1) % self.dimension, value if number & 1 else -value


class Lexical:
    """The lexical embedder; the same text has the same vector everywhere and always.

    dimension: 16 to 8,192        Raises: BadValue
    """

    def __init__(self, dimension: int = DIMENSION) -> None:
        if isinstance(dimension, bool) or not isinstance(dimension, int) or not SMALLEST <= dimension <= LARGEST:
            raise BadValue("dimension", dimension, f"a whole number from {SMALLEST} to {LARGEST}")
        self.dimension = dimension
        self._words = _Words(dimension)

    @property
    def model(self) -> str:
        """`lexical`, or `lexical:D` for another dimension than 384."""
        return "lexical" if self.dimension == DIMENSION else f"lexical:{self.dimension}"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[N, D] float32, rows of length 1."""
        if isinstance(texts, str):
            raise BadValue("texts", texts[:50], "a list of texts")
        found = np.empty((len(texts), self.dimension), np.float32)
        for i, text in enumerate(texts):
            found[i] = self.embed_query(text)
        return found

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """[D] float32 of length 1: a question is embedded like any text."""
        # A text without any word (only signs, or nothing) is known as it stands.
        counts = Counter(tokens(text)) or Counter([text.strip()])
        features = [self._words[word] for word in counts]
        values = [
            amounts if count == 1 else amounts * (1.0 + math.log(count))
            for (_, amounts), count in zip(features, counts.values(), strict=True)
        ]
        places = np.concatenate([places for places, _ in features])
        vector = np.bincount(places, weights=np.concatenate(values), minlength=self.dimension)
        length = math.sqrt(float(np.dot(vector, vector)))
        if length < 1e-12:  # features that cancel out
            vector[0] = length = 1.0
        unit: NDArray[np.float32] = (vector / length).astype(np.float32)
        return unit

    def __reduce__(self) -> tuple[type[Lexical], tuple[int]]:
        return type(self), (self.dimension,)

    def __repr__(self) -> str:
        return f"Lexical({self.dimension})"
