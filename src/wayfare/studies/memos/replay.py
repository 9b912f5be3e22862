"""Part C: what a policy pays on a stream of queries and edits, by the measured table.

A query is about one of `memories`, by Zipf's law, and about one of its facts; an edit changes one fact. What was
derived from a memory is void from then on. Of the forms

    token        the text is read
    activation   the cache is loaded; where there is none it is made first, and the query waits for that
    parameter    the adapter is loaded; where there is none its training is begun, beside the queries, and until it has
                 ended the text is read. An edit in between voids it

a query pays what serving takes, a price for a wrong answer times its measured chance, and what making takes: at a
hundredth where nobody waits for it. One trainer is busy with one adapter; others wait for it. Stale answers are paid as
wrong ones: they occur only where a policy keeps to an adapter that an edit has made void.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.memos_scheduler import FORMS, CostModel, FormCosts, FormScheduler
from wayfare.draws import Stream
from wayfare.memory.records import Form

__all__ = ["WORKLOADS", "Always", "Learned", "Paid", "Policy", "Prices", "Threshold", "Workload", "replay", "table_of"]

WORKLOADS = ("stable", "edited now and then", "edited all the time", "mixed")
RATES = {"stable": 0.0, "edited now and then": 0.1, "edited all the time": 10.0}
"""Edits a query."""
EXPONENT = 1.0
"""Of Zipf's law."""


class Prices(NamedTuple):
    """every: ms from a query to the next        background: price of a ms of training        wrong: of an answer, ms"""

    every: float
    background: float
    wrong: float


class Workload(NamedTuple):
    """tokens: [M] of each memory        memory: [T] of each event        edit: [T] bool, else a query

    fact: [T] which fact is asked or changed
    """

    tokens: NDArray[np.int64]
    memory: NDArray[np.int64]
    edit: NDArray[np.bool_]
    fact: NDArray[np.int64]

    @classmethod
    def drawn(cls, kind: str, lengths: tuple[int, ...], memories: int, queries: int, seed: int) -> Workload:
        """Of a seed. mixed: a third of the memories each of the other kinds"""
        stream = Stream(seed, f"workload {kind}")
        which: Any = stream.integers(len(lengths), np.arange(memories), 0)
        tokens = np.asarray(lengths, np.int64)[which]
        chance = 1.0 / np.arange(1, memories + 1) ** EXPONENT
        chance /= chance.sum()
        kinds = list(RATES) if kind == "mixed" else [kind] * 3
        rate = np.array([RATES[kinds[place % 3]] for place in range(memories)])
        at = np.arange(queries)
        asked: Any = np.searchsorted(np.cumsum(chance)[:-1], stream.uniform(at, 1), side="right")
        memory, edit = [], []
        share = rate * chance  # what is asked much is changed much
        edits = float(share.sum())
        upto = np.cumsum(share / edits)[:-1] if edits else np.zeros(memories - 1)
        owed = 0.0
        for t in range(queries):
            memory.append(int(asked[t]))
            edit.append(False)
            owed += edits
            while owed > float(stream.uniform(t, 2, len(edit))):
                memory.append(int(np.searchsorted(upto, float(stream.uniform(t, 3, len(edit))), side="right")))
                edit.append(True)
                owed -= 1.0
        of, n = np.array(memory), len(memory)
        fact = (stream.uniform(np.arange(n), 4) * (tokens[of] // 2)).astype(np.int64)
        return cls(tokens, of, np.array(edit), fact)


@dataclass
class State:
    """Of one memory. ready: the query at which an adapter that is in training is there, None where none is

    old: facts that were changed since the adapter that is there was trained; None where there is none
    """

    cache: bool = False
    ready: float | None = None
    adapter: bool = False
    old: set[int] | None = None
    queries: int = 0
    since: int = 0


class Policy(Protocol):
    """Chooses a form at each query; may listen to what it cost. stale: whether it keeps to a void adapter"""

    stale: bool

    def choose(self, memory: int, tokens: int, state: State, now: int) -> Form: ...

    def paid(self, memory: int, serving: float, making: float) -> None: ...

    def edited(self, memory: int, tokens: int) -> None: ...


class _Deaf:
    stale = False

    def paid(self, memory: int, serving: float, making: float) -> None:
        """Learns nothing."""

    def edited(self, memory: int, tokens: int) -> None:
        """Learns nothing."""


@dataclass
class Always(_Deaf):
    """One form."""

    form: Form
    stale: bool = False

    def choose(self, memory: int, tokens: int, state: State, now: int) -> Form:
        """See `Policy`."""
        return self.form


@dataclass
class Threshold(_Deaf):
    """activation from a frequency on, parameter from a higher one on.

    by: "share": queries of the memory over all queries so far, in percent; "since": its queries since its last edit
    """

    activation: float
    parameter: float
    by: str = "share"
    stale: bool = False

    def choose(self, memory: int, tokens: int, state: State, now: int) -> Form:
        """See `Policy`."""
        value = float(state.since) if self.by == "since" else 100.0 * state.queries / max(1, now)
        return "parameter" if value >= self.parameter else "activation" if value >= self.activation else "token"


@dataclass
class Learned:
    """The scheduler of `agents.memos_scheduler`."""

    scheduler: FormScheduler
    stale: bool = False

    def choose(self, memory: int, tokens: int, state: State, now: int) -> Form:
        """See `Policy`. An adapter in training counts as held: it is paid for."""
        held = [form for form, has in (("activation", state.cache), ("parameter", state.adapter)) if has]
        if state.ready is not None:
            held.append("parameter")
        return self.scheduler.choose(str(memory), tokens, held)

    def paid(self, memory: int, serving: float, making: float) -> None:
        """See `Policy`."""
        self.scheduler.paid(str(memory), serving, making)

    def edited(self, memory: int, tokens: int) -> None:
        """See `Policy`."""
        self.scheduler.edited(str(memory), tokens)


@dataclass
class Paid:
    """In all, ms a query. share: of the queries, by the form that answered"""

    total: float = 0.0
    stale: float = 0.0
    share: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FORMS, 0.0))


def table_of(rows: Mapping[str, NDArray[Any]], prices: Prices) -> CostModel:
    """Costs as policies pay them. rows: "serve FORM", "make FORM", "right FORM", "tokens": [lengths] each"""
    made = []
    for i, tokens in enumerate(rows["tokens"]):
        serve: dict[str, float] = {
            f: float(rows[f"serve {f}"][i] + prices.wrong * (1.0 - rows[f"right {f}"][i])) for f in FORMS
        }
        make: dict[str, float] = {
            "token": 0.0,
            "activation": float(rows["make activation"][i]),
            "parameter": prices.background * float(rows["make parameter"][i]),
        }
        made.append(FormCosts(int(tokens), serve, make))
    return CostModel(made)


def replay(workload: Workload, policy: Policy, costs: CostModel, prices: Prices) -> Paid:
    """All events, in order."""
    states = [State() for _ in workload.tokens]
    serve = [dict(zip(FORMS, costs.serve(int(tokens)).tolist(), strict=True)) for tokens in workload.tokens]
    make = [dict(zip(FORMS, costs.make(int(tokens)).tolist(), strict=True)) for tokens in workload.tokens]
    found, now, busy = Paid(), 0, 0.0
    for memory, edit, fact in zip(
        workload.memory.tolist(), workload.edit.tolist(), workload.fact.tolist(), strict=True
    ):
        state, tokens = states[memory], int(workload.tokens[memory])
        if edit:
            state.cache, state.ready, state.since = False, None, 0
            if policy.stale and state.adapter and state.old is not None:
                state.old.add(fact)
            else:
                state.adapter, state.old = False, None
            policy.edited(memory, tokens)
            continue
        now += 1
        if state.ready is not None and now >= state.ready:
            state.ready, state.adapter, state.old = None, True, set()
        state.queries += 1
        state.since += 1
        form, making = policy.choose(memory, tokens, state, now), 0.0
        if form == "activation" and not state.cache:
            state.cache, making = True, make[memory][form]
        if form == "parameter":
            if (not state.adapter or state.old) and state.ready is None:
                making = make[memory][form]
                busy = max(busy, float(now)) + making / prices.background / prices.every
                state.ready = busy
            if not state.adapter:
                form = "activation" if state.cache else "token"
        wrong = prices.wrong if form == "parameter" and state.old and fact in state.old else 0.0
        serving = serve[memory][form] + wrong
        policy.paid(memory, serving, making)
        found.total += serving + making
        found.stale += wrong
        found.share[form] += 1.0
    found.total, found.stale = found.total / now, found.stale / now
    found.share = {form: count / now for form, count in found.share.items()}
    return found
