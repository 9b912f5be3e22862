"""The stem of an English word: M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, pp. 130-137.

A word is read as a row of vowels and consonants. Its *measure* m is how often a consonant follows a vowel; five steps
take suffixes off, each only where enough of a word is left before it.
"""

from __future__ import annotations

__all__ = ["stem"]

_VOWELS = frozenset("aeiou")
_STEP_2 = (
    ("ational", "ate"), ("ization", "ize"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"),
    ("tional", "tion"), ("biliti", "ble"), ("entli", "ent"), ("ousli", "ous"), ("ation", "ate"), ("alism", "al"),
    ("aliti", "al"), ("iviti", "ive"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("abli", "able"),
    ("alli", "al"), ("ator", "ate"), ("eli", "e"),
)  # fmt: skip
_STEP_3 = (
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ness", ""), ("ful", ""),
)  # fmt: skip
_STEP_4 = (
    "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ion", "ism", "ate", "iti", "ous", "ive", "ize",
    "al", "er", "ic", "ou",
)  # fmt: skip


def _shape(word: str) -> str:
    """A v for each vowel, a c for each consonant; y is a vowel after a consonant."""
    shape = ""
    for letter in word:
        vowel = letter in _VOWELS or (letter == "y" and shape.endswith("c"))
        shape += "v" if vowel else "c"
    return shape


def _measure(word: str) -> int:
    return _shape(word).count("vc")


def _has_vowel(word: str) -> bool:
    return "v" in _shape(word)


def _doubled(word: str) -> bool:
    """Ends in the same consonant twice."""
    return len(word) > 1 and word[-1] == word[-2] and _shape(word)[-1] == "c"


def _short(word: str) -> bool:
    """Ends in consonant, vowel, consonant, the last none of w, x, y."""
    return word[-1:] not in ("w", "x", "y") and _shape(word).endswith("cvc")


def _step_1(word: str) -> str:
    """Plurals, -ed, -ing, and y."""
    if word.endswith(("sses", "ies")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    if word.endswith("eed"):
        if _measure(word[:-3]) > 0:
            word = word[:-1]
    else:
        rest = word[:-2] if word.endswith("ed") else word[:-3] if word.endswith("ing") else None
        if rest is not None and _has_vowel(rest):
            if rest.endswith(("at", "bl", "iz")):
                word = rest + "e"
            elif _doubled(rest) and rest[-1] not in "lsz":
                word = rest[:-1]
            else:
                word = rest + "e" if _measure(rest) == 1 and _short(rest) else rest
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    return word


def _step_2_and_3(word: str) -> str:
    """Double suffixes become single ones."""
    for suffixes in (_STEP_2, _STEP_3):
        for suffix, short in suffixes:
            if word.endswith(suffix):
                rest = word[: -len(suffix)]
                word = rest + short if _measure(rest) > 0 else word
                break
    return word


def _step_4_and_5(word: str) -> str:
    """The last suffix, a final e, and a double l."""
    for suffix in _STEP_4:
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            if _measure(rest) > 1 and (suffix != "ion" or rest.endswith(("s", "t"))):
                word = rest
            break
    if word.endswith("e"):
        rest = word[:-1]
        m = _measure(rest)
        if m > 1 or (m == 1 and not _short(rest)):
            word = rest
    if word.endswith("ll") and _measure(word) > 1:
        word = word[:-1]
    return word


def stem(word: str) -> str:
    """Of a lower-case word of the letters a-z; words of one or two letters are their own."""
    if len(word) <= 2:
        return word
    return _step_4_and_5(_step_2_and_3(_step_1(word)))
