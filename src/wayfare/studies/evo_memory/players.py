"""Who plays beside the shipped memories: scripted ones, and who copies.

    oracle    shows k successes of the task's own family, which it was given beforehand
    random    keeps every finished task and shows any k of them
    copy      the answer, or the way, of the most similar success, taken as it is: no rule is carried over

A scripted memory shows what the best and the worst could do, so that checks are tried before anything learns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from wayfare.agents.streaming import Played, Solver, StreamTask
from wayfare.draws import Stream
from wayfare.memory.modules import MODULES, made
from wayfare.memory.modules.frames import case, joined, read
from wayfare.memory.modules.protocol import Finished, Found, MemoryModule
from wayfare.studies.evo_memory.planner import FOUND, play
from wayfare.studies.evo_memory.streams import StreamName
from wayfare.worlds.household import Errand, House

__all__ = ["COPY", "MEMORIES", "SCRIPTED", "Copying", "Oracle", "RandomMemory", "label_of", "module_of"]

COPY = "copy"
SCRIPTED = ("none", "oracle", "random")
MEMORIES = (*MODULES, COPY)


def label_of(name: str) -> str:
    """What a memory is called in tables and figures."""
    from wayfare.memory.modules import module_class

    if name == COPY:
        return "copy the nearest success"
    return str(module_class(name).label) if name in MODULES else name


def module_of(
    name: str, folder: Path, seed: int, k: int, stream: StreamName, tasks: Sequence[StreamTask]
) -> MemoryModule:
    """A memory by its name, a new one in a folder."""
    if name == "oracle":
        return Oracle(stream, tasks, k)
    if name == "random":
        return RandomMemory(k, seed)
    if name == COPY:
        return made("exprag-success", folder / "copy.db", k=1, seed=seed)
    return made(name, folder / f"{name}.db", k=k, seed=seed)


class RandomMemory:
    """Any k of all finished tasks, by (seed, search)."""

    def __init__(self, k: int, seed: int) -> None:
        self.k, self.kept, self._turn, self._draw = k, [], 0, Stream(seed, "any finished task")  # type: ignore[var-annotated]

    def search(self, task: str) -> Sequence[Found]:
        """Whatever the task is."""
        self._turn += 1
        order = np.argsort(self._draw.uniform(np.arange(len(self.kept)), self._turn), kind="stable")
        return [Found(str(i), self.kept[i]) for i in order[: self.k].tolist()]

    def synthesise(self, task: str, found: Sequence[Found]) -> str:
        """As they stand."""
        return joined([each.text for each in found])

    def update(self, finished: Finished) -> None:
        """Kept."""
        self.kept.append(case(finished))

    def __len__(self) -> int:
        return len(self.kept)


class Oracle:
    """k successes of a task's own family. It is given the tasks with their answers: no memory could be."""

    def __init__(self, stream: StreamName, tasks: Sequence[StreamTask], k: int) -> None:
        shown = _puzzles_shown if stream == "puzzles" else _errands_shown
        families: dict[int, list[StreamTask]] = {}
        for task in tasks:
            families.setdefault(task.family, []).append(task)
        self._shown: Mapping[str, Callable[[], list[str]]] = {
            task.text: partial(shown, task, families[task.family], k) for task in tasks
        }

    def search(self, task: str) -> Sequence[Found]:
        """Of the family of the task, which its text names."""
        return [Found(str(i), text) for i, text in enumerate(self._shown[task]())]

    def synthesise(self, task: str, found: Sequence[Found]) -> str:
        """As they stand."""
        return joined([each.text for each in found])

    def update(self, finished: Finished) -> None:
        """Nothing."""


def _puzzles_shown(task: StreamTask, family: Sequence[StreamTask], k: int) -> list[str]:
    others = [each for each in family if each.text != task.text][:k]
    return [case(Finished(each.text, _numbers(each.text)[each.extra["place"]], 1.0)) for each in others]


def _numbers(text: str) -> list[str]:
    return [word.strip(".") for word in text.split() if word.strip(".").isdigit()]


def _errands_shown(task: StreamTask, family: Sequence[StreamTask], k: int) -> list[str]:
    house, errand = task.extra["house"], task.extra["errand"]
    lines = [f"found {name} in {house.homes[name]}" for name in errand.wanted]
    return [case(Finished(task.text, "done", 1.0, "\n".join(lines)))]


class Copying:
    """Plays as the first thing shown says; what that does not say is left to the solver, which is shown nothing."""

    def __init__(self, solver: Solver) -> None:
        self.solver = solver

    def play(self, tasks: Sequence[StreamTask], contexts: Sequence[str]) -> list[Played]:
        """A number, if it is in the row; the places where things were found, whatever they were."""
        own = self.solver.play(tasks, [""] * len(tasks))
        return [self._copied(task, text, played) for task, text, played in zip(tasks, contexts, own, strict=True)]

    def count(self, text: str) -> int:
        """As the solver does."""
        return self.solver.count(text)

    def _copied(self, task: StreamTask, context: str, played: Played) -> Played:
        blocks = read(context)
        if not blocks:
            return played
        if "errand" in task.extra:
            house: House = task.extra["house"]
            return play(house, task.extra["errand"], self.solver.cap, context, _first_way)  # type: ignore[attr-defined]
        row, answer = _numbers(task.text), blocks[0].answer.strip()
        if answer not in row:
            return played
        return Played(answer, float(row.index(answer) == task.extra["place"]))


def _first_way(context: str, errand: Errand, name: str) -> list[str]:
    matches = (FOUND.match(line) for line in read(context)[0].steps)
    return [match[2] for match in matches if match]
