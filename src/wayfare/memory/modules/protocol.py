"""What a memory is to a stream of tasks: search, synthesise, update.

    R_t = search(x_t)                       what of the memory concerns the task                             (1)
    c_t = synthesise(x_t, R_t)              what the frozen model sees of it                                 (2)
    y_t = F(x_t, c_t),  f_t                 its answer, and what came of it
    M_{t+1} = update(h(x_t, y_t, f_t))      what is kept of that                                             (3)

Wei, Sachdeva, Coleman et al. 2025, "Evo-Memory: Benchmarking LLM Agent Test-time Learning with Self-Evolving Memory"
(arXiv 2511.20857): every memory is told apart by these three alone, the model, its prompt and its budget are the same.

A task is answered before the memory hears of it, and what it hears is the feedback that the stream allows: the right
answer is never part of a `Finished`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Finished", "Found", "MemoryModule"]


@dataclass(frozen=True)
class Found:
    """One thing that a search has found. score: by the module's own measure, larger is better; 0 where it has none."""

    id: str
    text: str
    score: float = 0.0


@dataclass(frozen=True)
class Finished:
    """A task that has ended, as far as a memory may know.

    task: x_t        answer: y_t        feedback: f_t in [0, 1], which may be wrong; None where none came
    trajectory: what was done on the way, a line a step; "" for a single answer        steps: how many
    context: c_t as the model saw it        shown: ids of R_t
    """

    task: str
    answer: str
    feedback: float | None = None
    trajectory: str = ""
    steps: int = 1
    context: str = ""
    shown: tuple[str, ...] = ()


@runtime_checkable
class MemoryModule(Protocol):
    """A memory as a stream of tasks meets it; `wayfare stream --memory FILE:CLASS` runs any class that has these."""

    def search(self, task: str) -> Sequence[Found]:
        """(1) What concerns a task, best first; nothing is an answer."""

    def synthesise(self, task: str, found: Sequence[Found]) -> str:
        """(2) What the model is shown of it; whoever runs the stream cuts it to the budget of all modules."""

    def update(self, finished: Finished) -> None:
        """(3) Keep what is worth keeping of a task that has ended."""
