"""What came last: the whole history, or its last k tasks. No search, no choice.

`History` is the full-context baseline, `ExpRecent` the published one that asks whether ExpRAG's gain is more than
recency (Wei et al. 2025, arXiv 2511.20857).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wayfare.memory.cards import Retrieval
from wayfare.memory.modules.protocol import Found
from wayfare.memory.modules.stored import CASES, Stored

__all__ = ["ExpRecent", "History"]


class ExpRecent(Stored):
    """The last k tasks, the last first."""

    card = replace(CASES, retrieval={Retrieval.RECENCY})
    label = "ExpRecent"

    def search(self, task: str) -> Sequence[Found]:
        """(1) Whatever the task is."""
        return self._last(self.k)

    def _last(self, n: int) -> list[Found]:
        page = self.memory.list(kind="experience", newest=True, limit=n)
        return [Found(record.id, record.content) for record in page.records]


class History(ExpRecent):
    """All tasks, the last first: what does not fit into the context is cut from the end, where the oldest stand.

    Of a long history not more than MOST tasks are read, far more than any budget holds.
    """

    label = "full history"
    MOST = 500

    def search(self, task: str) -> Sequence[Found]:
        """(1) Whatever the task is."""
        return self._last(self.MOST)
