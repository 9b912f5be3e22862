"""Wayfare's side of the memory benchmark: the contender `ours`, and what only ours can be asked.

`Ours.nearest` is the vector part alone, as the cache of a namespace answers it; `whole` is `Memory.recall` as users get
it: words and vectors, the policy's draw, the receipt written at synchronous=FULL. `credit` closes tasks whose recalls
were made before the clock starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from memory_data import DIMENSION, Data, Rows, tag
from numpy.typing import NDArray

from wayfare.memory import Memory
from wayfare.memory.index.cache import NamespaceCache, caches

Vectors = NDArray[np.float32]
SHOWN = 5
"""k of a recall."""


class Given:
    """An embedder that returns vectors prepared beforehand."""

    model, dimension = "given", DIMENSION

    def __init__(self) -> None:
        self.known: dict[str, Vectors] = {}

    def embed(self, texts: Sequence[str]) -> Vectors:
        """[N, D] of texts that were told before."""
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """[D]; a text that was not told, such as the probe of a new space, gets the first unit vector."""
        found = self.known.get(text)
        if found is None:
            found = np.zeros(DIMENSION, np.float32)
            found[0] = 1.0
        return found


class Ours:
    """A memory in a file of the folder, made when it is not there."""

    def __init__(self, folder: Path) -> None:
        self.embedder = Given()
        self.memory = Memory(folder / "memory.db", embedder=self.embedder)

    # What every contender does

    def add_many(self, rows: Rows) -> None:
        """One batch, in one transaction."""
        self.embedder.known = dict(zip(rows.texts, rows.vectors, strict=True))
        self.memory.remember_many(
            [{"text": text, "tags": [each]} for text, each in zip(rows.texts, rows.tags, strict=True)]
        )

    def add(self, rows: Rows) -> None:
        """One record."""
        self.embedder.known = {rows.texts[0]: rows.vectors[0]}
        self.memory.remember(rows.texts[0], tags=rows.tags)

    def ask(self, data: Data) -> None:
        """Learn the vectors of the questions."""
        self.embedder.known = dict(zip(data.asked, data.questions, strict=True))

    def nearest(self, data: Data, question: int, k: int) -> list[int]:
        """Numbers of the records nearest to a question, best first."""
        return self._found(self.cache.nearest(data.questions[question], k)[0])

    def nearest_tagged(self, data: Data, question: int, k: int) -> list[int]:
        """Of those with the question's tag."""
        mask = self.cache.mask(tags=[tag(question)])
        return self._found(self.cache.nearest(data.questions[question], k, mask)[0])

    def settle(self) -> None:
        """Nothing is advised after adding much."""

    def close(self) -> None:
        """Close the file."""
        self.memory.close()

    # What only ours does

    @property
    def cache(self) -> NamespaceCache:
        """Of the namespace."""
        ground = self.memory._ground
        assert ground.ns is not None
        return caches(ground.database)[ground.ns]

    @property
    def search(self) -> dict[str, float] | str:
        """How vectors are searched: through bits, or exactly."""
        return self.cache.approximation or "exact"

    def _found(self, records: NDArray[np.int64]) -> list[int]:
        """Numbers of records as the store counts them, from 1 in the order in which they were added."""
        return [int(record) - 1 for record in records]

    def whole(self, data: Data, question: int, tagged: bool = False) -> list[str]:
        """`Memory.recall` with the defaults that users get: the tags of what it shows."""
        found = self.memory.recall(data.asked[question], SHOWN, tags=[tag(question)] if tagged else None)
        return [each for item in found for each in item.record.tags[:1]]

    def tasks(self, data: Data, count: int) -> list[str]:
        """So many tasks with one recall each, not credited yet."""
        return [self.memory.recall(data.asked[i % len(data.asked)], SHOWN).task for i in range(count)]

    def credit(self, task: str, reward: float) -> None:
        """How one of them went."""
        self.memory.credit(task, reward)
