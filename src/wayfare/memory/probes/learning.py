"""P8: whether what came of things changes what is found later."""

from __future__ import annotations

from typing import Any

from wayfare.memory.probes.trial import Seen, Trial

__all__ = ["outcome_learning"]

PAIRS = 14
ROUNDS = 5
Z = 1.96


def outcome_learning(trial: Trial) -> Seen:
    """P8: two memories live through the same, except that what is rewarded in one is not in the other.

    Of each pair, two answers to nearly the same task, one is good. D = P(the good one is found first) in the memory
    that was told so, minus the same where it was told the opposite; Newcombe's interval (1998). Whatever a memory does
    without regard to outcomes, D is 0 on average.
    """
    first: list[int] = []
    for told_so in (True, False):
        words = trial.words(8)
        subject = trial.subject(k=1, budget=20 * PAIRS)
        won = 0
        for _ in range(PAIRS):
            key, good, bad = words.words(5), words.word(), words.word()
            reward: dict[str, Any] = {good: float(told_so), bad: float(not told_so)}
            task = " ".join(key)
            for text in (good, bad):
                subject.finish(f"{task} {words.word()}", text, reward[text])
            for _ in range(ROUNDS):
                hits = subject.recall(task, 1)[:1]
                shown = [text for text in (good, bad) if hits and text in hits[0][1]]
                if len(shown) == 1 and hits[0][0] and subject.can("credit"):
                    subject.do("credit", [hits[0][0]], reward[shown[0]])
            found = [text for _, text in subject.recall(task, 4)]
            places = [next((i for i, text in enumerate(found) if each in text), len(found)) for each in (good, bad)]
            won += places[0] < places[1]
        first.append(won)
        trial.close()
    d = (first[0] - first[1]) / PAIRS
    low, high = _newcombe(first[0], first[1], PAIRS)
    learned = low > 0
    evidence = (
        f"the good one first {first[0]} of {PAIRS}, told the opposite {first[1]}: D = {d:.2f} [{low:.2f}, {high:.2f}]"
    )
    return Seen("pass" if learned else "fail", evidence, {"learns": learned})


def _newcombe(a: int, b: int, n: int) -> tuple[float, float]:
    """Of a / n - b / n, from Wilson's intervals of the two."""
    (la, ua), (lb, ub), p, q = _wilson(a, n), _wilson(b, n), a / n, b / n
    return p - q - ((p - la) ** 2 + (ub - q) ** 2) ** 0.5, p - q + ((ua - p) ** 2 + (q - lb) ** 2) ** 0.5


def _wilson(successes: int, n: int) -> tuple[float, float]:
    p = successes / n
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    width = Z * (p * (1 - p) / n + Z * Z / (4 * n * n)) ** 0.5 / (1 + Z * Z / n)
    return middle - width, middle + width
