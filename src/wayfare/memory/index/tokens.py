"""The words of a text, as the index knows them: the same for what is stored and for what is asked.

    folded      compatibility forms made one (NFKC), case and diacritics dropped
    split       at everything that is neither letter nor digit; "user's" is `user`, "don't" is `dont`
    numbers     without leading zeros, so that 2023-05-07 and 7 May 2023 share 2023 and 7; dates, times, versions and
                decimals are known as a whole too: 3.11 is `3`, `11` and `3.11`
    stemmed     Porter 1980, words of a-z only; irregular forms (went, children) by the table of `irregular`
    unspaced    Chinese, Japanese, Thai: every two characters that stand side by side

No word is left out: "to be or not to be" stays findable. `queries` says what each weighs in a query.
"""

from __future__ import annotations

import re
import unicodedata

from wayfare.memory.index.irregular import IRREGULAR
from wayfare.memory.index.stems import stem

__all__ = ["LONGEST", "tokens"]

LONGEST = 64
"""Characters of one word that count; a longer one (a key, a blob in base64) is known by its beginning."""
_MOST_STEMS = 100_000
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_COMPOUND = re.compile(r"\d+(?:[.:/,-]\d+)+")
_DIGIT = re.compile(r"\d")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+"
)


class _Stems(dict[str, str]):
    """Words seen -> their stems; begun anew when full."""

    def __missing__(self, word: str) -> str:
        found = _stemmed(word)
        if len(self) >= _MOST_STEMS:
            self.clear()
        self[word] = found
        return found


def _stemmed(word: str) -> str:
    if "'" in word:
        word = word.removesuffix("'s").replace("'", "")
    if word.isascii():
        if word.isdigit():
            word = word.lstrip("0") or "0"
        elif word.isalpha():
            return IRREGULAR.get(word) or stem(word[:LONGEST])
    return word[:LONGEST]


_stems = _Stems()


def tokens(text: str) -> list[str]:
    """In the order of the text, whole dates and versions last; repeated words are repeated.

    A lone word of an unspaced script is known by its single character.
    """
    text = text.lower() if text.isascii() else _folded(text)
    words = _WORD.findall(text)
    if not text.isascii() and _UNSPACED.search(text):
        found = [part for word in words for part in _parts(word)]
    else:
        found = list(map(_stems.__getitem__, words))
    if _DIGIT.search(text):
        found += [whole[:LONGEST] for whole in _COMPOUND.findall(text)]
    return found


def _folded(text: str) -> str:
    text = _ACCENTS.sub("", unicodedata.normalize("NFKD", text.replace("\u2019", "'")))
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _parts(word: str) -> list[str]:
    """Pairs of neighbours within an unspaced run, the rest of the word as it is."""
    parts: list[str] = []
    end = 0
    for run in _UNSPACED.finditer(word):
        if run.start() > end:
            parts.append(_stems[word[end : run.start()]])
        characters = run.group()
        parts += [characters[i : i + 2] for i in range(max(1, len(characters) - 1))]
        end = run.end()
    if end < len(word):
        parts.append(_stems[word[end:]])
    return parts
