"""Memories that hear what came of what they showed: MemRL, and this library's own.

A search is a task of the memory; the feedback on the stream's task is its credit. `MemRL` shows what is best by
(1 - lambda) z(similarity) + lambda z(Q) and moves Q of all that was shown towards the feedback (Zhang et al. 2026,
arXiv 2601.03192; `memory.utility` (4), `memory.credit` (1)). `SafeMemory` is `Memory()` as it comes: a mixture of
similarity and a learned policy that stays above the floor of the first.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wayfare.memory.candidates import MOST
from wayfare.memory.modules.frames import case
from wayfare.memory.modules.protocol import Finished, Found
from wayfare.memory.modules.stored import CASES, Stored
from wayfare.memory.policy import Policy
from wayfare.memory.recalled import Recall

__all__ = ["Credited", "MemRL", "SafeMemory"]

MOST_OPEN = 1_000
"""Searches that may wait for feedback; of more, the oldest are given up."""


class Credited(Stored):
    """ExpRAG that credits what it has shown; a policy says what that changes."""

    card = replace(CASES, learns_from_outcome=True)

    def __init__(self, address: str | os.PathLike[str], **settings: Any) -> None:
        super().__init__(address, **settings)
        self._turn = int(self.memory.stats().get("recalls", 0))
        self._open: OrderedDict[tuple[str, tuple[str, ...]], str] = OrderedDict()

    def search(self, task: str) -> Sequence[Found]:
        """(1) As the policy chooses."""
        return [Found(item.id, item.record.content, item.score) for item in self.recalled(task, self.k)]

    def recalled(self, task: str, k: int) -> Recall:
        """A recall that waits for its credit, named by how many came before: so its draws can be made again."""
        self._turn += 1
        found = self.memory.recall(task, k, task=f"stream {self._turn}")
        self.wait(task, found.ids, found.task)
        return found

    def wait(self, task: str, shown: tuple[str, ...], name: str) -> None:
        """Credit the recall `name` when a task ends that was shown these."""
        self._open[task, shown] = name
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)

    def update(self, finished: Finished) -> None:
        """(3) The feedback is the credit of what was shown; the task itself is kept."""
        self.credit(finished)
        super().update(finished)

    def credit(self, finished: Finished) -> None:
        """Nothing, where no feedback came or nothing was shown."""
        name = self._open.pop((finished.task, finished.shown), None)
        if name is not None and finished.shown and finished.feedback is not None:
            self.memory.credit(name, finished.feedback)


class MemRL(Credited):
    """Similarity and Q in equal parts, as published for tasks of several steps."""

    label = "MemRL"

    def settings(self) -> dict[str, Any]:
        """All that was shown shares a credit; no task is given to chance."""
        return {**super().settings(), "policy": Policy("memrl", epsilon=0.0), "credit_rule": "uniform", "k1": MOST}


class SafeMemory(Credited):
    """`Memory()` with its defaults, used as its manual says."""

    card = replace(Credited.card, abstains=True)
    label = "Wayfare, as it comes"

    def settings(self) -> dict[str, Any]:
        """None."""
        return {}

    def update(self, finished: Finished) -> None:
        """(3) Credit, then remember."""
        self.credit(finished)
        self.memory.remember(case(finished), kind="experience", keys=[("intent", finished.task)])
