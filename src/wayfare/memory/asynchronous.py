"""A memory for asyncio: the verbs of `Memory`, awaited.

    async with AsyncMemory.open("agent.db") as memory:
        async with memory.task("ticket-4711") as task:
            recall = await memory.recall("user cannot log in after password reset", k=5)
            ...                                 # the agent works, with recall.text in its prompt
            await task.credit(1.0)

Every call is carried out by a thread of the memory's own, so that the event loop never waits for a disk, a lock or a
model. Who stops waiting, because the task was cancelled or ran out of time, is free at once; the thread is told, and
looks before each transaction and before each commit (`store.stops`). Until the commit nothing has been changed; after
it the change stands, and the same request under the same idempotency key returns its result.

A child of a fork goes on with threads of its own.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import threading
from collections.abc import Callable, Coroutine, Generator, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from wayfare.errors import BadValue, Unavailable
from wayfare.memory.copies.points import Point
from wayfare.memory.copies.rolling import RolledBack
from wayfare.memory.memory import Memory
from wayfare.memory.outcomes import Credited
from wayfare.memory.policy import Policy
from wayfare.memory.store.stops import Stop
from wayfare.memory.tasks import AnyTask

__all__ = ["AsyncMemory", "AsyncTask", "Opening", "awaited_in"]

P = ParamSpec("P")
T = TypeVar("T")
MOST_THREADS = 64


async def awaited_in(threads: Executor, work: Callable[[], T], *, stepwise: bool = False) -> T:
    """Have it done by a thread, in the context of this asyncio task; whoever stops waiting stops it.

    stepwise: it commits several times, and each commit leaves the memory as good as if it ended there
    """
    stop = Stop(stepwise=stepwise)
    future = threads.submit(copy_context().run, stop.over, work)
    try:
        return await asyncio.wrap_future(future)
    finally:
        if not future.done():
            stop.ask()


def _awaited(
    verb: Callable[Concatenate[Memory, P], T], *, stepwise: bool = False
) -> Callable[Concatenate[AsyncMemory, P], Coroutine[Any, Any, T]]:
    """A verb of `Memory` as a coroutine: its arguments, what it returns and raises, its docstring."""

    @functools.wraps(verb)
    async def later(self: AsyncMemory, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._call(functools.partial(verb, self.memory, *args, **kwargs), stepwise=stepwise)

    return later


def _opening(make: Callable[P, Memory]) -> Callable[P, Opening]:
    @functools.wraps(make)
    def opening(*args: P.args, **kwargs: P.kwargs) -> Opening:
        return Opening(functools.partial(make, *args, **kwargs))

    return opening


class AsyncMemory:
    """A `Memory` whose verbs are awaited. Any number of asyncio tasks may share it.

    memory: the one beneath, which this one closes        threads: of its own, so many calls are carried out at once
    Raises: BadValue.
    """

    def __init__(self, memory: Memory, *, threads: int = 8) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
            raise BadValue("threads", threads, f"a whole number from 1 to {MOST_THREADS}")
        self.memory, self._threads, self._closed = memory, threads, False
        self._workers = _Workers(threads)

    open = staticmethod(_opening(Memory))
    """`async with AsyncMemory.open(...) as memory`, or `await AsyncMemory.open(...)`: as `Memory(...)`."""
    from_bundle = staticmethod(_opening(Memory.from_bundle))
    """In the same way, as `Memory.from_bundle`."""

    # Writing
    remember = _awaited(Memory.remember)
    remember_many = _awaited(Memory.remember_many)
    remember_dialogue = _awaited(Memory.remember_dialogue)
    revise = _awaited(Memory.revise)
    forget = _awaited(Memory.forget)
    link = _awaited(Memory.link)
    unlink = _awaited(Memory.unlink)
    archive = _awaited(Memory.archive)
    apply = _awaited(Memory.apply)
    reembed = _awaited(Memory.reembed, stepwise=True)

    # Reading: a recall lets the floor see what outcomes wait, and then stores its receipt
    recall = _awaited(Memory.recall, stepwise=True)
    get = _awaited(Memory.get)
    payload = _awaited(Memory.payload)
    history = _awaited(Memory.history)
    links = _awaited(Memory.links)

    # Outcomes
    credit = _awaited(Memory.credit)
    observe = _awaited(Memory.observe)
    showed = _awaited(Memory.showed)
    void = _awaited(Memory.void)

    # Learning
    freeze = _awaited(Memory.freeze)
    thaw = _awaited(Memory.thaw)
    policies = _awaited(Memory.policies)
    policy_named = _awaited(Memory.policy_named)
    challenge = _awaited(Memory.challenge)
    refit = _awaited(Memory.refit)
    reset_utility = _awaited(Memory.reset_utility)
    evaluate = _awaited(Memory.evaluate)
    stats = _awaited(Memory.stats)

    # Looking back
    receipt = _awaited(Memory.receipt)
    recalled = _awaited(Memory.recalled)
    receipts = _awaited(Memory.receipts)
    credits = _awaited(Memory.credits)
    floor = _awaited(Memory.floor)
    search = _awaited(Memory.search)
    considered = _awaited(Memory.considered)
    recalls = _awaited(Memory.recalls)
    course = _awaited(Memory.course)
    floor_history = _awaited(Memory.floor_history)
    outcomes = _awaited(Memory.outcomes)
    tasks = _awaited(Memory.tasks)
    task_seen = _awaited(Memory.task_seen)

    # Copies, earlier states, one person's part
    export = _awaited(Memory.export, stepwise=True)
    snapshot = _awaited(Memory.snapshot, stepwise=True)
    snapshots = _awaited(Memory.snapshots)
    delete_snapshot = _awaited(Memory.delete_snapshot, stepwise=True)
    branch = _awaited(Memory.branch, stepwise=True)
    diff = _awaited(Memory.diff)
    erase = _awaited(Memory.erase, stepwise=True)

    # Keeping it in order
    upkeep = _awaited(Memory.upkeep, stepwise=True)
    undo_merge = _awaited(Memory.undo_merge)
    audit = _awaited(Memory.audit)
    quota = _awaited(Memory.quota)
    set_quota = _awaited(Memory.set_quota)

    @overload
    async def rollback(self, policy_id: str, *, reason: str = "", idempotency_key: str | None = None) -> Policy: ...

    @overload
    async def rollback(
        self, policy_id: None = None, *, to: Point, dry_run: bool = False, reason: str = ""
    ) -> RolledBack: ...

    @functools.wraps(Memory.rollback)
    async def rollback(self, policy_id: str | None = None, **how: Any) -> Policy | RolledBack:
        return await self._call(functools.partial(self.memory.rollback, policy_id, **how))

    # Tasks

    def task(self, id: str | None = None, *, on_error: float | None = None) -> AsyncTask:
        """A task to enter with `async with`: what is recalled within it is credited together. As `Memory.task`."""
        made = self.memory.task(id, on_error=on_error)
        return AsyncTask(self, made.id, on_error)

    def learns(
        self,
        reward: Callable[[Any], float | None],
        *,
        id: Callable[..., str] | None = None,
        on_error: float | None = None,
    ) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
        """A decorator of coroutine functions: each call is a task. As `Memory.learns`."""

        def decorate(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
            if not inspect.iscoroutinefunction(function):
                raise BadValue("function", getattr(function, "__name__", function), "a coroutine function")

            @functools.wraps(function)
            async def later(*args: P.args, **kwargs: P.kwargs) -> T:
                async with self.task(None if id is None else id(*args, **kwargs), on_error=on_error) as task:
                    result = await function(*args, **kwargs)
                    value = reward(result)
                    if value is not None and task.recalls and task.outcome is None:
                        await task.credit(value)
                return result

            return later

        return decorate

    # A call

    async def _call(self, work: Callable[[], T], *, stepwise: bool = False) -> T:
        return await awaited_in(self._own_workers().pool, work, stepwise=stepwise)

    def _own_workers(self) -> _Workers:
        if self._closed:
            raise Unavailable(f"{self.memory!r} has been closed")
        if self._workers.pid != os.getpid():
            self._workers = _Workers(self._threads)  # a child of a fork: its parent's threads are its parent's
        return self._workers

    async def close(self) -> None:
        """Refuse what comes from now on, wait for the calls that are at work, and close the memory."""
        if not self._closed:
            workers = self._own_workers()
            self._closed = True
            workers.end(self.memory.close)
        await asyncio.shield(asyncio.wrap_future(self._workers.ended))

    async def __aenter__(self) -> AsyncMemory:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Async{self.memory!r}"

    list = _awaited(Memory.list)


class AsyncTask(AnyTask):
    """One job of an agent. Made by `AsyncMemory.task`; enter it with `async with` to make it current.

    It belongs to the asyncio task that has entered it, and to those that are started within it.
    id: the caller's, or made up        recalls: what was recalled within it, in order        outcome: the last credit
    """

    def __init__(self, memory: AsyncMemory, id: str, on_error: float | None) -> None:
        super().__init__(memory.memory, id, on_error)
        self._awaited, self._in_doubt = memory, False

    async def credit(self, reward: float, *, used: Iterable[str] | None = None, **how: Any) -> Credited:
        """How the task went: closes all its receipts with one outcome. `used` and `how` as in `Memory.credit`."""
        self._in_doubt = True  # and it stays so where nobody waits for the answer
        try:
            self.outcome = await self._awaited.credit(self.id, reward, used=used, **how)
        except Exception:
            self._in_doubt = False
            raise
        self._in_doubt = False
        return self.outcome

    async def observe(self, output: str) -> Credited | None:
        """As `Task.observe`."""
        return await self._awaited.observe(self, output)

    async def __aenter__(self) -> AsyncTask:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = self._leave(error)
        if failure is not None and not self._in_doubt:
            await self.credit(failure)


class Opening:
    """A memory that is being opened. Made by `AsyncMemory.open`; await it, or enter it with `async with`."""

    def __init__(self, make: Callable[[], Memory]) -> None:
        self._make = make
        self._made: AsyncMemory | None = None

    def __await__(self) -> Generator[Any, None, AsyncMemory]:
        return self._opened().__await__()

    async def _opened(self) -> AsyncMemory:
        stop, workers = Stop(), _Workers(1)
        future = workers.pool.submit(stop.over, self._make)
        last: Callable[[], None] = functools.partial(_closed, future)  # for nobody will
        try:
            made = AsyncMemory(await asyncio.wrap_future(future))
            last = _nothing
            return made
        finally:
            stop.ask()
            workers.end(last)

    async def __aenter__(self) -> AsyncMemory:
        self._made = await self._opened()
        return self._made

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._made is not None:
            await self._made.close()


def _closed(opened: Future[Memory]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().close()


def _nothing() -> None:
    pass


class _Workers:
    """The threads of one process. ended: done when all of them have gone"""

    def __init__(self, threads: int) -> None:
        self.pid = os.getpid()
        self.ended: Future[None] = Future()
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="wayfare-memory")

    def end(self, last: Callable[[], object]) -> None:
        """Let what has begun come to its end, then do the last; does not wait."""

        def ending() -> None:
            try:
                self.pool.shutdown(wait=True)
                last()
            except BaseException as error:
                self.ended.set_exception(error)
            else:
                self.ended.set_result(None)

        threading.Thread(target=ending, name="wayfare-memory-closing").start()
