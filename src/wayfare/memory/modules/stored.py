"""What the modules share: one `Memory`, k, how many calls of a language model they have made, and how they end.

    with ExpRAG("exprag.db", k=4) as module: ...

Every module keeps all that it keeps in this one memory: it can be opened with `wayfare memory`, judged offline, copied.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self

from wayfare.errors import BadValue
from wayfare.memory.cards import (
    Consolidation,
    Forgetting,
    Form,
    Formation,
    Function,
    MemoryCard,
    Retrieval,
    Topology,
    Updating,
)
from wayfare.memory.embedding import Embedder
from wayfare.memory.memory import Memory
from wayfare.memory.modules.frames import case, joined
from wayfare.memory.modules.protocol import Finished, Found
from wayfare.memory.operations import Add
from wayfare.memory.planners import AddOnly
from wayfare.memory.records import Key, Record

__all__ = ["CASES", "Complete", "Stored", "experience"]

Complete = Callable[[str], str]
"""A language model: prompt -> answer."""
MOST_K = 50
CANDIDATES = 20
"""That a search names: the k best are shown, more would only take time."""
CASES = MemoryCard(
    form={Form.TOKEN}, topology={Topology.FLAT}, function={Function.CASE}, formation={Formation.VERBATIM},
    consolidation={Consolidation.NONE}, updating={Updating.NONE}, forgetting={Forgetting.NONE},
    retrieval={Retrieval.LEXICAL, Retrieval.SEMANTIC}, auditable=True,
)  # fmt: skip
"""A plain list of cases, searched: the cards of the modules say where they differ."""


class Stored:
    """A module on one memory.

    address: of the memory, a file or postgresql://...        k: how much is shown at most
    seed: of the memory's draws        complete: a language model, where a module can use one; None: rules
    embedder: of the memory; None for what it has (a new one: lexical)        clock: s since the epoch
    synchronous: NORMAL may lose the last tasks to a power cut, FULL does not
    calls: of `complete` so far        operations: what was done to the memory, by name
    Raises: BadValue; StoreError.
    """

    card: ClassVar[MemoryCard]
    label: ClassVar[str] = ""
    """What it is called in tables; '-like' where a product gave the idea."""

    def __init__(
        self,
        address: str | os.PathLike[str],
        *,
        k: int = 4,
        seed: int = 0,
        complete: Complete | None = None,
        embedder: Embedder | str | None = None,
        synchronous: str = "NORMAL",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MOST_K:
            raise BadValue("k", k, f"a whole number from 1 to {MOST_K}")
        if complete is not None and not callable(complete):
            raise BadValue("complete", complete, "a function from a prompt to an answer, or None")
        self.k, self.calls = k, 0
        self.operations: Counter[str] = Counter()
        self._complete = complete
        self.memory = Memory(
            address, embedder=embedder, synchronous=synchronous, clock=clock, seed=seed, **self.settings()
        )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """Of the memory, where a module wants others than these: the most similar, whatever it is; append only."""
        few = max(CANDIDATES, self.k)
        return {"policy": "similarity", "relevance_floor": 0.0, "planner": AddOnly(), "k1": few}

    def search(self, task: str) -> Sequence[Found]:
        """(1) The k most relevant."""
        return [Found(item.id, item.record.content, item.relevance) for item in self.memory.recall(task, self.k)]

    def synthesise(self, task: str, found: Sequence[Found]) -> str:
        """(2) Their texts, as they stand."""
        return joined([each.text for each in found])

    def update(self, finished: Finished) -> None:
        """(3) Kept as it is: append only."""
        self.memory.apply([experience(finished)])

    def asked(self, prompt: str) -> str:
        """What the language model says; counted. Raises: BadValue without one."""
        if self._complete is None:
            raise BadValue("complete", None, "a function from a prompt to an answer")
        self.calls += 1
        return self._complete(prompt)

    def __len__(self) -> int:
        engine = self.memory.engine
        with engine.database.read() as tx:
            active = "SELECT COUNT(*) FROM records WHERE ns = ? AND status = 'active'"
            return int(tx.execute(active, (engine.number(tx),)).fetchone()[0])

    def __bool__(self) -> bool:
        return True  # an empty memory is one, too

    def records(self, kind: str, **filters: Any) -> tuple[Record, ...]:
        """Active ones of a kind."""
        return self.memory.list(kind=kind, limit=10_000, **filters).records

    def close(self) -> None:
        """Close the memory."""
        self.memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def experience(finished: Finished, **fields: Any) -> Add:
    """A finished task as a record, found by what was asked as well as by all that it says. fields: of `Add`"""
    given = {"kind": "experience", "keys": (Key("intent", finished.task),), **fields}
    meta = {"feedback": finished.feedback, **fields.get("meta", {})}
    return Add(case(finished), **{**given, "meta": meta})
