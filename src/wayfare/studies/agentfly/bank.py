"""The cases of one seed as arrays, chosen from by the policies of `wayfare.memory`, without a file.

    bank = Bank(topics)                              # the logged cases, or none
    seen = bank.seen(task)                           # what a policy sees: candidates, the most similar first
    bank.choose(arm.policy, seen, arm.k, place)      # places among the candidates
    bank.write(task, strategy, reward)               # Retain: one case a task and strategy, counted

Phase A is the library's: the 50 most similar cases. `through_memory` and a test hold all of it equal to a `Memory`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.candidates import MOST, RELATIVE
from wayfare.memory.credit import CreditRule, credited, shares
from wayfare.memory.policy import FEATURES, Candidates
from wayfare.memory.receipts import as_logged
from wayfare.memory.records import Utility
from wayfare.memory.scoring import Scored
from wayfare.studies.agentfly.topics import Topics
from wayfare.studies.on_arrays import Chooser

__all__ = ["LABEL", "PLAN", "Bank", "Seen"]

Floats = NDArray[np.float64]
PLAN, LABEL = 2.0, 1.0
"""Of the features of a case: size of the strategy's one, and of the outcome, +1 or -1, between them in the mean."""
FLOOR = 0.02
USED = CreditRule("used")


class Seen:
    """The candidates of one task. cases: [n] numbers, the most similar first        relevance: [n]"""

    def __init__(self, cases: NDArray[np.int64], relevance: Floats, numbers: Floats) -> None:
        self.cases = cases
        n, total, squares, q, recalled = numbers[:, cases]
        names = tuple(map(str, cases))
        features = np.zeros((len(cases), len(FEATURES)))
        self.candidates = as_logged(
            Candidates(names, (1,) * len(cases), relevance, features, n, total, squares, q, recalled)
        )

    def __len__(self) -> int:
        return len(self.cases)

    def valued(self, scorer: str, q: Floats) -> Candidates:
        """With what a scorer said. q: [n]"""
        return as_logged(replace(self.candidates, scored=Scored(scorer, q)))


class Bank:
    """Cases by number, in the order in which they were written.

    task, strategy: [N]        tries, wins: [N] how often, and how often with success; logged: begin with the log
    """

    def __init__(self, topics: Topics, *, logged: bool = True, k1: int = MOST) -> None:
        self.topics, self.k1 = topics, k1
        self.task: list[int] = []
        self.strategy: list[int] = []
        self.tries: list[int] = []
        self.wins: list[float] = []
        self.choose = Chooser(topics.seed)
        self._known: dict[tuple[int, int], int] = {}
        self._rows = np.zeros((0, topics.vectors.shape[1]))
        self._numbers = np.zeros((5, 0))
        self._utilities: list[Utility] = []
        if logged:
            for case, (strategy, success) in enumerate(zip(topics.played, topics.success, strict=True)):
                self.write(case, int(strategy), float(success))

    def __len__(self) -> int:
        return len(self.task)

    def write(self, task: int, strategy: int, reward: float) -> int:
        """Its number: a new case, or one more try of the same strategy at the same task."""
        known = self._known.get((task, strategy))
        if known is not None:
            self.tries[known] += 1
            self.wins[known] += reward
            return known
        case = self._known[task, strategy] = len(self)
        if case == len(self._rows):
            grown = max(64, 2 * case)
            rows, numbers = np.zeros((grown, self._rows.shape[1])), np.zeros((5, grown))
            rows[:case], numbers[:, :case] = self._rows, self._numbers
            self._rows, self._numbers = rows, numbers
        self._rows[case] = self.topics.vectors[task]
        self._numbers[3, case] = np.nan
        self.task.append(task)
        self.strategy.append(strategy)
        self.tries.append(1)
        self.wins.append(reward)
        self._utilities.append(Utility())
        return case

    def succeeded(self, case: int) -> bool:
        """Whether it stands among the examples to follow: where half of its tries did."""
        return 2 * self.wins[case] >= self.tries[case]

    def example(self, case: int) -> tuple[int, bool]:
        """Strategy and success, as the frozen policy reads it."""
        return self.strategy[case], self.succeeded(case)

    def features(self, case: int) -> NDArray[np.float32]:
        """What a net reads of it: the task, the strategy, and what came of it."""
        kinds = self.topics.setting.strategies
        tail = np.zeros(kinds + 1, np.float32)
        tail[self.strategy[case]] = PLAN
        tail[kinds] = LABEL * (2 * self.wins[case] / self.tries[case] - 1)
        return np.concatenate([self.topics.features[self.task[case]], tail])

    def question(self, task: int) -> NDArray[np.float32]:
        """What a net reads of a task: the same width, without strategy and outcome."""
        return np.concatenate([self.topics.features[task], np.zeros(self.topics.setting.strategies + 1, np.float32)])

    def seen(self, task: int, *, among: NDArray[np.bool_] | None = None) -> Seen:
        """Phase A. among: [N] cases that may be recalled; None: all"""
        count = len(self)
        # the very product of the library's search, whose bits a matrix product would not give
        cosines = np.einsum("ij,j->i", self._rows[:count], self.topics.vectors[task].astype(np.float64))
        relevance = np.clip(cosines, 0.0, 1.0)
        order = np.argsort(-cosines, kind="stable")
        if among is not None:
            order = order[among[order]]
        order = order[: self.k1]
        best = relevance[order[0]] if len(order) else 0.0
        order = order[relevance[order] >= max(FLOOR, RELATIVE * best)] if best >= FLOOR else order[:0]
        return Seen(order, relevance[order], self._numbers)

    def credit(self, shown: list[int], reward: float) -> None:
        """An outcome for what was shown, in equal shares."""
        split, basis = shares(USED, [(case, i, 1.0) for i, case in enumerate(shown, 1)], None)
        for case, share in split.items():
            after = credited(self._utilities[case], share, reward, 0.0, basis == "used")
            self._utilities[case] = after
            self._numbers[:4, case] = after.n, after.total, after.squares, after.q
