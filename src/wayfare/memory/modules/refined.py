"""ReMem: before it acts, an agent may think and put its memory in order.

    at an inner step, in the state (task, what was recalled, thoughts so far), one of
    Think     a thought, which may ask otherwise
    Refine    prune what did not help, merge what is there twice, search again: one transaction
    Act       end: what is left of the recalled is shown
    after at most `cap` of the first two, Act is forced                                                          (1)

Wei et al. 2025, "Evo-Memory" (arXiv 2511.20857): editing the memory is an action of the same decision process. There a
language model chooses (`agents.remem`); `ReMem` chooses by the rule

    Refine where the posterior utility of something recalled is under `threshold` times the prior m0 of what was
    recalled, or where it is there twice; Think, then Refine by the task's keywords, where fewer than k are left;
    else Act

with m0 and the posterior of `memory.utility` (1), (2), to which what a case says of its own end is a first credit of
weight `own`. A share of m0, not a fixed utility: in a stream that goes badly everything is shown with failures, and a
fixed threshold prunes what is right along with what is wrong.
What is left is shown by (1) of `memory.policy` before any fit, slope * relative relevance + posterior mean.

What was pruned is archived: `pruned` lists it, `recover` takes it back, its history tells who pruned it, when and why;
a merge is undone by the memory's own `undo_merge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from wayfare.errors import BadValue, NoSuchRecord, VersionConflict
from wayfare.memory.cards import Consolidation, Forgetting, Updating
from wayfare.memory.index.tokens import tokens
from wayfare.memory.modules.credited import Credited
from wayfare.memory.modules.frames import read
from wayfare.memory.modules.notes import keywords
from wayfare.memory.modules.protocol import Finished, Found
from wayfare.memory.modules.stored import CASES
from wayfare.memory.operations import Archive, Merge, Operation, Restore, Update
from wayfare.memory.policy import LEARNED
from wayfare.memory.recalled import RecalledItem
from wayfare.memory.records import Record
from wayfare.memory.utility import gaussian_posterior

__all__ = ["Act", "Inner", "ReMem", "Refine", "Step", "Think"]

TWICE = 0.9
"""Share of the words of two tasks that they have in common, if they are the same."""


@dataclass(frozen=True)
class Think:
    """A thought. query: what to ask the memory instead; "" leaves that as it is."""

    thought: str
    query: str = ""


@dataclass(frozen=True)
class Refine:
    """An edit of the memory. prune: ids        merge: groups of ids, the first of each stays

    query: to search with again
    """

    prune: tuple[str, ...] = ()
    merge: tuple[tuple[str, ...], ...] = ()
    query: str = ""


@dataclass(frozen=True)
class Act:
    """The end of the inner loop. answer: where who chooses also answers"""

    answer: str = ""


Step = Think | Refine | Act


@dataclass
class Inner:
    """The state of an inner loop.

    name: of the memory's task        items: recalled and not edited away, by id        queries: asked so far
    steps: inner operations so far
    """

    task: str
    name: str
    query: str
    items: dict[str, RecalledItem] = field(default_factory=dict)
    thoughts: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    steps: int = 0


class ReMem(Credited):
    """The inner loop with the rule.

    cap: inner operations before Act is forced        pool: recalled, times k
    threshold: share of m0 under which a posterior utility prunes, once a case has `least` credited weight
    own: weight of what a case says of its own end, a part of that        kappa: of the shrinkage
    operations: think, refine, act, forced act; prune, merge, search; refused, where the memory had moved on
    Raises: BadValue.
    """

    card = replace(
        CASES, consolidation={Consolidation.LOCAL}, updating={Updating.EXTERNAL}, forgetting={Forgetting.IMPORTANCE},
        learns_from_outcome=True,
    )  # fmt: skip
    label = "ReMem"

    def __init__(
        self,
        address: Any,
        *,
        cap: int = 3,
        pool: int = 3,
        threshold: float = 0.6,
        least: float = 1.2,
        own: float = 1.0,
        kappa: float = 1.0,
        **settings: Any,
    ) -> None:
        for name, value in (("cap", cap), ("pool", pool)):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 + (name == "pool") <= value <= 10:
                raise BadValue(name, value, f"a whole number from {0 + (name == 'pool')} to 10")
        if not 0 <= threshold <= 1:
            raise BadValue("threshold", threshold, "from 0 to 1")
        for name, weight, low in (("least", least, 0.0), ("own", own, 0.0), ("kappa", kappa, 1e-6)):
            if not low <= weight <= 1e6:
                raise BadValue(name, weight, f"from {low:g} to 1e6")
        self.cap, self.pool, self.threshold = cap, pool, threshold
        self.least, self.own, self.kappa = least, own, kappa
        super().__init__(address, **settings)

    def settings(self) -> dict[str, Any]:
        """The pool is what a search names."""
        return {**super().settings(), "k1": min(50, self.pool * self.k)}

    def search(self, task: str) -> Sequence[Found]:
        """(1), then the k best of what is left."""
        inner, _ = self.loop(task)
        return self.shown(inner)

    def loop(self, task: str) -> tuple[Inner, Act]:
        """The inner loop: its last state, and the act that ended it."""
        self._turn += 1
        inner = Inner(task, f"stream {self._turn}", task)
        self._recall(inner, task)
        while inner.steps < self.cap:
            step = self.choose(inner)
            if isinstance(step, Act):
                self.operations["act"] += 1
                return inner, step
            inner.steps += 1
            if isinstance(step, Think):
                self.operations["think"] += 1
                inner.thoughts.append(step.thought)
                inner.query = step.query.strip() or inner.query
            else:
                self.operations["refine"] += 1
                self._refine(inner, step)
        self.operations["forced act"] += 1
        return inner, Act()

    def choose(self, inner: Inner) -> Step:
        """The rule."""
        means, weights, prior = self.posterior(inner)
        worst = tuple(id for id in inner.items if weights[id] >= self.least and means[id] < self.threshold * prior)
        twice = _twice([inner.items[id].record for id in inner.items if id not in worst], means)
        if worst or twice:
            return Refine(worst, twice)
        if len(inner.items) < self.k and self._turn > self.k:
            if inner.query != inner.queries[-1]:
                return Refine(query=inner.query)
            words = " ".join(keywords(inner.task))
            if words and words not in inner.queries:
                return Think(f"{len(inner.items)} cases are left: ask by keywords", words)
        return Act()

    def posterior(self, inner: Inner) -> tuple[dict[str, float], dict[str, float], float]:
        """Of each recalled case the posterior mean of its utility and the credited weight behind it; and m0."""
        if not inner.items:
            return {}, {}, 0.0
        rows = [self._credits(item.record) for item in inner.items.values()]
        n, total, squares = np.array(rows, np.float64).T
        mean, _, prior = gaussian_posterior(n, total, squares, 0.5, self.kappa)
        ids = list(inner.items)
        return dict(zip(ids, mean.tolist(), strict=True)), dict(zip(ids, n.tolist(), strict=True)), prior

    def _credits(self, record: Record) -> tuple[float, float, float]:
        """Sums of weight, weight * reward and weight * reward^2, its own end included."""
        utility, own = record.utility, record.meta.get("feedback")
        if own is None:
            return utility.n, utility.total, utility.squares
        weight = self.own * int(record.meta.get("seen", 1))
        return utility.n + weight, utility.total + weight * own, utility.squares + weight * own * own

    def shown(self, inner: Inner) -> list[Found]:
        """The k best of what is left; whose credit is waited for."""
        means, _, _ = self.posterior(inner)
        top = max((item.relevance for item in inner.items.values()), default=0.0) or 1.0
        score = {id: LEARNED.slope * item.relevance / top + means[id] for id, item in inner.items.items()}
        best = sorted(inner.items, key=lambda id: -score[id])[: self.k]
        self.wait(inner.task, tuple(best), inner.name)
        return [Found(id, inner.items[id].record.content, score[id]) for id in best]

    def credit(self, finished: Finished) -> None:
        """What was shown of the recalled is said to be used: the rest of the pool earns nothing."""
        name = self._open.pop((finished.task, finished.shown), None)
        if name is not None and finished.shown and finished.feedback is not None:
            self.memory.credit(name, finished.feedback, used=finished.shown)

    def _recall(self, inner: Inner, query: str) -> None:
        inner.queries.append(query)
        self.operations["search"] += 1
        for item in self.memory.recall(query, min(50, self.pool * self.k), task=inner.name):
            inner.items.setdefault(item.id, item)

    def _refine(self, inner: Inner, edit: Refine) -> None:
        """All of an edit or none of it; what it names that was not recalled is left out."""
        prune = [id for id in dict.fromkeys(edit.prune) if id in inner.items]
        groups = [
            group
            for ids in edit.merge
            if len(group := tuple(id for id in dict.fromkeys(ids) if id in inner.items and id not in prune)) > 1
        ]
        ops: list[Operation] = [Archive(id, f"pruned before {inner.task[:80]!r}") for id in prune]
        for ids in groups:
            seen = sum(int(inner.items[id].record.meta.get("seen", 1)) for id in ids)
            meta = {**inner.items[ids[0]].record.meta, "seen": seen}
            ops += [Merge(ids[1:], ids[0], "the same case"), Update(ids[0], {"meta": meta}, "met again")]
        touched = {*prune, *(id for ids in groups for id in ids)}
        if ops:
            try:
                self.memory.apply(ops, expect={id: inner.items[id].record.version for id in touched})
            except (VersionConflict, NoSuchRecord):
                self.operations["refused"] += 1
            else:
                self.operations["prune"] += len(prune)
                self.operations["merge"] += len(groups)
                for id in touched - {ids[0] for ids in groups}:
                    del inner.items[id]
        query = edit.query.strip()
        if query and query not in inner.queries:
            self._recall(inner, query)

    def pruned(self) -> list[Record]:
        """What was archived, the oldest first."""
        return list(self.memory.list(kind="experience", status="archived", limit=10_000).records)

    def recover(self, id: str) -> None:
        """Let a pruned case stand again as before it was pruned, with its keys and its credits.

        Raises: BadValue for one that is not archived; NoSuchRecord.
        """
        record = self.memory.get(id)
        if record.status != "archived":
            raise BadValue("id", id, f"of an archived memory; this one is {record.status}")
        self.memory.apply([Restore(id, record.version - 1, "pruned in error")])


def _twice(records: Sequence[Record], means: dict[str, float]) -> tuple[tuple[str, ...], ...]:
    """Groups of cases that are the same, task, answer and outcome: the one of the highest posterior first."""
    told = [(record.id, read(record.content)) for record in records]
    cases = [(id, set(tokens(blocks[0].text)), blocks[0]) for id, blocks in told if blocks]
    groups: list[list[Any]] = []
    for id, words, found in cases:
        for group in groups:
            _, others, other = group[0]
            if found.fields == other.fields and _share(words, others) >= TWICE:
                group.append((id, words, found))
                break
        else:
            groups.append([(id, words, found)])
    return tuple(
        tuple(sorted((id for id, _, _ in group), key=lambda id: -means[id])) for group in groups if len(group) > 1
    )


def _share(a: set[str], b: set[str]) -> float:
    return len(a & b) / max(1, len(a | b))
