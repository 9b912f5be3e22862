"""P8: whether what came of things changes what is found later."""

from __future__ import annotations

import numpy as np

from wayfare.memory.probes.subject import Looked
from wayfare.memory.probes.trial import Seen, Trial

__all__ = ["outcome_learning"]

PAIRS, CLEAR = 16, 6
"""Pairs at most; and after how many it ends where every pair says the same."""
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
    twins = {told_so: trial.subject(k=1, budget=20 * PAIRS) for told_so in (True, False)}
    words = trial.words(8)
    shares: list[tuple[float, float]] = []
    for _ in range(PAIRS):
        key, other, answers = words.words(5), words.words(2), words.words(2)
        shares.append(
            (_lived(twins[True], key, other, answers, True), _lived(twins[False], key, other, answers, False))
        )
        if len(shares) == CLEAR and shares[0][0] - shares[0][1] in (0.0, 1.0) and len({a - b for a, b in shares}) == 1:
            break
    so, opposite = np.array(shares).T
    gained = so - opposite
    d, width = float(gained.mean()), T * float(gained.std(ddof=1)) / len(shares) ** 0.5
    learned = d - width > 0
    evidence = (
        f"the good one first {so.mean():.2f}, told the opposite {opposite.mean():.2f}:"
        f" D = {d:.2f} [{d - width:.2f}, {d + width:.2f}] over {len(shares)} pairs"
    )
    return Seen("pass" if learned else "fail", evidence, {"learns": learned})


def _lived(subject: Looked, key: list[str], other: list[str], answers: list[str], told_so: bool) -> float:
    """Share of looks that find the good one, the first of the answers, first."""
    good, bad = answers
    reward = {good: float(told_so), bad: float(not told_so)}
    task = " ".join(key)
    for text, word in zip(answers, other, strict=True):
        subject.finish(f"{task} {word}", text, reward[text])
    for _ in range(ROUNDS):
        hits = subject.recall(task, 1)[:1]
        shown = [text for text in answers if hits and text in hits[0][1]]
        if len(shown) == 1 and hits[0][0] and subject.can("credit"):
            subject.do("credit", [hits[0][0]], reward[shown[0]])
    won = 0
    for _ in range(LOOKS):
        found = [text for _, text in subject.recall(task, 4)]
        places = [next((i for i, text in enumerate(found) if each in text), len(found)) for each in answers]
        won += places[0] < places[1]
    return won / LOOKS
