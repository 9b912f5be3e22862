"""Modular arithmetic: one word is the answer, over all pairs of numbers."""

from __future__ import annotations

import pytest

from wayfare.worlds.verifiable import ModularArithmetic
from wayfare.worlds.verifiable.contract import SPLITS


def test_modular_answers_are_one_word_and_the_corpus_is_right_at_its_rate() -> None:
    of = ModularArithmetic(p=11, hint_rate=0.4)
    assert of.verify("n8", 8) == 1
    assert [of.verify(text, 8) for text in ("n08", "8", "n8 n8", "n19", "n\u0668", "n", "n-3", "n8\n")] == [0] * 8
    corpus = of.corpus(4000, 0)
    right = 0
    for prompt, completion in corpus:
        a, _, b, _ = prompt.split()
        right += completion == f"n{(int(a[1:]) + int(b[1:])) % 11}"
    assert right / 4000 == pytest.approx(0.4, abs=0.03)
    rows = [row for split in SPLITS for row in of.rows(split)]
    assert sorted(row["index"] for row in rows) == list(range(121))
    for row in rows:
        a, _, b, _ = row["prompt"].split()
        assert row["answer"] == (int(a[1:]) + int(b[1:])) % 11
