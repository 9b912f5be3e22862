"""P8: whether what came of things changes what is found later."""

from __future__ import annotations

from typing import Any

import numpy as np

from wayfare.memory.probes.trial import Seen, Trial

__all__ = ["outcome_learning"]

PAIRS = 16
ROUNDS = 5
LOOKS = 3
"""Recalls by which it is judged what is found first, for a memory may explore."""
T = 2.131
"""97.5 % quantile of Student's t, 15 degrees of freedom."""


def outcome_learning(trial: Trial) -> Seen:
    """P8: two memories live through the same, except that what is rewarded in one is not in the other.

    Of each pair, two answers to nearly the same task, one is good. D = P(the good one is found first) in the memory
    that was told so, minus the same where it was told the opposite; t interval over the pairs, which both memories
    share. Whatever a memory does without regard to outcomes, D is 0 on average.
    """
    first = {told_so: _lived(trial, told_so) for told_so in (True, False)}
    gained = first[True] - first[False]
    d, width = float(gained.mean()), T * float(gained.std(ddof=1)) / PAIRS**0.5
    learned = d - width > 0
    evidence = (
        f"the good one first {first[True].mean():.2f}, told the opposite {first[False].mean():.2f}:"
        f" D = {d:.2f} [{d - width:.2f}, {d + width:.2f}]"
    )
    return Seen("pass" if learned else "fail", evidence, {"learns": learned})


def _lived(trial: Trial, told_so: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    """[pairs] share of looks that find the good one first."""
    words = trial.words(8)
    subject = trial.subject(k=1, budget=20 * PAIRS)
    won = np.zeros(PAIRS)
    for pair in range(PAIRS):
        key, good, bad = words.words(5), words.word(), words.word()
        reward = {good: float(told_so), bad: float(not told_so)}
        task = " ".join(key)
        for text in (good, bad):
            subject.finish(f"{task} {words.word()}", text, reward[text])
        for _ in range(ROUNDS):
            hits = subject.recall(task, 1)[:1]
            shown = [text for text in (good, bad) if hits and text in hits[0][1]]
            if len(shown) == 1 and hits[0][0] and subject.can("credit"):
                subject.do("credit", [hits[0][0]], reward[shown[0]])
        for _ in range(LOOKS):
            found = [text for _, text in subject.recall(task, 4)]
            places = [next((i for i, text in enumerate(found) if each in text), len(found)) for each in (good, bad)]
            won[pair] += (places[0] < places[1]) / LOOKS
    trial.close()
    return won
