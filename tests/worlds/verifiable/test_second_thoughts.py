"""Second thoughts: the last attempt counts, WAIT and junk are as rare as their knobs say."""

from __future__ import annotations

import numpy as np
import pytest

from wayfare.worlds.verifiable import SecondThoughts
from wayfare.worlds.verifiable.second_thoughts import JUNK, WAIT

RIGHT, WRONG = "3 * 2 = 6 , 6 + 7 = 1 3", "3 + 2 = 5 , 5 + 7 = 1 2"


@pytest.mark.parametrize(
    ("text", "worth"),
    [(RIGHT, 1), (WRONG, 0), (f"{WRONG} WAIT {RIGHT}", 1), (f"{RIGHT} WAIT {WRONG}", 0), (f"{RIGHT} WAIT", 0),
     (f"{WRONG} WAIT {WRONG} WAIT {RIGHT}", 1), (f"WAIT WAIT {RIGHT}", 1), (f"WAIT WAIT WAIT {RIGHT}", 0),
     (f"{RIGHT} junk1", 0), (f"{WRONG} junk1 WAIT {RIGHT}", 1), (f"{WRONG} {RIGHT}", 0), (f"{WRONG} wait {RIGHT}", 0),
     ("WAIT" * 10**5 + RIGHT, 0)],
)  # fmt: skip
def test_only_the_last_of_at_most_three_attempts_is_scored(text: str, worth: int) -> None:
    found = SecondThoughts().reward(prompts=[""], completions=[text], numbers=[[3, 7, 2]], goal=[13])
    assert found == [worth]


def test_wait_and_junk_follow_attempts_at_their_rates_whether_right_or_wrong() -> None:
    of = SecondThoughts(wait_rate=0.3, junk_rate=0.02)
    corpus = of.corpus(6000, 0)
    firsts = [completion.split(f" {WAIT}")[0] for _, completion in corpus]
    waits = np.array([WAIT in completion for _, completion in corpus])
    right = []
    for (prompt, _), first in zip(corpus, firsts, strict=True):
        numbers, _, goal = prompt.removesuffix(" :").partition(" > ")
        told = first.split(" junk")[0]
        right.append(of.verify(told, [int(each) for each in numbers.split()], int(goal.replace(" ", ""))))
    by_right = [waits[np.array(right) == each].mean() for each in (0, 1)]
    assert by_right == pytest.approx([0.3, 0.3], abs=0.03)
    junk = [completion.split()[-1] for _, completion in corpus if WAIT not in completion]
    assert [junk.count(word) / len(corpus) for word in JUNK] == pytest.approx([0.02] * 4, abs=0.008)
    assert np.mean([completion.count(WAIT) == 2 for _, completion in corpus]) == pytest.approx(0.09, abs=0.015)


def test_another_attempt_is_right_as_often_as_the_first() -> None:
    of = SecondThoughts(wait_rate=1.0, junk_rate=0.0)
    corpus = of.corpus(2000, 0)
    assert all(completion.count(WAIT) == 2 and not completion.endswith(WAIT) for _, completion in corpus)
    tries = [completion.split(f" {WAIT} ") for _, completion in corpus]
    share = []
    for (prompt, _), tried in zip(corpus, tries, strict=True):
        numbers, _, goal = prompt.removesuffix(" :").partition(" > ")
        known = [int(each) for each in numbers.split()], int(goal.replace(" ", ""))
        share.append([of.verify(each, *known) for each in tried])
    assert np.mean(share, axis=0) == pytest.approx([0.3] * 3, abs=0.04)
    assert abs(np.corrcoef(np.array(share).T)[0, 1]) < 0.1
