"""A few tasks, and how a stream uses a module, for tests of modules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wayfare.memory.modules.frames import read
from wayfare.memory.modules.protocol import Finished

__all__ = ["FRUIT", "done", "run", "shown"]

FRUIT = ["peel the ripe apple", "peel the ripe pear", "peel the ripe plum"]


def run(module: Any, tasks: list[Finished]) -> None:
    """Search, then update, as a stream does."""
    for each in tasks:
        module.update(replace(each, shown=tuple(found.id for found in module.search(each.task))))


def done(task: str, answer: str = "done", feedback: float | None = 1.0, trajectory: str = "") -> Finished:
    return Finished(task, answer, feedback, trajectory)


def shown(module: Any, task: str) -> list[str]:
    """Heads of what a module shows, best first."""
    return [each.text for each in read(module.synthesise(task, module.search(task)))]
