"""A task: what was recalled for one job, credited together.

    with memory.task("ticket-4711") as task:
        recall = memory.recall("user cannot log in")        # belongs to the task, without being told
        ...
        task.credit(1.0)

    @memory.learns(reward=lambda answer: float(answer.solved))
    def answer(ticket): ...                                  # each call is a task; what it returns is its reward

An exception that leaves the task keeps it uncredited, unless `on_error` says what a failure is worth. The task that is
current belongs to the thread, or to the asyncio task, that opened it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from wayfare.errors import BadValue

if TYPE_CHECKING:
    from wayfare.memory.crediting import Crediting
    from wayfare.memory.outcomes import Credited
    from wayfare.memory.recalled import Recall

__all__ = ["AnyTask", "Task", "current", "learns"]

P = ParamSpec("P")
T = TypeVar("T")

_current: ContextVar[tuple[AnyTask, ...]] = ContextVar("wayfare_tasks", default=())


class AnyTask:
    """One job of an agent: `Task`, or `AsyncTask` of a memory whose verbs are awaited.

    id: the caller's, or made up        recalls: what was recalled within it, in order        outcome: the last credit
    """

    def __init__(self, memory: Crediting, id: str, on_error: float | None) -> None:
        self.id, self.recalls, self.outcome = id, list[Any](), None
        self._memory, self._on_error = memory, on_error
        self._token: Token[tuple[AnyTask, ...]] | None = None

    recalls: list[Recall]
    outcome: Credited | None

    def _enter(self) -> None:
        if self._token is not None:
            raise BadValue("task", self.id, "entered once at a time")
        self._token = _current.set((*_current.get(), self))

    def _leave(self, error: BaseException | None) -> float | None:
        """The reward that is left to be credited, because of an error."""
        if self._token is not None:
            _current.reset(self._token)
            self._token = None
        failed = isinstance(error, Exception) and self.outcome is None and bool(self.recalls)
        return self._on_error if failed else None


class Task(AnyTask):
    """One job of an agent. Made by `Memory.task`; enter it to make it current.

    id: the caller's, or made up        recalls: what was recalled within it, in order        outcome: the last credit
    """

    def credit(self, reward: float, *, used: Iterable[str] | None = None, **how: Any) -> Credited:
        """How the task went: closes all its receipts with one outcome. `used` and `how` as in `Memory.credit`."""
        self.outcome = self._memory.credit(self.id, reward, used=used, **how)
        return self.outcome

    def observe(self, output: str) -> Credited | None:
        """Opt in to an implicit signal: what the agent's output repeats of the recalled texts was of use (`signals`).

        Returns the outcome, which enters what is learned with a small weight, and neither evaluation nor the floor;
        None when nothing is repeated. Another output of the same task replaces it. Raises: BadValue.
        """
        return self._memory.observe(self, output)

    def __enter__(self) -> Task:
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = self._leave(error)
        if failure is not None:
            self.credit(failure)


def current(memory: Crediting) -> AnyTask | None:
    """The innermost task of this memory that this thread or asyncio task has entered."""
    for task in reversed(_current.get()):
        if task._memory is memory:
            return task
    return None


def learns(
    memory: Crediting,
    reward: Callable[[Any], float | None],
    id: Callable[..., str] | None,
    on_error: float | None,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """The decorator behind `Memory.learns`: each call is a task, credited with `reward(result)` unless that is None."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            raise BadValue("function", function.__name__, "no generator: its end is not its outcome")

        def open_task(args: Any, kwargs: Any) -> Task:
            return memory.task(None if id is None else id(*args, **kwargs), on_error=on_error)

        def close(task: Task, result: Any) -> None:
            value = reward(result)
            if value is not None and task.recalls and task.outcome is None:
                task.credit(value)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*args: P.args, **kwargs: P.kwargs) -> Any:
                with open_task(args, kwargs) as task:
                    result = await function(*args, **kwargs)
                    close(task, result)
                return result

            return later  # type: ignore[return-value]

        @functools.wraps(function)
        def now(*args: P.args, **kwargs: P.kwargs) -> T:
            with open_task(args, kwargs) as task:
                result = function(*args, **kwargs)
                close(task, result)
            return result

        return now

    return decorate
