"""A frozen model and a memory meet a stream of tasks: search, show, answer, hear, keep; many streams in lockstep.

    runner = StreamRunner(solver, budget_tokens=400, feedback_noise=0.1, seed=0)
    results = runner.run([Stream("exprag", ExpRAG("a.db"), tasks), Stream("none", Nothing(), tasks)])
    results[0].success                                  # [T]

At step t, for every stream (the equations are those of `memory.modules.protocol`):

    (1) search, (2) synthesise, cut to the budget, (3) the solver answers all streams in one call, and only when the
    answer and its success are written down does the memory hear of it (4): prequential, nothing is learned before it
    was tested. The right answer is in no `StreamTask`; the memory is told the feedback alone, which may be wrong,
    missing or late.

Wei et al. 2025, "Evo-Memory" (arXiv 2511.20857), sections on search-predict-evolve and on streams. Whatever a module
raises, or returns that is not what the protocol says, is counted as its failure, and the stream goes on, with an empty
context where there is none.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare import draws
from wayfare.errors import BadValue
from wayfare.memory.embedding.lexical import Lexical
from wayfare.memory.modules.protocol import Finished, Found, MemoryModule
from wayfare.memory.recalled import shortened

__all__ = ["Failure", "Played", "Solver", "Stream", "StreamResult", "StreamRunner", "StreamTask", "cut"]

Floats = NDArray[np.float64]
_EMPTY: Mapping[str, Any] = MappingProxyType({})
BLOCK = "\n\n"
"""What stands between the parts of a context that are kept or left out whole."""


@dataclass(frozen=True)
class StreamTask:
    """What is asked. difficulty: by which orders sort        family: kind of task, -1 where there are none

    extra: what the solver needs beside the text; never the right answer
    """

    id: str
    text: str
    difficulty: float = 0.0
    family: int = -1
    extra: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True)
class Played:
    """What came of a task. success, progress: in [0, 1], progress is success where there is none of its own

    steps: taken        trajectory: a line a step        tokens: read and written by the model
    """

    answer: str
    success: float
    progress: float = math.nan
    steps: int = 1
    trajectory: str = ""
    tokens: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.success <= 1:
            raise BadValue("success", self.success, "between 0 and 1")
        if math.isnan(self.progress):
            object.__setattr__(self, "progress", float(self.success))


class Solver(Protocol):
    """The frozen model with the world that judges it."""

    def play(self, tasks: Sequence[StreamTask], contexts: Sequence[str]) -> list[Played]:
        """One task and context for each of many streams; what is played must not depend on the others in the call."""

    def count(self, text: str) -> int:
        """Tokens of a context."""


@dataclass(frozen=True)
class Stream:
    """One memory and the tasks that it meets. seed: of the feedback's noise; streams that are compared share it."""

    name: str
    module: MemoryModule
    tasks: Sequence[StreamTask]
    seed: int = 0


@dataclass(frozen=True)
class Failure:
    """A module's. step: from 0, T and above for those asked again        where: search, synthesise, update or length"""

    step: int
    where: str
    error: str


@dataclass
class StreamResult:
    """How one stream went.

    success, progress, steps: [T] of each task        feedback: [T] as the memory heard it, NaN where none came
    context_tokens: [T] shown        tokens: [T] read and written by the solver
    items: [T] kept after each task, NaN where the module has no length        found: [T] how much the search found
    nearest: [T] similarity of each task to the most similar one before it, NaN for the first
    asked_again: [R] places of tasks that were asked again at the end, without an update        again: [R] their success
    calls: of a language model, by the memory        operations: on the memory, by name, where the module counts them
    seconds: spent in the module
    """

    name: str
    success: Floats
    progress: Floats
    steps: Floats
    feedback: Floats
    context_tokens: Floats
    tokens: Floats
    items: Floats
    found: Floats
    nearest: Floats
    asked_again: NDArray[np.int64]
    again: Floats
    failures: list[Failure] = field(default_factory=list)
    calls: int = 0
    operations: dict[str, int] = field(default_factory=dict)
    seconds: float = field(default=0.0, compare=False)


class StreamRunner:
    """Plays streams.

    budget_tokens: of a context, by the solver's count        reask: tasks that are asked again at the end
    feedback_noise: chance that feedback is turned round (1 - f); missing: that none comes
    delay: tasks after which a finished one is told        seed: of noise, of what is missing and of what is asked again

    Noise depends on (seed, the stream's seed, the task and how often it came before) alone: modules that meet the same
    tasks with the same seed hear the same lies.
    Raises: BadValue.
    """

    def __init__(
        self,
        solver: Solver,
        *,
        budget_tokens: int,
        feedback_noise: float = 0.0,
        missing: float = 0.0,
        delay: int = 0,
        reask: int = 20,
        seed: int = 0,
    ) -> None:
        for name, value in (("feedback_noise", feedback_noise), ("missing", missing)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise BadValue(name, value, "between 0 and 1")
        for name, value, least in (("budget_tokens", budget_tokens, 1), ("delay", delay, 0), ("reask", reask, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise BadValue(name, value, f"a whole number of at least {least}")
        self.solver, self.budget_tokens, self.delay, self.reask, self.seed = solver, budget_tokens, delay, reask, seed
        self.feedback_noise, self.missing = feedback_noise, missing

    def run(self, streams: Sequence[Stream], report: Callable[[int, int], None] | None = None) -> list[StreamResult]:
        """Play all streams to their ends. report: called with how many steps are done, of how many

        Raises: BadValue for a stream without tasks, or a solver that does not answer each task once.
        """
        playing = [_Playing(self, stream) for stream in streams]
        longest = max((len(each.tasks) for each in playing), default=0)
        total = longest + max((len(each.result.asked_again) for each in playing), default=0)
        for t in range(longest):
            self._step([(each, t, each.tasks[t]) for each in playing if t < len(each.tasks)], keep=True)
            if report is not None:
                report(t + 1, total)
        for each in playing:
            each.flush()
        for r in range(total - longest):
            again = [each for each in playing if r < len(each.result.asked_again)]
            self._step([(each, r, each.tasks[each.result.asked_again[r]]) for each in again], keep=False)
            if report is not None:
                report(longest + r + 1, total)
        return [each.ended() for each in playing]

    def _step(self, turns: Sequence[tuple[_Playing, int, StreamTask]], *, keep: bool) -> None:
        """keep: the memory hears of it"""
        shown = [each.context(t if keep else len(each.tasks) + t, task) for each, t, task in turns]
        played = self.solver.play([task for _, _, task in turns], [context for context, _ in shown])
        if len(played) != len(turns):
            raise BadValue("solver", f"{len(played)} answers", f"one that answers each of {len(turns)} tasks")
        for (each, t, task), (context, found), outcome in zip(turns, shown, played, strict=True):
            if keep:
                each.heard(t, task, context, found, outcome)
            else:
                each.result.again[t] = outcome.success


class _Playing:
    """One stream under way."""

    def __init__(self, runner: StreamRunner, stream: Stream) -> None:
        self.runner, self.module, self.tasks, self.seed = runner, stream.module, list(stream.tasks), stream.seed
        steps = len(self.tasks)
        if not steps:
            raise BadValue(f"tasks of stream {stream.name!r}", 0, "one at least")
        self.due: list[Finished] = []
        self.met: dict[str, int] = {}
        chosen = draws.Stream(runner.seed, "asked again").uniform(np.arange(steps), stream.seed)
        again = np.sort(np.argsort(chosen, kind="stable")[: runner.reask])

        def empty(n: int = steps) -> Floats:
            return np.full(n, np.nan)

        self.result = StreamResult(
            stream.name, empty(), empty(), empty(), empty(), empty(), empty(), empty(), empty(), nearest(self.tasks),
            again, empty(len(again)),
        )  # fmt: skip

    def context(self, step: int, task: StreamTask) -> tuple[str, tuple[str, ...]]:
        """(1) and (2), within the budget, and the ids of what was found."""
        result, begin = self.result, time.perf_counter()
        where, context, found = "search", "", ()  # type: tuple[str, str, Sequence[Found]]
        try:
            found = tuple(self.module.search(task.text))
            if not all(isinstance(each, Found) for each in found):
                raise BadValue("search", found, "a list of Found")
            where = "synthesise"
            context = self.module.synthesise(task.text, list(found))
            if not isinstance(context, str):
                context = ""
                raise BadValue("synthesise", type(context).__name__, "text")
        except Exception as error:
            result.failures.append(Failure(step, where, f"{type(error).__name__}: {error}"))
        result.seconds += time.perf_counter() - begin
        shown = cut(context, self.runner.budget_tokens, self.runner.solver.count)
        if step < len(self.tasks):
            result.found[step] = len(found)
            result.context_tokens[step] = self.runner.solver.count(shown) if shown else 0
        return shown, tuple(each.id for each in found if isinstance(each, Found))

    def heard(self, t: int, task: StreamTask, context: str, found: tuple[str, ...], played: Played) -> None:
        """Write down what came of it, then (4)."""
        result = self.result
        result.success[t], result.progress[t] = played.success, played.progress
        result.steps[t], result.tokens[t] = played.steps, played.tokens
        feedback = self.feedback(task, played.success)
        result.feedback[t] = np.nan if feedback is None else feedback
        self.due.append(Finished(task.text, played.answer, feedback, played.trajectory, played.steps, context, found))
        if len(self.due) > self.runner.delay:
            self.tell(t, self.due.pop(0))
        if isinstance(self.module, Sized):
            try:
                result.items[t] = len(self.module)
            except Exception as error:
                result.failures.append(Failure(t, "length", f"{type(error).__name__}: {error}"))

    def feedback(self, task: StreamTask, success: float) -> float | None:
        """What the memory is told of a success."""
        runner = self.runner
        place = int.from_bytes(blake2b(task.id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1
        turn = self.met[task.id] = self.met.get(task.id, -1) + 1
        if float(draws.Stream(runner.seed, "feedback comes").uniform(place, self.seed, turn)) < runner.missing:
            return None
        lies = float(draws.Stream(runner.seed, "feedback lies").uniform(place, self.seed, turn)) < runner.feedback_noise
        return 1.0 - success if lies else float(success)

    def tell(self, t: int, finished: Finished) -> None:
        """(4)"""
        begin = time.perf_counter()
        try:
            self.module.update(finished)
        except Exception as error:
            self.result.failures.append(Failure(t, "update", f"{type(error).__name__}: {error}"))
        self.result.seconds += time.perf_counter() - begin

    def flush(self) -> None:
        """Tell what is still late."""
        while self.due:
            self.tell(len(self.tasks) - 1, self.due.pop(0))

    def ended(self) -> StreamResult:
        """The result, with what the module counted."""
        self.result.calls = int(getattr(self.module, "calls", 0))
        self.result.operations = {str(name): int(n) for name, n in dict(getattr(self.module, "operations", {})).items()}
        return self.result


def cut(context: str, budget: int, count: Callable[[str], int]) -> str:
    """The parts of a context, from the first on, that fit into a budget; of a first one that does not, its beginning.

    Parts are what an empty line separates: a case is shown whole or not at all. count: tokens of a text
    """
    if not context or count(context) <= budget:
        return context
    parts = context.split(BLOCK)
    low, high = 0, len(parts) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(BLOCK.join(parts[:middle])) <= budget else (low, middle - 1)
    return BLOCK.join(parts[:low]) if low else shortened(parts[0], budget, count)


def nearest(tasks: Sequence[StreamTask]) -> Floats:
    """[T] largest cosine of each task's lexical vector with one before it; NaN for the first."""
    vectors = Lexical().embed([task.text for task in tasks]).astype(np.float64)
    found = np.full(len(tasks), np.nan)
    for t in range(1, len(tasks)):
        found[t] = float(np.max(vectors[:t] @ vectors[t]))
    return found
