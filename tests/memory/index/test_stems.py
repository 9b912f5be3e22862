from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.memory.index.stems import _measure, stem

# The examples of Porter's paper, carried through all five steps.
PAIRS = """
caresses caress  ponies poni  ties ti  caress caress  cats cat
feed feed  agreed agre  plastered plaster  bled bled  motoring motor  sing sing
conflated conflat  troubled troubl  sized size  hopping hop  tanned tan  falling fall  hissing hiss  fizzed fizz
failing fail  filing file  happy happi  sky sky
relational relat  conditional condit  rational ration  valenci valenc  hesitanci hesit  digitizer digit
conformabli conform  radicalli radic  differentli differ  vileli vile  analogousli analog  vietnamization vietnam
predication predic  operator oper  feudalism feudal  decisiveness decis  hopefulness hope  callousness callous
formaliti formal  sensitiviti sensit  sensibiliti sensibl
triplicate triplic  formative form  formalize formal  electriciti electr  electrical electr  hopeful hope  goodness good
revival reviv  allowance allow  inference infer  airliner airlin  gyroscopic gyroscop  adjustable adjust
defensible defens  irritant irrit  replacement replac  adjustment adjust  dependent depend  adoption adopt
homologou homolog  communism commun  activate activ  angulariti angular  homologous homolog  effective effect
bowdlerize bowdler  probate probat  rate rate  cease ceas  controll control  roll roll
generalizations gener  oscillators oscil
connect connect  connected connect  connecting connect  connection connect  connections connect
"""
PUBLISHED = PAIRS.split()


@pytest.mark.parametrize(("word", "expected"), list(zip(PUBLISHED[::2], PUBLISHED[1::2], strict=True)))
def test_the_published_examples_come_out_as_published(word: str, expected: str) -> None:
    assert stem(word) == expected


@pytest.mark.parametrize(
    ("m", "words"),
    [(0, "tr ee tree y by"), (1, "trouble oats trees ivy"), (2, "troubles private oaten orrery")],
)
def test_the_measure_counts_as_the_paper_does(m: int, words: str) -> None:
    assert {_measure(word) for word in words.split()} == {m}


@given(st.text("abcdefghilmnorstuyz", min_size=1, max_size=14), st.sampled_from(["", "s", "ed", "ing", "ational"]))
def test_a_stem_is_never_empty_never_longer_and_begins_as_the_word_does(root: str, suffix: str) -> None:
    word = root + suffix
    found = stem(word)
    assert 1 <= len(found) <= len(word)
    assert word.startswith(found[:-1])
    assert len(word) > 2 or found == word
