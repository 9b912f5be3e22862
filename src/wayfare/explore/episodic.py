"""Episodic memory of two levels: tasks that were met, and under each the answers that were given.

    B(q)       the answers under the k tasks most like q, by cosine                                        (1)
    exploit    -|a - c|,  c the mean of B(q)                                                               (2)
    explore    1 - max over a' in B(q) of cos(a, a')                                                       (3)

Reward (2) against a memory of successes draws answers towards what has worked, (3) against one of failures away from
what has not. Vectors are brought to length 1 on entry: a distance would else measure length. Where B(q) is empty both
are 0, and `hit` says so.

Source: Le et al. 2025 (arXiv 2504.02273). Its released code writes before it reads, so that a failure meets itself and
(3) is 0 for every one of them; here the caller orders `write` and the readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from wayfare.errors import BadValue

__all__ = ["KeyedEpisodicMemory", "Reading"]


class Reading(NamedTuple):
    """value: [B], 0 where nothing was found        hit: [B] bool"""

    value: Tensor
    hit: Tensor


class KeyedEpisodicMemory:
    """See the module.

    dimension: D of both queries and answers
    queries: tasks held; a new one beyond them puts out the one that came first
    responses: answers held of each; a new one beyond them puts out the oldest
    device: where the memory lies

    Raises: BadValue for a number below 1.
    """

    def __init__(
        self, dimension: int, queries: int = 10_000, responses: int = 100, device: torch.device | str = "cpu"
    ) -> None:
        for field, value in (("dimension", dimension), ("queries", queries), ("responses", responses)):
            if value < 1:
                raise BadValue(field, value, "at least 1")
        self.dimension, self.queries, self.responses = dimension, queries, responses
        self._queries = torch.zeros(0, dimension, device=device)  # in order of arrival, as the keys of _answers
        self._answers: dict[int, Tensor] = {}

    def __len__(self) -> int:
        """Tasks held."""
        return len(self._answers)

    @property
    def ids(self) -> list[int]:
        """Of the tasks held, oldest first."""
        return list(self._answers)

    def write(self, ids: Sequence[int] | Tensor, queries: Tensor, responses: Tensor) -> None:
        """Answers to tasks, in order.

        ids: B integers that name the tasks for good, say their row in the data; a task keeps its first query
        queries, responses: [B, D]

        Raises: BadValue for shapes that do not fit or vectors that are not finite; nothing is then written.
        """
        names = [int(name) for name in ids]
        queries, responses = (self._unit(x, name) for x, name in ((queries, "queries"), (responses, "responses")))
        if not len(names) == len(queries) == len(responses):
            raise BadValue("ids, queries, responses", (len(names), len(queries), len(responses)), "of one length")
        rows: dict[int, list[int]] = {}
        for row, name in enumerate(names):
            rows.setdefault(name, []).append(row)
        fresh = [name for name in rows if name not in self._answers]
        for name, own in rows.items():
            held = self._answers.get(name, responses[:0])
            self._answers[name] = torch.cat([held, responses[own]])[-self.responses :]
        self._queries = torch.cat([self._queries, queries[[rows[name][0] for name in fresh]]])
        out = len(self._answers) - self.queries
        if out > 0:
            for name in self.ids[:out]:
                del self._answers[name]
            self._queries = self._queries[out:].clone()

    def read(self, queries: Tensor, k: int = 1) -> list[Tensor]:
        """(1) of each query: B tensors [n, D], unit length, of the likest task first; ties go to the older task.

        queries: [B, D]        k: at least 1; all tasks where fewer are held

        Raises: BadValue for a k below 1, or queries that do not fit.
        """
        if k < 1:
            raise BadValue("k", k, "at least 1")
        likeness = self._unit(queries, "queries") @ self._queries.T
        nearest = likeness.sort(dim=1, descending=True, stable=True).indices[:, :k].tolist()
        ids, none = self.ids, self._queries[:0]
        return [torch.cat([none, *(self._answers[ids[place]] for place in row)]) for row in nearest]

    def exploit(self, queries: Tensor, responses: Tensor, k: int = 1) -> Reading:
        """(2). queries, responses: [B, D]        k: see `read`, which says what is raised."""
        return self._reading(queries, responses, k, _closeness)

    def explore(self, queries: Tensor, responses: Tensor, k: int = 1) -> Reading:
        """(3). queries, responses: [B, D]        k: see `read`, which says what is raised."""
        return self._reading(queries, responses, k, _unlikeness)

    def state_dict(self) -> dict[str, Any]:
        """Names, and tensors."""
        return {"ids": self.ids, "queries": self._queries, "answers": list(self._answers.values())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises: BadValue for a state of another dimension, or of more than this memory holds."""
        if state["queries"].shape[1] != self.dimension or len(state["ids"]) > self.queries:
            raise BadValue(
                "state", list(state["queries"].shape), f"at most {self.queries} tasks of dimension {self.dimension}"
            )
        self._queries = state["queries"].to(self._queries).clone()
        answers = (held.to(self._queries)[-self.responses :].clone() for held in state["answers"])
        self._answers = dict(zip(state["ids"], answers, strict=True))

    def _reading(self, queries: Tensor, responses: Tensor, k: int, of: Any) -> Reading:
        responses = self._unit(responses, "responses")
        if len(queries) != len(responses):
            raise BadValue("queries, responses", (len(queries), len(responses)), "of one length")
        value = responses.new_zeros(len(responses))
        hit = torch.zeros(len(responses), dtype=torch.bool, device=responses.device)
        # the answers to one task ask the same thing: it is looked up once
        distinct, which = queries.unique(dim=0, return_inverse=True)
        for turn, found in enumerate(self.read(distinct, k)):
            if len(found):
                rows = which == turn
                value[rows], hit[rows] = of(responses[rows], found), True
        return Reading(value, hit)

    def _unit(self, x: Tensor, field: str) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.dimension:
            raise BadValue(field, list(x.shape), f"[B, {self.dimension}]")
        x = x.detach().to(self._queries)
        if not bool(x.isfinite().all()):
            raise BadValue(field, float(x[~x.isfinite()][0]), "finite")
        unit: Tensor = normalize(x, dim=1)
        return unit


def _closeness(responses: Tensor, found: Tensor) -> Tensor:
    return -(responses - found.mean(dim=0)).square().sum(dim=1).sqrt()


def _unlikeness(responses: Tensor, found: Tensor) -> Tensor:
    return 1.0 - (responses @ found.T).amax(dim=1)
