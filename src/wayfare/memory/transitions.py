"""What really happened, as a plain list in the process: the buffer that a planner reads, and its snapshots.

    buffer = Transitions()
    buffer.remember(state, action, reached, reward, predicted=guess)     # `surprise` where the guess was wrong
    buffer.recall(state, k=5)                                            # what happened from there, latest first
    view = buffer.snapshot()                                             # what plans are made from
    buffer.moved(view)                                                   # has a prediction failed since?

With `keep="surprises"` an example is kept only where a prediction was wrong, as in published code; counts of all
outcomes stand beside the examples all the same, for in a noisy world rare outcomes would otherwise look typical. What a
model *predicted* is never remembered as if it had happened.

States and actions may be anything that hashes; texts are recalled by equality, not by likeness. The verbs are those of
the memory engine to come.

Source: Liu et al. 2023 (arXiv 2309.17382); storing on misprediction and the switching condition that follows are those
of its Tic-Tac-Toe instance.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from wayfare.errors import BadValue
from wayfare.memory.cards import (
    Consolidation,
    Forgetting,
    Form,
    Formation,
    Function,
    MemoryCard,
    Retrieval,
    Scope,
    Topology,
    Updating,
)

__all__ = ["Snapshot", "Transition", "Transitions"]

Keep = Literal["all", "surprises"]


@dataclass(frozen=True)
class Transition:
    """One real step, in the order of `number`. surprise: a prediction was made of it and was wrong."""

    number: int
    state: Hashable
    action: Hashable
    reached: Hashable
    reward: float
    surprise: bool = False


@dataclass(frozen=True)
class Snapshot:
    """The buffer as it stood. id: the same for the same content of one buffer; notes: reflections, oldest first."""

    id: int
    items: tuple[Transition, ...]
    notes: tuple[str, ...]
    counts: dict[tuple[Hashable, Hashable], Counter[tuple[Hashable, float]]]

    def recall(self, state: Hashable, action: Hashable | None = None, *, k: int = 5) -> list[Transition]:
        """See `Transitions.recall`."""
        return _recall(self.items, state, action, k)

    def frequencies(self, state: Hashable, action: Hashable) -> dict[tuple[Hashable, float], float]:
        """Share of each (reached, reward) among all that was seen, kept as an example or not; empty if never tried."""
        seen = self.counts.get((state, action), Counter())
        return {outcome: count / seen.total() for outcome, count in seen.items()}


class Transitions:
    """The buffer. keep: all, or surprises alone; most: examples kept, the oldest leave first (their counts stay).

    Raises: BadValue for the first argument out of range.
    """

    card = MemoryCard(
        form={Form.TOKEN}, topology={Topology.FLAT}, function={Function.CASE, Function.FACTUAL_ENVIRONMENT},
        formation={Formation.VERBATIM}, consolidation={Consolidation.NONE}, updating={Updating.NONE},
        forgetting={Forgetting.TIME}, retrieval={Retrieval.LEXICAL}, scope={Scope.CONTEXT_ENGINEERING},
        deletable="no", abstains=True,
    )  # fmt: skip
    """Of one process: it outlives an episode, and no restart. Texts are found by equality."""

    def __init__(self, keep: Keep = "all", most: int | None = None) -> None:
        if keep not in ("all", "surprises"):
            raise BadValue("keep", keep, "'all' or 'surprises'")
        if most is not None and most < 1:
            raise BadValue("most", most, "at least 1, or None")
        self.keep, self.most = keep, most
        self._items: list[Transition] = []
        self._notes: list[str] = []
        self._counts: dict[tuple[Hashable, Hashable], Counter[tuple[Hashable, float]]] = {}
        self._number = self._version = self._surprises = 0

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Transition]:
        return iter(self._items)

    @property
    def surprises(self) -> int:
        """How many predictions were wrong so far."""
        return self._surprises

    def remember(
        self,
        state: Hashable,
        action: Hashable,
        reached: Hashable,
        reward: float,
        *,
        predicted: tuple[Hashable, float] | None = None,
    ) -> Transition:
        """Take in what really happened. predicted: (reached, reward) as foretold, None where nothing was.

        Raises: BadValue for a reward that is not finite; nothing is changed.
        """
        if not math.isfinite(reward):
            raise BadValue("reward", reward, "finite")
        surprise = predicted is not None and predicted != (reached, reward)
        found = Transition(self._number, state, action, reached, float(reward), surprise)
        self._number += 1
        self._counts.setdefault((state, action), Counter())[reached, found.reward] += 1
        self._surprises += surprise
        if surprise or self.keep == "all":
            self._items.append(found)
            self._version += 1
            if self.most is not None:
                del self._items[: -self.most]
        return found

    def note(self, text: str) -> None:
        """A reflection on what went wrong. Raises: BadValue for an empty one."""
        if not text.strip():
            raise BadValue("text", text, "not empty")
        self._notes.append(text)
        self._version += 1

    def recall(self, state: Hashable, action: Hashable | None = None, *, k: int = 5) -> list[Transition]:
        """The latest `k` examples from `state` (by `action`, if given), latest first.

        Raises: BadValue for k below 1.
        """
        return _recall(self._items, state, action, k)

    def counts(self, state: Hashable, action: Hashable) -> Counter[tuple[Hashable, float]]:
        """How often each (reached, reward) was seen, kept as an example or not."""
        return Counter(self._counts.get((state, action), Counter()))

    def snapshot(self) -> Snapshot:
        """The buffer as it stands; later changes do not reach it."""
        counts = {pair: Counter(seen) for pair, seen in self._counts.items()}
        return Snapshot(self._version, tuple(self._items), tuple(self._notes), counts)

    def moved(self, since: Snapshot) -> bool:
        """Whether a reflection, or a wrong prediction among the examples, came after the snapshot."""
        if len(self._notes) > len(since.notes):
            return True
        last = since.items[-1].number if since.items else -1
        return any(item.surprise for item in self._items if item.number > last)

    def forget(self) -> None:
        """Everything; the next snapshot's id is a new one."""
        self._items, self._notes, self._counts = [], [], {}
        self._version += 1


def _recall(items: Sequence[Transition], state: Hashable, action: Hashable | None, k: int) -> list[Transition]:
    if k < 1:
        raise BadValue("k", k, "at least 1")
    found = []
    for item in reversed(items):
        if item.state == state and (action is None or item.action == action):
            found.append(item)
            if len(found) == k:
                break
    return found
