"""Whoever stops waiting: until the commit nothing has changed; after it all has, and the key returns the result."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.memory.stores import opened
from tests.memory.test_asynchronous import PATIENCE, run
from wayfare.errors import OutcomeConflict, WayfareError
from wayfare.memory import AsyncMemory, Memory
from wayfare.memory.embedding.lexical import Lexical
from wayfare.memory.operations import Add
from wayfare.memory.planners import Wanted
from wayfare.memory.store.file import FileTransaction
from wayfare.memory.store.postgres.database import PostgresTransaction
from wayfare.memory.store.stops import Stop

TABLES = (
    "records", "versions", "tags", "entries", "links", "log", "answers", "receipts", "tasks", "outcomes", "credits",
    "utilities",
)  # fmt: skip


class Gate:
    """Holds the memory's thread before its n-th statement, or right before or after it passes to the commit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at: int | str | None = None
        self.count = 0
        self.reached, self.go = threading.Event(), threading.Event()
        for kind in (FileTransaction, PostgresTransaction):
            monkeypatch.setattr(kind, "execute", self._counting(kind.execute))
        monkeypatch.setattr(Stop, "committing", self._around(Stop.committing))

    def close(self, at: int | str | None) -> None:
        self.at, self.count = at, 0
        self.reached.clear()
        self.go.clear()

    def _hold(self, here: int | str) -> None:
        if self.at == here and threading.current_thread().name.startswith("wayfare-memory"):
            self.at = None
            self.reached.set()
            assert self.go.wait(PATIENCE)

    def _counting(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        def counted(tx: Any, sql: str, parameters: Any = ()) -> Any:
            if threading.current_thread().name.startswith("wayfare-memory") and sql != "COMMIT":
                self.count += 1
                self._hold(self.count)
            return execute(tx, sql, parameters)

        return counted

    def _around(self, committing: Callable[[Stop], None]) -> Callable[[Stop], None]:
        def held(stop: Stop) -> None:
            self._hold("before the commit")
            committing(stop)
            self._hold("in the commit")

        return held


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def counts(memory: AsyncMemory) -> dict[str, int]:
    """How many rows of each table the namespace has."""
    with memory.memory.engine.database.read() as tx:
        ns = memory.memory.engine.number(tx)
        numbers = "SELECT record FROM records WHERE ns = ?"
        return {
            name: tx.execute(
                f"SELECT COUNT(*) FROM {name} WHERE record IN ({numbers})" if name in ("tags", "utilities")
                else f"SELECT COUNT(*) FROM {name} WHERE ns = ?", (ns,)
            ).fetchone()[0]
            for name in TABLES
        }  # fmt: skip


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in TABLES}


async def reached(gate: Gate, call: asyncio.Task[Any]) -> bool:
    """Whether the thread stands at the gate; False where the call is over without it."""
    while not gate.reached.is_set():
        if call.done():
            return False
        await asyncio.sleep(0.001)
    return True


Verb = Callable[[AsyncMemory, str, str, str], Awaitable[Any]]
VERBS: dict[str, Verb] = {
    "remember": lambda m, id, n, key: m.remember(f"a text number {n}", tags=["new"], idempotency_key=key),
    "remember_many": lambda m, id, n, key: m.remember_many([f"one {n}", f"two {n}"], idempotency_key=key),
    "revise": lambda m, id, n, key: m.revise(id, f"other {n}", expect=1, idempotency_key=key),
    "forget": lambda m, id, n, key: m.forget(id, idempotency_key=key),
    "link": lambda m, id, n, key: m.link(id, "a number", "near", idempotency_key=key),
    "credit": lambda m, id, n, key: m.credit(f"task {n}", 1.0, idempotency_key=key),
}


@pytest.mark.parametrize("name", VERBS)
def test_a_call_that_is_cancelled_anywhere_is_whole_or_has_never_been(
    shared_address: str, gate: Gate, name: str
) -> None:
    """At any statement, right before the commit, and within it; then the same is asked again under the same key."""
    verb, draws = VERBS[name], random.Random(name)

    async def trial(memory: AsyncMemory, n: int, at: int | str | None) -> tuple[int, dict[str, int]]:
        gate.close(None)
        id = (await memory.remember(f"the record {n}", tags=["old"])).id
        await memory.recall(f"record {n}", k=1, task=f"task {n}")
        before = counts(memory)
        gate.close(at)
        call = asyncio.create_task(verb(memory, id, str(n), f"key {n}"))
        if at is None:
            result = await call
            statements = gate.count
            assert await verb(memory, id, str(n), f"key {n}") == result
            return statements, grown(before, counts(memory))
        assert await reached(gate, call)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call  # at once: the thread is still held
        gate.go.set()
        await memory.get(id) if name != "forget" else await memory.stats()  # the only thread is through with it
        changed = grown(before, counts(memory))
        if at == "in the commit":
            assert changed["log"] > 0 and changed["answers"] == 1
        else:
            assert not any(changed.values())
        result = await verb(memory, id, str(n), f"key {n}")
        assert await verb(memory, id, str(n), f"key {n}") == result
        with pytest.raises(OutcomeConflict):
            await memory.remember("something else", idempotency_key=f"key {n}")
        return 0, grown(before, counts(memory))

    async def every_point() -> None:
        made = Memory(shared_address, namespace=f"stopped/{name}", synchronous="NORMAL", policy="similarity")
        async with AsyncMemory(made, threads=1) as memory:
            await memory.apply([Add("what is linked to", id="a number")])
            await trial(memory, 0, None)
            statements, whole = await trial(memory, 1, None)
            points = [1, statements, *draws.sample(range(2, statements), 4), "before the commit", "in the commit"]
            for n, at in enumerate(points, 2):
                assert (await trial(memory, n, at))[1] == whole, f"cancelled at {at}"

    run(every_point())


@contextmanager
def writing_elsewhere(address: str, namespace: str) -> Iterator[None]:
    """Somebody else has the namespace's lock, as another process would."""
    database = opened(address).bound(namespace)
    begun, over = threading.Event(), threading.Event()

    def write() -> None:
        with suppress(KeyError), database.write() as tx:
            tx.namespace(namespace, create=True)
            begun.set()
            over.wait(PATIENCE)
            raise KeyError("rolled back")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(PATIENCE)
        yield
    finally:
        over.set()
        writer.join()
        database.close()


def test_a_call_that_waits_for_a_lock_runs_out_of_time_and_its_thread_is_free_again(address: str) -> None:
    async def waiting() -> None:
        made = Memory(address, namespace="org/a", synchronous="NORMAL")
        async with AsyncMemory(made, threads=1) as memory:
            id = (await memory.remember("first")).id
            before = counts(memory)
            with writing_elsewhere(address, "org/a"):
                for _ in range(3):
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await memory.remember("second", idempotency_key="k")
                    assert (await memory.get(id)).content == "first"  # by the only thread, while the lock is held
            assert counts(memory) == before
            assert (await memory.remember("second", idempotency_key="k")).op == "ADD"

    run(waiting())


def test_calls_that_wait_for_a_thread_or_for_their_turn_are_taken_out_of_the_queue(address: str) -> None:
    async def queueing() -> None:
        made = Memory(address, namespace="org/a", synchronous="NORMAL")
        async with AsyncMemory(made, threads=3) as memory:
            id = (await memory.remember("first")).id
            begun, over = threading.Event(), threading.Event()

            def write() -> None:
                with made.engine.database.write():  # of this very process
                    begun.set()
                    over.wait(PATIENCE)

            writer = threading.Thread(target=write)
            writer.start()
            begun.wait(PATIENCE)
            calls = [asyncio.create_task(memory.remember(f"number {i}")) for i in range(12)]
            await asyncio.sleep(0.05)
            for call in calls[:11]:
                call.cancel()
            assert (await memory.get(id)).content == "first"
            over.set()
            assert (await calls[11]).op == "ADD"
            writer.join()
            assert [each.content for each in (await memory.list()).records] == ["first", "number 11"]

    run(queueing())


def test_a_cancellation_never_hits_another_call(address: str) -> None:
    """Half of the calls are cancelled at any time; each of the others is answered, and what is there is theirs."""

    async def mixed() -> None:
        draws = random.Random(7)
        async with AsyncMemory.open(address, synchronous="NORMAL") as memory:
            wanted, given_up = [], []

            async def cancelled(call: asyncio.Task[Any]) -> None:
                await asyncio.sleep(draws.random() * 0.02)
                call.cancel()

            for _ in range(5):
                calls = [asyncio.create_task(memory.remember(f"n {draws.random()}")) for _ in range(24)]
                killers = [asyncio.create_task(cancelled(call)) for call in calls[::2]]
                found = await asyncio.gather(*calls, return_exceptions=True)
                await asyncio.gather(*killers)
                wanted += found[1::2]
                given_up += found[::2]
            assert all(each.op == "ADD" for each in wanted)
            assert not any(isinstance(each, WayfareError) for each in given_up)
            acknowledged = {each.id for each in (*wanted, *given_up) if not isinstance(each, BaseException)}
            there = {each.id for each in (await memory.list(limit=1_000)).records}
            assert acknowledged <= there

    run(mixed())


def test_a_move_to_other_vectors_stops_between_two_steps_and_goes_on_later(address: str) -> None:
    class Held(Lexical):
        model = "held"

        def __init__(self) -> None:
            super().__init__()
            self.calls, self.begun, self.go = 0, threading.Event(), threading.Event()

        def embed(self, texts: Any) -> Any:
            self.calls += 1
            if self.calls == 4:
                self.begun.set()
                self.go.wait(PATIENCE)
            return super().embed(texts)

    async def moving() -> None:
        made = Memory(address, synchronous="NORMAL")
        async with AsyncMemory(made, threads=1) as memory:
            await memory.remember_many([f"text {i}" for i in range(12)])
            held = Held()
            move = asyncio.create_task(memory.reembed(held, batch=1))
            while not held.begun.is_set():
                await asyncio.sleep(0.001)
            move.cancel()
            with pytest.raises(asyncio.CancelledError):
                await move
            held.go.set()
            assert (await memory.stats())["embedder"] != "held"
            stopped = held.calls
            await memory.reembed(held, batch=1)
            assert (await memory.stats())["embedder"] == "held"
            assert stopped < 12 <= held.calls < stopped + 12  # it went on where it was

    run(moving())


def test_an_opening_that_is_given_up_leaves_nothing_open_and_nothing_behind(address: str) -> None:
    async def given_up() -> None:
        Memory(address).close()
        with writing_elsewhere(address, "org/new"), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await AsyncMemory.open(address, namespace="org/new")
        with Memory(address, read_only=True, namespace="org/new") as memory:
            assert memory.stats().keys() <= {"namespace", "address", "bytes", "embedder", "reward_range"}

    run(given_up())


def test_a_credit_in_doubt_is_not_followed_by_another(address: str, gate: Gate) -> None:
    """The commit stood, the time was over: what the error is worth is not said on top of it."""

    async def in_doubt() -> None:
        async with AsyncMemory(Memory(address, synchronous="NORMAL", policy="similarity"), threads=1) as memory:
            await memory.remember("the session cache")
            with pytest.raises(TimeoutError):
                async with memory.task("t", on_error=0.0) as task:
                    await memory.recall("session")
                    gate.close("in the commit")
                    async with asyncio.timeout(0.2):
                        await task.credit(1.0, idempotency_key="k")
            gate.go.set()
            assert (await memory.credit("t", 1.0, idempotency_key="k")).reward == 1.0
            assert (await memory.list()).records[0].utility.mean == 1.0

    run(in_doubt())


def test_what_takes_several_commits_is_carried_out_to_its_end_once_the_first_has_begun(address: str) -> None:
    """A text is stored, then refined by a slow planner, during which nobody waits any more."""

    class Slow:
        slow, max_calls = True, 1

        def __init__(self) -> None:
            self.calls, self.begun, self.go = 0, threading.Event(), threading.Event()

        def wants(self, draft: Add) -> Wanted:
            return Wanted()

        def plan(self, draft: Add, neighbours: Any) -> Any:
            self.calls += 1
            self.begun.set()
            self.go.wait(PATIENCE)
            return [replace(draft, content=draft.content.upper())]

    async def refining() -> None:
        planner = Slow()
        async with AsyncMemory(Memory(address, synchronous="NORMAL", planner=planner), threads=1) as memory:
            call = asyncio.create_task(memory.remember("a long story", idempotency_key="k"))
            while not planner.begun.is_set():
                await asyncio.sleep(0.001)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            planner.go.set()
            assert [each.content for each in (await memory.list()).records] == ["A LONG STORY"]
            before = counts(memory)
            result = await memory.remember("a long story", idempotency_key="k")
            assert (await memory.get(result.id)).content == "A LONG STORY"
            assert counts(memory) == before and planner.calls == 1

    run(refining())
