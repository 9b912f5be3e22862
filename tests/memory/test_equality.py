"""One life of a memory, lived on a file and on PostgreSQL, leaves the same: to the last id, and 1e-6 of a score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.memory.stores import Store
from tests.memory.test_memory import Clock
from wayfare.errors import WayfareError
from wayfare.memory import Evaluation, Key, Link, Memory, Policy, Recall
from wayfare.memory.operations import Add, AddLink, Archive, Delete, Merge, Operation, Supersede, Unlink, Update

THINGS = ("token", "session cache", "invoice", "printer", "router", "mailbox", "backup", "password")
DEEDS = ("flush", "reset", "reissue", "restart", "check", "rotate", "ask for", "wait for")
PLACES = ("in Leeds", "on floor two", "at night", "after an update", "before the release", "for the new user")
POLICIES = (
    None, None, None, "similarity", Policy("thompson"), Policy("memrl", epsilon=0.2), Policy("boltzmann", explore=0.5),
    Policy("epsilon", explore=0.3),
)  # fmt: skip
SOURCES, ACTORS = ("harness", "harness", "human", "agent", "implicit"), ("", "", "ann", "mallory")


class Life:
    """What one seed does to a memory, and all that it was told: names, numbers and refusals, in order."""

    def __init__(self, memory: Memory, clock: Clock, seed: int) -> None:
        self.memory, self.clock, self.draw = memory, clock, np.random.default_rng(seed)
        self.told: list[Any] = []
        self.ids: list[str] = []
        self.open: list[Recall] = []

    def one(self, choices: Any) -> Any:
        return choices[int(self.draw.integers(len(choices)))]

    def text(self) -> str:
        return f"{self.asked()}, then {self.one(DEEDS)} the {self.one(THINGS)}"

    def asked(self) -> str:
        return f"{self.one(DEEDS)} the {self.one(THINGS)} {self.one(PLACES)}"

    def lived(self, steps: int) -> list[Any]:
        verbs = (self.write, self.write, self.recall, self.recall, self.recall, self.credit, self.credit, self.govern)
        self.write()
        for _ in range(steps):
            self.clock.now += float(self.draw.integers(1, 5_000))
            try:
                self.one(verbs)()
            except WayfareError as error:
                self.told.append((type(error).__name__, str(error).split(":")[0]))
        self.standing()
        return self.told

    def added(self) -> Add:
        begin = None if self.draw.random() < 0.6 else self.clock.now - float(self.draw.integers(10**6))
        self.ids.append(f"m{len(self.ids):03}")
        return Add(
            self.text(), id=self.ids[-1], kind=self.one(("fact", "fact", "strategy")), event_from=begin,
            tags=[tag for tag in ("web", "desk") if self.draw.random() < 0.4],
            keys=(Key("intent", f"how to {self.one(DEEDS)} a {self.one(THINGS)}"),) if self.draw.random() < 0.3 else (),
        )  # fmt: skip

    def write(self) -> None:
        if len(self.ids) < 12:
            self.apply([self.added() for _ in range(4)])
            return
        a, b = self.one(self.ids), self.one(self.ids)
        what = int(self.draw.integers(12))
        if what == 11 and self.draw.random() < 0.5:
            self.memory.forget(a, purge=True)
            self.told.append(("purged", a))
            return
        makers: list[Any] = [
            self.added, self.added, self.added, self.added, lambda: Update(a, {"content": self.text()}),
            lambda: Update(a, {"tags": ("web",)}), lambda: Supersede(a, self.added()),
            lambda: Merge((a, b), self.added()), lambda: AddLink(Link(a, b, "causes", 0.5)),
            lambda: Unlink(a, b, "causes"), lambda: Archive(a), lambda: Delete(a),
        ]  # fmt: skip
        self.apply([makers[what]()])

    def apply(self, operations: list[Operation]) -> None:
        self.told += [(done.op, done.id, done.version) for done in self.memory.apply(operations)]

    def recall(self) -> None:
        filters: dict[str, Any] = self.one(({}, {}, {}, {"kinds": ["strategy"]}, {"tags": ["web"]}, {"as_of": 500.0}))
        if "as_of" in filters:
            filters = {"as_of": self.clock.now - filters["as_of"]}
        policy, task = self.one(POLICIES), None if filters.get("as_of") else f"task-{len(self.told)}"
        found = self.memory.recall(
            self.asked(), k=int(self.draw.integers(1, 6)), task=task,
            **({} if policy is None else {"policy": policy}), **filters,
        )  # fmt: skip
        self.told.append((found.side, found.policy, found.considered, found.probability, found.logged))
        self.told += [(item.id, item.relevance, item.score, item.propensity, item.by) for item in found]
        if found.logged:
            self.open.append(found)

    def credit(self) -> None:
        if self.open:
            recall = self.one(self.open)
            used = [self.one(recall.ids)] if recall.ids and self.draw.random() < 0.4 else None
            done = self.memory.credit(
                recall, round(float(self.draw.random()), 2), used=used, source=self.one(SOURCES),
                actor=self.one(ACTORS), correct=True,
            )  # fmt: skip
            self.told.append((done.reward, done.counted, done.basis, done.shares))

    def govern(self) -> None:
        what = int(self.draw.integers(8))
        if what == 0:
            self.told.append(self.memory.void(actor="mallory").outcomes)
        elif what == 1:
            self.told.append(self.memory.void(source="human").outcomes)
        elif what == 2:
            self.told.append(self.memory.refit().id)
        elif what == 3:
            self.memory.freeze()
            self.recall()
            self.credit()
            self.memory.thaw()
        elif what == 4:
            self.told.append([(link.source, link.target, link.type) for link in self.memory.links(self.one(self.ids))])
        elif what == 5:
            self.told.append([record.id for record in self.memory.list(tags=["web"]).records])
        else:
            self.evaluated(self.memory.evaluate(self.one(("similarity", Policy("boltzmann", explore=0.5)))))

    def evaluated(self, found: Evaluation) -> None:
        self.told.append(found.to_json())

    def standing(self) -> None:
        for record in self.memory.list(status=None, limit=1_000).records:
            utility = record.utility
            self.told.append((record.id, record.content, record.status, record.version, record.tags, record.valid_to))
            self.told.append((utility.n, utility.total, utility.squares, utility.q, utility.used))
            self.told.append([(step.version, step.op, step.time) for step in self.memory.history(record.id)])
        stats = self.memory.stats()
        self.told.append({name: stats[name] for name in ("memories", "recalls", "floor", "embedder")})
        for target in ("similarity", Policy("boltzmann", explore=0.5), Policy("thompson")):
            try:
                self.evaluated(self.memory.evaluate(target))
            except WayfareError as error:
                self.told.append(str(error))


def unlike(one: Any, other: Any, at: str = "") -> str:
    """Where two answers differ, by more than 1e-6 where they are numbers; "" where they do not."""
    if isinstance(one, float) and isinstance(other, float):
        return "" if one == pytest.approx(other, abs=1e-6, rel=1e-6, nan_ok=True) else f"{at}: {one!r}, {other!r}"
    if isinstance(one, dict) and isinstance(other, dict):
        if list(one) != list(other):
            return f"{at}: {list(one)}, {list(other)}"
        return next((found for key in one if (found := unlike(one[key], other[key], f"{at}.{key}"))), "")
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        pairs = enumerate(zip(one, other, strict=False))
        found = next((found for i, (a, b) in pairs if (found := unlike(a, b, f"{at}[{i}]"))), "")
        return found or ("" if len(one) == len(other) else f"{at}: {len(one)} of them, {len(other)}")
    return "" if one == other else f"{at}: {one!r}, {other!r}"


@pytest.mark.parametrize(("seed", "embedder"), [(0, "lexical"), (1, "lexical"), (2, "lexical:64"), (3, "none")])
def test_one_life_on_both_stores_leaves_the_same(stores: dict[str, Store], seed: int, embedder: str) -> None:
    told = {}
    for name, store in stores.items():
        address, clock = store.new(), Clock()
        with Memory(address, synchronous="NORMAL", clock=clock, seed=seed, embedder=embedder) as memory:
            told[name] = Life(memory, clock, seed).lived(250)
        store.drop(address)
    assert unlike(told["file"], told["postgresql"]) == ""
    kinds = {type(each) for each in told["file"]}
    assert len(told["file"]) > 500 and {tuple, dict, list} <= kinds
    refused = [each for each in told["file"] if isinstance(each, tuple) and str(each[0]).endswith(("Value", "Error"))]
    assert len(refused) < 60  # it is a life, not a list of refusals


def test_a_difference_in_the_sixth_digit_is_noticed() -> None:
    assert unlike([("a", {"b": 0.5})], [("a", {"b": 0.5 + 1e-8})]) == ""
    assert unlike([("a", {"b": 0.5})], [("a", {"b": 0.5 + 1e-5})]) == "[0][1].b: 0.5, 0.50001"
    assert unlike([1, 2], [1]) == ": 2 of them, 1" and unlike({"a": 1}, {"b": 1}) and unlike((1, "x"), (1, "y"))
