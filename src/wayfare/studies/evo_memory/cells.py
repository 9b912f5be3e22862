"""The parts of the study that take time, each a function with plain arguments that gives arrays "player|measure".

A player is a memory under a condition: "exprag puzzles random 0 10 1" is ExpRAG on puzzles in random order without
noise, of 10 families, with the whole budget. Arrays are [1, ...]: one seed a cell, joined by the run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.stream_measures import MEASURES, Order, by_similarity, measured, ordered
from wayfare.agents.streaming import Stream, StreamResult, StreamRunner
from wayfare.studies.contract import Arrays, Report
from wayfare.studies.evo_memory import Config
from wayfare.studies.evo_memory.players import COPY, Copying, module_of
from wayfare.studies.evo_memory.streams import StreamName, budget_of, solver_for, tasks_of

__all__ = ["EDGES", "PROBES", "Condition", "play", "probe"]

Floats = NDArray[np.float64]
EDGES = (0.0, 0.5, 0.7, 1.01)
"""Of the similarity to the most similar task before: little, some, much."""
PROBES = {
    "shown 0": {"shown": 0}, "shown 1": {"shown": 1}, "shown 4": {"shown": 4},
    "shown 4, half wrong": {"shown": 4, "right": 0.5}, "shown 4, all wrong": {"shown": 4, "right": 0.0},
    "shown 4, 30 % of outcomes false": {"shown": 4, "right": 0.7, "noise": 0.3},
    "shown 4 of four families": {"shown": 4, "families": 4},
}  # fmt: skip
"""What the instrument is read at."""
ELSEWHERE = 100_000
"""Between the seeds of one cell's streams."""


@dataclass(frozen=True)
class Condition:
    """Under which memories play. families: 0 for streams in which nothing can be carried over; budget: a share"""

    stream: StreamName
    order: Order = "random"
    noise: float = 0.0
    families: int = 10
    budget: float = 1.0

    def __str__(self) -> str:
        return f"{self.stream} {self.order} {self.noise:g} {self.families} {self.budget:g}"


def play(
    report: Report, *, names: Sequence[str], condition: Condition, config: Config, seed: int, weights: Arrays,
    streams: int = 1,
) -> Arrays:  # fmt: skip
    """Memories on `streams` streams of a seed, in lockstep; what they measured, in the mean over the streams."""
    solver = solver_for(condition.stream, config, weights)
    found: dict[str, list[StreamResult]] = {name: [] for name in names}
    folder = _folder(report.scratch)
    try:
        for number in range(streams):
            own = seed + ELSEWHERE * number
            made = tasks_of(condition.stream, config, own, condition.families)
            tasks = ordered(made, condition.order, own)
            for copying in (False, True):
                chosen = [name for name in names if (name == COPY) is copying]
                runner = StreamRunner(
                    Copying(solver) if copying else solver,
                    budget_tokens=max(1, round(condition.budget * budget_of(condition.stream, config))),
                    feedback_noise=condition.noise, reask=config.reask, seed=own,
                )  # fmt: skip
                place = folder / f"{number}"
                place.mkdir(exist_ok=True)
                modules = [module_of(name, place, own, config.k, condition.stream, tasks) for name in chosen]
                playing = [Stream(name, module, tasks, own) for name, module in zip(chosen, modules, strict=True)]

                def told(done: int, total: int, number: int = number, copying: bool = copying) -> None:
                    if done % 10 == 0 and not copying:
                        report(number * total + done, streams * total)

                for result in runner.run(playing, told):
                    found[result.name].append(result)
                for module in modules:
                    if hasattr(module, "close"):
                        module.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        f"{name} {condition}|{measure}": array
        for name, results in found.items()
        for measure, array in _arrays(results).items()
    }


def _arrays(results: Sequence[StreamResult]) -> dict[str, Floats]:
    """[1, ...] each."""
    one = [dict(measured(result)) for result in results]
    found = {name: np.array([np.mean([each[name] for each in one])]) for name in MEASURES}
    found["curve"] = np.mean([result.success for result in results], axis=0)[None]
    found["steps curve"] = np.mean([result.steps for result in results], axis=0)[None]
    found["similarity"] = np.array([np.mean([np.nanmean(result.nearest) for result in results])])
    similar = np.array([by_similarity(result, EDGES) for result in results])
    known = np.isfinite(similar)
    total = np.where(known, similar, 0.0).sum(axis=0)
    found["by similarity"] = np.where(known.any(axis=0), total / np.maximum(1, known.sum(axis=0)), np.nan)[None]
    found["seconds"] = np.array([sum(result.seconds for result in results)])
    found["solver tokens"] = np.array([np.mean([result.tokens.mean() for result in results])])
    for name in ("prune", "merge", "think", "refine", "search", "act", "forced act"):
        found[f"operation {name}"] = np.array([np.mean([result.operations.get(name, 0) for result in results])])
    return {name: np.asarray(array, np.float64) for name, array in found.items()}


def _folder(scratch: Path) -> Path:
    """A folder for stores that end with the cell: in memory where there is such a place."""
    memory = Path("/dev/shm")
    return Path(mkdtemp(prefix="wayfare-", dir=memory if os.access(memory, os.W_OK) else scratch))


def probe(report: Report, *, config: Config, seeds: Sequence[int], weights: Arrays) -> Arrays:
    """The instrument: "solver|NAME of PROBES" [seeds], accuracy on families that it was not trained on."""
    from wayfare.studies.evo_memory.reader import accuracy, restored

    net, found = restored(weights, config.size), {}
    for done, (name, how) in enumerate(PROBES.items()):
        found[f"solver|{name}"] = np.array(
            [accuracy(net, seed=seed, puzzles=config.probe, **how) for seed in seeds]  # type: ignore[arg-type]
        )
        report(done + 1, len(PROBES))
    return found
