"""The awaited memory: the same verbs with the same effect, tasks that do not mix, and a loop that never waits."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from wayfare.errors import BadValue, NoSuchRecord, Unavailable
from wayfare.memory import AsyncMemory, AsyncTask, Memory

TEXTS = ["the session cache is flushed at night", "the session clock is wrong", "invoices are sent in May"]
PATIENCE = 60.0
"""Seconds after which a test that hangs has failed."""


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, PATIENCE))


def test_every_verb_of_a_memory_can_be_awaited_and_takes_the_same() -> None:
    """A new verb is one line more in `AsyncMemory`."""
    verbs = {name: verb for name, verb in inspect.getmembers(Memory, inspect.isfunction) if not name.startswith("_")}
    mine = dict(inspect.getmembers(AsyncMemory, inspect.isfunction))
    assert verbs.keys() <= mine.keys()
    for name in verbs.keys() - {"task", "learns", "close"}:
        assert inspect.iscoroutinefunction(mine[name])
        assert inspect.signature(mine[name]) == inspect.signature(verbs[name])
        assert mine[name].__doc__ == verbs[name].__doc__
    for name in ("task", "learns"):
        assert inspect.signature(mine[name]).parameters == inspect.signature(verbs[name]).parameters
    assert inspect.signature(AsyncMemory.open).parameters.keys() == inspect.signature(Memory).parameters.keys()


def test_the_same_steps_leave_the_same_memory(address: str) -> None:
    def plain(memory: Memory) -> Any:
        ids = [each.id for each in memory.remember_many(TEXTS)]
        for i in range(6):
            with memory.task(f"t{i}") as task:
                used = [id for id in memory.recall("session", k=1).ids if id == ids[0]]
                task.credit(float(bool(used)), used=used)
        memory.revise(ids[2], "invoices are sent in June", expect=1)
        memory.link(ids[0], ids[1], "near")
        memory.forget(ids[1])
        return ids

    async def awaited(memory: AsyncMemory) -> Any:
        ids = [each.id for each in await memory.remember_many(TEXTS)]
        for i in range(6):
            async with memory.task(f"t{i}") as task:
                used = [id for id in (await memory.recall("session", k=1)).ids if id == ids[0]]
                await task.credit(float(bool(used)), used=used)
        await memory.revise(ids[2], "invoices are sent in June", expect=1)
        await memory.link(ids[0], ids[1], "near")
        await memory.forget(ids[1])
        return ids

    async def both() -> None:
        given = {"synchronous": "NORMAL", "policy": "similarity"}
        with Memory(address, namespace="plain", **given) as one:
            first = plain(one)
            async with AsyncMemory.open(address, namespace="awaited", **given) as other:
                second = await awaited(other)
                assert (await other.stats())["memories"] == one.stats()["memories"]
                for a, b in zip((one.get(id) for id in (first[0], first[2])), (second[0], second[2]), strict=True):
                    found = await other.get(b)
                    assert (a.content, a.version, a.utility.n, a.utility.mean) == (
                        found.content, found.version, found.utility.n, found.utility.mean,
                    )  # fmt: skip
                with pytest.raises(NoSuchRecord):
                    await other.get(second[1])

    run(both())


def test_fifty_tasks_at_once_recall_and_are_credited_each_for_itself(address: str) -> None:
    async def job(memory: AsyncMemory, i: int) -> None:
        async with memory.task(f"job {i}") as task:
            await asyncio.sleep(0)
            first = await memory.recall(TEXTS[i % 3], k=1)
            more = await asyncio.gather(*(memory.recall("session", k=1) for _ in range(2)))  # tasks within the task
            assert {each.task for each in (first, *more)} == {f"job {i}"}
            assert {each.id for each in task.recalls} == {first.id, *(each.id for each in more)}
            assert (await task.credit(i / 50)).task == f"job {i}"
        assert (await memory.recall("session", k=1)).task != f"job {i}"

    async def all_of_them() -> None:
        async with AsyncMemory.open(address, synchronous="NORMAL") as memory:
            await memory.remember_many(TEXTS)
            async with asyncio.TaskGroup() as group:
                for i in range(50):
                    group.create_task(job(memory, i))
            with memory.memory.engine.database.read() as tx:
                rows = tx.execute(
                    "SELECT o.task, MIN(o.reward), COUNT(*) FROM outcomes o JOIN receipts r ON r.ns = o.ns "
                    "AND r.task = o.task GROUP BY o.task ORDER BY MIN(o.reward)"
                ).fetchall()
        assert rows == [(f"job {i}", pytest.approx(i / 50), 3) for i in range(50)]

    run(all_of_them())


def test_the_loop_goes_on_while_a_call_waits_for_a_writer(address: str) -> None:
    """What the call waits for is let go by the loop itself."""

    async def held() -> None:
        async with AsyncMemory.open(address, synchronous="NORMAL") as memory:
            writing, over = threading.Event(), threading.Event()

            def write() -> None:
                with memory.memory.engine.database.write():
                    writing.set()
                    over.wait(PATIENCE)

            writer = threading.Thread(target=write)
            writer.start()
            writing.wait(PATIENCE)
            asyncio.get_running_loop().call_later(0.05, over.set)
            assert (await memory.remember(TEXTS[0])).op == "ADD"
            writer.join()

    run(held())


def test_closing_waits_for_what_has_begun_refuses_what_comes_and_can_be_done_twice(address: str) -> None:
    async def closed() -> None:
        memory = await AsyncMemory.open(address, synchronous="NORMAL")
        begun, over = threading.Event(), threading.Event()

        def progress(done: int, of: int) -> None:
            begun.set()
            over.wait(PATIENCE)

        await memory.remember(TEXTS[0])
        call = asyncio.create_task(memory.reembed("none", progress=progress))
        while not begun.is_set():
            if call.done():
                call.result()
                break
            await asyncio.sleep(0.005)
        closing = asyncio.create_task(memory.close())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="closed"):
            await memory.recall("session")
        asyncio.get_running_loop().call_later(0.05, over.set)
        await closing
        await call
        await memory.close()
        with pytest.raises(Unavailable, match="closed"):
            memory.memory.recall("session")

    run(closed())


def test_an_error_within_a_task_is_credited_as_was_said_and_a_cancellation_is_not(address: str) -> None:
    async def failing() -> None:
        async with AsyncMemory.open(address, synchronous="NORMAL") as memory:
            id = (await memory.remember(TEXTS[0])).id
            for error in (ValueError, asyncio.CancelledError):
                with pytest.raises(error):
                    async with memory.task(error.__name__, on_error=0.0):
                        await memory.recall("session")
                        raise error
            assert (await memory.get(id)).utility.n == 1
            with pytest.raises(BadValue, match="entered once"):
                async with memory.task("twice") as task, task:
                    pass

    run(failing())


def test_each_call_of_a_learning_function_is_a_task(address: str) -> None:
    async def learning() -> None:
        async with AsyncMemory.open(address, synchronous="NORMAL") as memory:
            id = (await memory.remember(TEXTS[0])).id

            @memory.learns(reward=lambda answer: None if answer is None else float(answer), id=lambda name: name)
            async def answer(name: str) -> bool | None:
                recall = await memory.recall("session")
                assert recall.task == name
                return None if name == "unknown" else recall.ids == (id,)

            assert await asyncio.gather(answer("a"), answer("b"), answer("unknown")) == [True, True, None]
            assert (await memory.get(id)).utility.n == 2
            with pytest.raises(BadValue, match="coroutine"):
                memory.learns(reward=float)(len)  # type: ignore[arg-type]
            task: AsyncTask = memory.task("a text")
            async with task:
                await memory.recall("session")
                seen = await task.observe(TEXTS[0])
                assert seen is not None and set(seen.shares) == {id}

    run(learning())


def test_what_is_wrong_is_refused_as_ever(address: str) -> None:
    async def wrong() -> None:
        with pytest.raises(BadValue, match="namespace"):
            await AsyncMemory.open(address, namespace="/")
        memory = Memory(address)
        for threads in (0, True, 1.5, 1_000):
            with pytest.raises(BadValue, match="threads"):
                AsyncMemory(memory, threads=threads)  # type: ignore[arg-type]
        async with AsyncMemory(memory, threads=1) as made:
            with pytest.raises(BadValue, match="text"):
                await made.remember("")
            with pytest.raises(BadValue, match="reward"):
                await made.credit("t", 7.0)

    run(wrong())
