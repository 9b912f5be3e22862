"""The memory as arrays: candidates, scores, credit by the functions of `wayfare.memory`, without a file.

    bank = Bank(vectors)                               # [Q, D] float32 of length 1: of all that may ever be asked
    record = bank.write(task, strategy, success)       # one record an intent and strategy, as a Memory keeps it
    slate = bank.recall(query, arm, place)             # records, best first
    bank.credit(slate, used, reward, arm)

What is not the library's here is phase A alone, since that of a `Memory` is a search in its file:

    intents    the k1 most similar intents, with all that is filed under them                    as published
    items      the k1 most similar records
    rounds     the k1 most similar records, taken from every intent `each` at a time             as the library does

Everything less similar than RELATIVE times the best is left out of all three, as in the library. `through_memory` and a
test hold `rounds` equal to a `Memory`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.explore.rules.slates import Top
from wayfare.memory import candidates as library
from wayfare.memory.credit import CreditRule, credited, shares
from wayfare.memory.policy import FEATURES, Candidates, Policy
from wayfare.memory.receipts import as_logged
from wayfare.memory.records import Utility
from wayfare.studies.on_arrays import Chooser

__all__ = ["EACH", "Arm", "Bank"]

Floats = NDArray[np.float64]
Phase = Literal["intents", "items", "rounds"]
Label = Literal["", "written", "last", "ever"]

EACH: int = library.EACH
"""How many of an intent the library takes before it turns to the next."""


@dataclass(frozen=True)
class Arm:
    """A way to recall.

    policy: of the library; None recalls nothing        credit: how an outcome is shared out
    beta: rank by (1 + sum of rewards) / (2 + n) + 0.3 similarity instead of the policy's score: the mean of a Beta
    posterior whose prior is uniform, where the library's prior is what the other candidates earned
    phase, k1: how candidates are found        each: of an intent in a round        k2: how many are shown
    label: only records that succeeded when they were written, when last played, or ever
    """

    policy: Policy | None
    credit: CreditRule = CreditRule("uniform")  # noqa: RUF009
    beta: bool = False
    phase: Phase = "intents"
    k1: int = 5
    k2: int = 1
    each: int = EACH
    label: Label = ""

    def __post_init__(self) -> None:
        """Raises: BadValue."""
        if self.phase not in get_args(Phase):
            raise BadValue("phase", self.phase, f"one of {', '.join(get_args(Phase))}")
        if self.label not in get_args(Label):
            raise BadValue("label", self.label, "written, last, ever or empty")
        if self.k1 < 1 or self.k2 < 1 or self.each < 1:
            raise BadValue("k1, k2, each", (self.k1, self.k2, self.each), "at least 1 each")


class Bank:
    """Records by number, in the order in which they were written.

    vectors: [Q, D] float32 of length 1, of the tasks: relevance is the cosine        seed: of the draws of recall
    floor: relevance of the best candidate below which nothing is recalled
    """

    def __init__(self, vectors: NDArray[np.float32], *, floor: float = 0.02, seed: int = 0) -> None:
        wide = vectors.astype(np.float64)
        # the very product of the library's search, whose bits a matrix product would not give
        cosines = np.stack([np.einsum("ij,j->i", wide, row) for row in wide])
        self.relevance: Floats = np.clip(cosines, 0.0, 1.0)
        self._nearest = [np.argsort(-row, kind="stable").tolist() for row in self.relevance]
        self.floor = floor
        self.intent: list[int] = []
        self.strategy: list[int] = []
        self.labels: dict[str, list[bool]] = {"written": [], "last": [], "ever": []}
        self._filed: dict[int, list[int]] = {}
        self._utilities: list[Utility] = []
        self._numbers = np.zeros((5, 64))  # n, total, squares, q, recalled
        self._choose = Chooser(seed)

    def __len__(self) -> int:
        return len(self.intent)

    def write(self, task: int, strategy: int, success: bool) -> int:
        """The record of this strategy under this intent, made where there is none."""
        for record in self._filed.get(task, ()):
            if self.strategy[record] == strategy:
                self.labels["last"][record] = success
                self.labels["ever"][record] |= success
                return record
        record = len(self.intent)
        if record == self._numbers.shape[1]:
            self._numbers = np.concatenate([self._numbers, np.zeros_like(self._numbers)], axis=1)
        self._numbers[3, record] = np.nan
        self.intent.append(task)
        self.strategy.append(strategy)
        for label in self.labels.values():
            label.append(success)
        self._filed.setdefault(task, []).append(record)
        self._utilities.append(Utility())
        return record

    def candidates(self, query: int, arm: Arm) -> list[int]:
        """Phase A: records, the most similar first, older ones before newer ones of the same intent."""
        allowed = self.labels[arm.label] if arm.label else None
        similar = self.relevance[query]
        least, found, intents = -1.0, [], 0
        pool = library.POOL * arm.k1 if arm.phase == "rounds" else arm.k1
        for task in self._nearest[query]:
            filed = self._filed.get(task)
            if filed is None:
                continue
            if allowed is not None:
                filed = [record for record in filed if allowed[record]]
                if not filed:
                    continue
            if least < 0:
                if similar[task] < self.floor:
                    return []
                least = max(self.floor, library.RELATIVE * similar[task])
            if similar[task] < least:
                break
            found += filed
            intents += 1
            if (intents if arm.phase == "intents" else len(found)) >= pool:
                break
        if arm.phase == "intents":
            return found
        return found[: arm.k1] if arm.phase == "items" else self._by_rounds(found[:pool], arm)

    def _by_rounds(self, found: list[int], arm: Arm) -> list[int]:
        if len(found) <= arm.k1:
            return found
        turns: dict[int, int] = {}
        order = []
        for place, record in enumerate(found):
            turn = turns[self.intent[record]] = turns.get(self.intent[record], -1) + 1
            order.append((turn // arm.each, place))
        return [found[place] for place in sorted(place for _, place in sorted(order)[: arm.k1])]

    def recall(self, query: int, arm: Arm, place: int) -> list[int]:
        """Records, best first. place: of the draws, `place_of` the task's id."""
        if arm.policy is None:
            return []
        records = self.candidates(query, arm)
        if not records:
            return []
        seen = self._seen(query, records)
        k = min(arm.k2, len(records))
        if arm.beta:
            score = (1.0 + seen.total) / (2.0 + seen.n) + 0.3 * seen.relevance
            return [records[i] for i in Top(score).best(k)]
        return [records[i] for i in self._choose(arm.policy, seen, k, place)]

    def _seen(self, query: int, records: list[int]) -> Candidates:
        """What the policy sees, in the precision of a receipt."""
        n, total, squares, q, recalled = self._numbers[:, records]
        relevance = self.relevance[query][[self.intent[record] for record in records]]
        features = np.zeros((len(records), len(FEATURES)))
        names = ("",) * len(records)
        return as_logged(Candidates(names, (1,) * len(records), relevance, features, n, total, squares, q, recalled))

    def credit(self, shown: list[int], used: list[int], reward: float, arm: Arm) -> None:
        """An outcome for what was shown. used: what was acted upon."""
        split, basis = shares(arm.credit, [(record, i, 1.0) for i, record in enumerate(shown, 1)], used)
        for record, share in split.items():
            after = credited(self._utilities[record], share, reward, 0.0, basis == "used")
            self._utilities[record] = after
            self._numbers[:4, record] = after.n, after.total, after.squares, after.q
