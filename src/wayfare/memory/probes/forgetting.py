"""P5: what a memory forgets by, told from who survives a stream of ten times its budget.

Age, use and utility of the items are varied independently of each other: 2 x 2 classes of use and utility take turns in
time. For each of the three the survivors are compared with the forgotten,

    A = P(a survivor is younger | used more | of more worth than a forgotten one), ties as a half        (Mann-Whitney)

with a permutation test; A beside the 99 % band of A under no effect.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.probes.subject import Looked
from wayfare.memory.probes.trial import DAY, Seen, Trial

__all__ = ["forgetting"]

BUDGET = 8
ITEMS = 10 * BUDGET
OFTEN = 4
DRAWS = 4_000
LEVEL = 0.01
DRIVERS = {"time": "age", "frequency": "use", "importance": "worth"}


def forgetting(trial: Trial) -> Seen:
    """P5. An item is recalled, and credited with its worth, `OFTEN` times or once.

    Four that follow each other, one of each class, share half of their words: each is found beside better or worse.
    Where half of the stream has made nothing go, the other half is written alone.
    """
    words = trial.words(5)
    subject = trial.subject(k=1, budget=BUDGET, plain=True)
    shared: list[str] = []
    place = np.arange(ITEMS)
    use, worth = place % 2, (place // 2) % 2
    keys, texts, ids = [], [], []
    used = True
    for i in range(ITEMS):
        shared = words.words(2) if i % 4 == 0 else shared
        key, text = " ".join([*words.words(2), *shared]), words.word()
        ids.append(subject.finish(key, text, 1.0))
        keys.append(key)
        texts.append(text)
        if i == ITEMS // 2:
            used = subject.can("trim") or not all(map(partial(_alive, subject), ids, keys, texts))
        if used:
            _use(subject, key, text, OFTEN if use[i] else 1, float(worth[i]))
        trial.clock.now += DAY / 2
    if subject.can("trim"):
        subject.do("trim", BUDGET)
    alive = np.array([_alive(subject, *item) for item in zip(ids, keys, texts, strict=True)])
    kept = int(alive.sum())
    if kept == ITEMS:
        return Seen("not applicable", f"all {ITEMS} are there after ten times the budget", {"forgets": set()})
    if not kept:
        return Seen("fail", f"none of {ITEMS} is there in the end", {"forgets": {"unknown"}})
    drivers: dict[str, NDArray[Any]] = {"time": place, "frequency": use, "importance": worth}
    found, told = set(), []
    rng = trial.rng(5)
    for name, values in drivers.items():
        area, low, high = _area(alive, values.astype(float), rng)
        told.append(f"{DRIVERS[name]} A = {area:.2f} (by chance {low:.2f} to {high:.2f})")
        if area > high:
            found.add(name)
    evidence = f"{kept} of {ITEMS} survive a budget of {BUDGET}: {', '.join(told)}"
    return Seen("pass" if found else "fail", evidence, {"forgets": found or {"unknown"}})


def _use(subject: Looked, key: str, text: str, times: int, reward: float) -> None:
    for _ in range(times):
        hits = subject.recall(key, 1)
        own = [id for id, said in hits if text in said]
        if own and own[0] and subject.can("credit"):
            subject.do("credit", own[:1], reward)


def _alive(subject: Looked, id: str, key: str, text: str) -> bool:
    if subject.can("read"):
        return bool(id) and not subject.gone(id)
    return text in subject.found(key, 1)


def _area(alive: NDArray[Any], values: NDArray[Any], rng: np.random.Generator) -> tuple[float, float, float]:
    """A, and the band in which it lies by chance."""
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values))
    rank[order] = np.arange(1, len(values) + 1)
    for value in np.unique(values):
        rank[values == value] = rank[values == value].mean()
    n = int(alive.sum())
    rest = len(alive) - n

    def area(sums: Any) -> Any:
        return (sums - n * (n + 1) / 2) / (n * rest)

    drawn = np.array([rng.permutation(rank)[:n].sum() for _ in range(DRAWS)])
    low, high = np.quantile(area(drawn), [LEVEL / 2, 1 - LEVEL / 2])
    return float(area(rank[alive].sum())), float(low), float(high)
