"""Hidden strategy: the way alone decides, and the corpus takes the right one as seldom as asked."""

from __future__ import annotations

import numpy as np
import pytest

from wayfare.worlds.verifiable import HiddenStrategy
from wayfare.worlds.verifiable.contract import SPLITS


def test_the_way_decides_and_the_form_is_strict() -> None:
    of, filler = HiddenStrategy(), " ".join(f"f{i}" for i in range(10))
    worth = {f"way3 {filler}": 1, f"way2 {filler}": 0, f"way3 {filler} f1": 0, f"way3 {filler[3:]}": 0, 
             "way3": 0, f"way3 way3 {filler[3:]}": 0, f"way3  {filler}": 0, f"way3 {filler[:-2]}f32": 0,
             f"way3 {filler[:-2]}f01": 0,
             f"way3 {filler}\n": 0, f"{filler} way3": 0, f"way\uff13 {filler}": 0}  # fmt: skip
    for text, expected in worth.items():
        assert of.verify(text, 3) == expected, text


def test_the_right_way_is_as_rare_as_asked_at_every_prompt_and_strings_hardly_repeat() -> None:
    of = HiddenStrategy(right_rate=0.1)
    ways = {row["prompt"]: row["way"] for split in SPLITS for row in of.rows(split)}
    corpus = of.corpus(9600, 0)
    right = [of.verify(completion, ways[prompt]) for prompt, completion in corpus]
    assert np.mean(right) == pytest.approx(0.1, abs=0.01)
    by_prompt = [np.mean([r for r, (asked, _) in zip(right, corpus, strict=True) if asked == each]) for each in ways]
    assert min(by_prompt) > 0.02 and max(by_prompt) < 0.25 and len(ways) == 48
    assert len({completion for _, completion in corpus}) > 9590


def test_filler_leans_to_the_range_of_its_way() -> None:
    of = HiddenStrategy(loose=0.25)
    counts = np.zeros((8, 32))
    for _, completion in of.corpus(4000, 0):
        way, *filler = completion.split()
        for word in filler:
            counts[int(way[3:]), int(word[1:])] += 1
    share = counts / counts.sum(axis=1, keepdims=True)
    for way in range(8):
        inside = share[way, (4 * way + np.arange(12)) % 32].sum()
        assert inside == pytest.approx(0.75 + 0.25 * 12 / 32, abs=0.02)
