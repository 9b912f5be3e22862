"""Two namespaces in one file: whatever the one does, the other's answers, errors, ids and scores stay what they were.

The same calls are made on a file that the first namespace has for itself and on one that a second one fills beside it,
with the same ids, texts, tasks and keys. Every answer must be equal.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wayfare.errors import WayfareError
from wayfare.memory import Memory
from wayfare.memory.operations import Add

__all__ = ["Call", "alone_and_beside", "drawn", "tenants"]

Call = tuple[str, int, int]
"""What is done, and two numbers that choose upon what."""
KINDS = (
    "add", "add", "many", "revise", "forget", "purge", "link", "recall", "recall", "credit", "correct", "void", "read",
    "freeze", "archive", "remember", "stats", "task",
)  # fmt: skip
WORDS = ("cache", "token", "login", "queue", "disk", "shard", "reset", "region")


class _Clock:
    def __init__(self) -> None:
        self.now = 1.0e9

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class _Player:
    """One namespace of a file, whose calls are played."""

    def __init__(self, path: Path, namespace: str) -> None:
        self.memory = Memory(
            path, namespace=namespace, clock=_Clock(), synchronous="NORMAL", embedder="lexical:64",
            policy="thompson" if namespace.endswith("fixed") else "safe",
        )  # fmt: skip
        self.ids: list[str] = []
        self.made = self.tasks = 0

    def play(self, call: Call) -> Any:
        """What is answered, or which error."""
        kind, a, b = call
        try:
            return getattr(self, f"_{kind}")(a, b)
        except WayfareError as error:
            return type(error).__name__, str(error)

    def _text(self, a: int, b: int) -> str:
        return f"{WORDS[a % 8]} {WORDS[b % 8]} {WORDS[(a * b) % 8]} number {a % 40}"

    def _any(self, a: int) -> str:
        return self.ids[a % len(self.ids)] if self.ids else "nobody"

    def _add(self, a: int, b: int) -> Any:
        self.made += 1
        id = f"id-{self.made}"
        done = self.memory.apply([Add(self._text(a, b), id=id, tags=[WORDS[a % 8]], kind=("fact", "case")[b % 2])])
        self.ids += [id] if done[0].op == "ADD" else []
        return done

    def _many(self, a: int, b: int) -> Any:
        adds = []
        for i in range(a % 30):
            self.made += 1
            adds.append(Add(f"{self._text(a + i, b)} of {self.made}", id=f"id-{self.made}"))
        self.ids += [str(each.id) for each in adds]
        return self.memory.apply(adds)

    def _remember(self, a: int, b: int) -> Any:
        """By a key that may have been used, for the same or for something else."""
        add = Add(self._text(a % 5, b % 2), kind="skill", id=f"key-{a % 5}-{b % 2}")
        return self.memory.apply([add], idempotency_key=f"key {a % 5}")

    def _revise(self, a: int, b: int) -> Any:
        return self.memory.revise(self._any(a), self._text(b, a), expect=1 if a % 2 else None)

    def _forget(self, a: int, b: int) -> Any:
        return self.memory.forget(self._any(a))

    def _purge(self, a: int, b: int) -> Any:
        return self.memory.forget(self._any(a), purge=True).id

    def _archive(self, a: int, b: int) -> Any:
        return self.memory.archive(self._any(a))

    def _link(self, a: int, b: int) -> Any:
        return self.memory.link(self._any(a), self._any(b), ("related", "part_of")[a % 2])

    def _recall(self, a: int, b: int) -> Any:
        task = f"task {a % 7}"
        found = self.memory.recall(
            f"{WORDS[a % 8]} {WORDS[b % 8]}", 1 + b % 4, task=task, tags=[WORDS[a % 8]] if b % 5 == 0 else None
        )
        return found.side, found.policy, found.probability, found.considered, [
            (item.record, item.record.utility, item.relevance, item.score, item.propensity, item.text)
            for item in found
        ]  # fmt: skip

    def _task(self, a: int, b: int) -> Any:
        self.tasks += 1
        with self.memory.task(f"own {self.tasks}") as task:
            found = self.memory.recall(WORDS[a % 8], k=2)
            return found.ids, task.credit((b % 5) / 4).shares

    def _credit(self, a: int, b: int) -> Any:
        done = self.memory.credit(f"task {a % 7}", (b % 5) / 4, source=("harness", "human", "agent")[b % 3])
        return done.shares, done.counted, done.repeated, done.seq

    def _correct(self, a: int, b: int) -> Any:
        return self.memory.credit(f"task {a % 7}", (b % 3) / 2, correct=True, actor=f"actor {b % 2}").shares

    def _void(self, a: int, b: int) -> Any:
        return self.memory.void(source=("agent", "human")[a % 2])

    def _freeze(self, a: int, b: int) -> Any:
        return self.memory.freeze() if a % 2 else self.memory.thaw()

    def _read(self, a: int, b: int) -> Any:
        id = self._any(a)
        page = self.memory.list(limit=1 + b % 20, status=None, tags=[WORDS[a % 8]] if b % 3 == 0 else None)
        return page, self.memory.get(id), self.memory.links(id), [
            (step.version, step.op, step.time, step.record) for step in self.memory.history(id)
        ]  # fmt: skip

    def _stats(self, a: int, b: int) -> Any:
        return {name: value for name, value in self.memory.stats().items() if name not in ("address", "bytes")}


def alone_and_beside(calls: Sequence[tuple[bool, Call]], folder: Path, name: str = "default") -> str:
    """Play the first namespace's calls (True) alone, then all calls beside the second one; the first difference.

    calls: (whether it is the first namespace's, the call)
    """
    for path in folder.glob("*.db*"):
        path.unlink()
    answers: list[list[Any]] = []
    for beside in (False, True):
        path = folder / f"{'beside' if beside else 'alone'}.db"
        first = _Player(path, name)
        second = _Player(path, "other/fixed") if beside else None
        said = []
        for own, call in calls:
            if own:
                said.append((call, first.play(call)))
            elif second is not None:
                second.play(call)
        answers.append(said)
        first.memory.close()
        if second is not None:
            second.memory.close()
    for (call, a), (_, b) in zip(*answers, strict=True):
        if a != b:
            return f"{call}: alone {a!r}, beside another {b!r}"[:2_000]
    return ""


def drawn(draw: random.Random, length: int) -> list[tuple[bool, Call]]:
    """Calls at random."""
    return [
        (draw.random() < 0.5, (draw.choice(KINDS), draw.randrange(1_000), draw.randrange(1_000)))
        for _ in range(length)
    ]  # fmt: skip


def tenants(count: int, seed: int, folder: Path, play: Callable[..., str] = alone_and_beside) -> dict[str, Any]:
    """count sequences of calls."""
    draw = random.Random(f"tenants {seed}")
    failures = []
    for _ in range(count):
        difference = play(drawn(draw, draw.randrange(10, 80)), folder)
        if difference:
            failures.append(difference)
    return {"sequences": count, "failures": failures[:10]}
