"""The two streams as a `StreamRunner` takes them, and their frozen solvers.

puzzles    stream A: one answer a task, by a small transformer that applies the rules of what it is shown
errands    stream B: several steps a task, by a planner that follows what it is shown

tasks = tasks_of("puzzles", config, seed=3)                         # in the order in which they were made
solver = solver_for("puzzles", config, trained(config))             # `trained` is kept, in memory or in a folder
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from wayfare.agents.streaming import Solver, StreamTask
from wayfare.errors import BadValue
from wayfare.studies.contract import Arrays
from wayfare.studies.evo_memory import Config
from wayfare.studies.evo_memory.planner import ErrandSolver
from wayfare.worlds.household import House
from wayfare.worlds.puzzles import Puzzles

__all__ = ["STREAMS", "StreamName", "budget_of", "length_of", "solver_for", "tasks_of", "trained"]

StreamName = Literal["puzzles", "errands"]
STREAMS: tuple[StreamName, ...] = get_args(StreamName)
SOLVER_SEED = 7


def tasks_of(stream: StreamName, config: Config, seed: int, families: int | None = None) -> list[StreamTask]:
    """The tasks of a stream. families: other than the config's; 0: nothing can be carried over from any to another

    Raises: BadValue.
    """
    _known(stream)
    count = config.families if families is None else families
    if stream == "puzzles":
        puzzles = Puzzles(count, seed)
        made = [puzzles.puzzle(i) for i in range(config.puzzles)]
        return [
            StreamTask(f"puzzle {i}", each.text, float(len(each.row)), each.family, {"place": each.place})
            for i, each in enumerate(made)
        ]
    house = House(seed, count, places=config.places, habit=config.habit)
    errands = [house.errand(i) for i in range(config.errands)]
    return [
        StreamTask(f"errand {i}", each.text, float(house.shortest(each)), each.family, {"errand": each, "house": house})
        for i, each in enumerate(errands)
    ]


def length_of(stream: StreamName, config: Config) -> int:
    """Tasks of a stream."""
    return config.puzzles if stream == "puzzles" else config.errands


def budget_of(stream: StreamName, config: Config) -> int:
    """Words of a context."""
    return config.puzzle_words if stream == "puzzles" else config.errand_words


def solver_for(stream: StreamName, config: Config, weights: Arrays | None = None) -> Solver:
    """The frozen solver. weights: of `trained`, for puzzles

    Raises: BadValue.
    """
    _known(stream)
    if stream == "errands":
        return ErrandSolver(config.cap)
    if weights is None:
        raise BadValue("weights", None, "those of `trained`, for puzzles")
    from wayfare.studies.evo_memory.reader import PuzzleSolver, restored

    return PuzzleSolver(restored(weights, config.size))


def trained(config: Config, folder: str | Path | None = None) -> Arrays:
    """The weights of the puzzles' solver: trained once a process, or read from a folder where they were kept."""
    key = (config.size, config.updates, config.rows)
    if folder is None:
        return _trained(*key)
    file = Path(folder) / f"solver-{'-'.join(map(str, key))}.npz"
    if file.exists():
        with np.load(file) as stored:
            return dict(stored)
    found = _trained(*key)
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(".part.npz")
    np.savez(aside, **dict(found))  # type: ignore[arg-type]
    aside.replace(file)
    return found


@lru_cache(maxsize=2)
def _trained(size: Literal["xs", "s", "m"], updates: int, rows: int) -> Arrays:
    from wayfare.studies.evo_memory.reader import train

    return train(_Quiet(), size=size, updates=updates, rows=rows, seed=SOLVER_SEED)


class _Quiet:
    scratch = Path()

    def __call__(self, done: float, total: float, **metrics: float) -> None:
        pass


def _known(stream: str) -> None:
    if stream not in STREAMS:
        raise BadValue("stream", stream, f"one of {', '.join(STREAMS)}")
