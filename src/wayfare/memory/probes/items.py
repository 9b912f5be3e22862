"""What the probes write: words that no language has, so that nothing is found but by what a probe has put there.

A word has seven letters, none of them twice, and means the same as the word that is read backwards: the two share no
letters in a row, hence nothing that a search for words or pieces of words could go by. `Meanings` is an embedder that
knows this one thing about meaning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

__all__ = ["Meanings", "Words", "backwards"]

CONSONANTS, VOWELS = "bfkmnprtvz", "aiou"


class Words:
    """Draws words, each once."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 2512, 13564])
        self._drawn: set[str] = set()

    def word(self) -> str:
        """A new one, which is also no other's reverse."""
        while True:
            c = self.rng.permutation(list(CONSONANTS))[:4]
            v = self.rng.permutation(list(VOWELS))[:3]
            word = "".join((c[0], v[0], c[1], v[1], c[2], v[2], c[3]))
            if word not in self._drawn:
                self._drawn |= {word, word[::-1]}
                return word

    def words(self, n: int) -> list[str]:
        """n of them."""
        return [self.word() for _ in range(n)]

    def cue(self, n: int = 4) -> str:
        """n of them as a text."""
        return " ".join(self.words(n))


def backwards(text: str) -> str:
    """The same in other words."""
    return " ".join(word[::-1] for word in text.split())


class Meanings:
    """An embedder of meanings: a text is the sum of its words' vectors, and a word has that of its reverse."""

    model = "probes-meanings"
    dimension = 256

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[N, D], rows of length 1."""
        return np.stack([self.embed_query(text) for text in texts]) if texts else np.zeros((0, 256), np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """[D]"""
        total = np.zeros(self.dimension)
        for word in re.findall(r"\w+", text.casefold()):
            seed = int.from_bytes(blake2b(min(word, word[::-1]).encode(), digest_size=8).digest(), "little")
            total += np.random.default_rng(seed).standard_normal(self.dimension)
        length = float(np.linalg.norm(total))
        found: NDArray[np.float32] = (total / length if length else total).astype(np.float32)
        return found
