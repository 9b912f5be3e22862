"""Any memory class beside the shipped ones, on the streams of the study: what `wayfare stream` runs.

    found = compare({"mine": "my_memory.py:MyMemory", "exprag": "exprag"}, stream="household", seeds=5)
    found.table                 # last third, area, steps, tokens; difference to ExpRAG with its interval
    found.write(Path("runs/stream/now"))

puzzles, household: as in the study, with its frozen solvers. Else a file of JSON lines {"task": ..., "answer": ...},
which a language model behind an OpenAI-compatible server works through. All memories of a (seed, order) meet the same
tasks, the same noise and the same budget. Differences are paired by seed, orders in the mean.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.stream_measures import MEASURES, ORDERS, measured, ordered
from wayfare.agents.streaming import Solver, Stream, StreamResult, StreamRunner, StreamTask
from wayfare.errors import BadValue
from wayfare.memory.modules.checking import Maker, maker
from wayfare.report.statistics import paired_interval
from wayfare.studies.contract import Figure, Table
from wayfare.studies.evo_memory import STUDY, Config
from wayfare.studies.evo_memory.streams import StreamName, budget_of, solver_for, tasks_of, trained

__all__ = ["SCALES", "STREAMS", "Comparison", "Stage", "compare"]

Floats = NDArray[np.float64]
STREAMS: Mapping[str, StreamName] = {"household": "errands", "puzzles": "puzzles"}
"""As users call them, and as the study does."""
WINDOW = 8
"""A point of a curve is the mean of this part of the stream."""


SCALES = ("smoke", "quick", "laptop")


@dataclass(frozen=True)
class Stage:
    """tasks: seed -> the tasks of its stream, in no order        budget: tokens of a context"""

    solver: Solver
    tasks: Callable[[int], Sequence[StreamTask]]
    budget: int
    close: Callable[[], None] = lambda: None


@dataclass
class Comparison:
    """What was found.

    table: a row a memory        streams: a row a stream, all measures        curves: memory -> [streams, T] success
    failures: memory -> what it raised, at which task
    """

    table: Table
    streams: Table
    curves: Mapping[str, Floats]
    failures: Mapping[str, Sequence[str]]
    notes: Sequence[str] = field(default_factory=tuple)

    def figures(self) -> list[Figure]:
        """The learning curves."""
        return [Figure("curves", "Success along the stream, mean of neighbouring tasks.", lambda: _drawn(self.curves))]

    def write(self, folder: Path, asked: Mapping[str, Any]) -> None:
        """Tables as CSV and JSON, figures as PNG and SVG. asked: what made it, for asked.json

        Raises: MissingExtra without Matplotlib.
        """
        from wayfare.report.plots import draw
        from wayfare.report.tables import to_csv
        from wayfare.studies.runs import json_text, write_aside

        drawn = {figure.name: draw(figure) for figure in self.figures()}
        for name, table in (("memories", self.table), ("streams", self.streams)):
            write_aside(folder / "tables" / f"{name}.csv", to_csv(table))
        for name, kinds in drawn.items():
            for kind, ending in (("png", "png"), ("svg", "svg"), ("svg_dark", "dark.svg")):
                write_aside(folder / "figures" / f"{name}.{ending}", kinds[kind])
        found = [dict(zip(self.table.columns, row, strict=True)) for row in self.table.rows]
        told = {"memories": found, "failures": dict(self.failures), "notes": list(self.notes)}
        write_aside(folder / "asked.json", json_text(dict(asked)))
        write_aside(folder / "found.json", json_text(told))


def compare(
    memories: Mapping[str, str],
    *,
    stream: str = "household",
    scale: str = "quick",
    seeds: int | None = None,
    seed: int = 0,
    orders: Sequence[str] = ("random",),
    reference: str = "",
    k: int = 4,
    budget: int | None = None,
    noise: float = 0.0,
    model: str = "",
    endpoint: str = "",
    kept: Path | None = None,
    report: Callable[[int, int], None] | None = None,
    stage: Stage | None = None,
) -> Comparison:
    """Play every memory on every seed and order.

    memories: name -> a shipped module, or FILE.py:CLASS        reference: name that others are compared with
    seeds, budget: None for those of the scale and of the stream        noise: chance that feedback is turned round
    model, endpoint: for a stream from a file        kept: where the trained solver of puzzles is kept for the next time
    stage: instead of a stream that has a name        report: called with how many tasks are done, of how many

    Everything is checked before anything is played. Raises: BadValue; MissingExtra.
    """
    if scale not in SCALES:
        raise BadValue("scale", scale, f"one of {', '.join(SCALES)}")
    if not memories:
        raise BadValue("memory", "none", "one at least")
    for order in orders:
        if order not in ORDERS:
            raise BadValue("orders", order, f"some of {', '.join(ORDERS)}")
    config = STUDY.scales[scale]
    assert isinstance(config, Config)
    repeats = config.seeds if seeds is None else seeds
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise BadValue("seeds", repeats, "at least 1")
    if reference and reference not in memories:
        raise BadValue("reference", reference, f"one of {', '.join(memories)}")
    makers = {name: maker(spec) for name, spec in memories.items()}
    at = stage if stage is not None else _stage(stream, config, model, endpoint, kept)
    runner = StreamRunner(at.solver, budget_tokens=budget or at.budget, feedback_noise=noise, reask=20, seed=seed)
    plays = [(order, seed + i) for order in orders for i in range(repeats)]
    results: dict[tuple[str, str, int], StreamResult] = {}
    try:
        for number, (order, each) in enumerate(plays):
            tasks = ordered(at.tasks(each), order, each)  # type: ignore[arg-type]

            def told(done: int, total: int, number: int = number) -> None:
                if report is not None:
                    report(number * total + done, len(plays) * total)

            for result in _played(runner, makers, tasks, k, each, told):
                results[result.name, order, each] = result
    finally:
        at.close()
    return _compared(list(memories), results, reference, list(orders), repeats)


def _played(
    runner: StreamRunner,
    makers: Mapping[str, Maker],
    tasks: Sequence[StreamTask],
    k: int,
    seed: int,
    report: Callable[[int, int], None],
) -> list[StreamResult]:
    """All memories side by side on one stream, each in a file that goes when it is done."""
    folder = Path(mkdtemp(prefix="wayfare-stream-"))
    modules: dict[str, Any] = {}
    try:
        for i, (name, make) in enumerate(makers.items()):
            modules[name] = make(str(folder / f"{i}.db"), k, seed)
        return runner.run([Stream(name, module, tasks, seed) for name, module in modules.items()], report)
    finally:
        for module in modules.values():
            if callable(getattr(module, "close", None)):
                module.close()
        shutil.rmtree(folder, ignore_errors=True)


def _compared(
    names: Sequence[str],
    results: Mapping[tuple[str, str, int], StreamResult],
    reference: str,
    orders: Sequence[str],
    repeats: int,
) -> Comparison:
    numbers = {key: measured(result) for key, result in results.items()}
    streams = Table(
        "streams", ("memory", "order", "seed", *MEASURES),
        tuple((*key, *(found[name] for name in MEASURES)) for key, found in numbers.items()),
    )  # fmt: skip
    first = min(each for _, _, each in results)

    def by_seed(name: str, measure: str) -> Floats:
        """[seeds] in the mean over orders."""
        return np.array(
            [
                np.mean([numbers[name, order, first + i][measure] for order in orders])
                for i in range(repeats)
            ]
        )  # fmt: skip

    rows = []
    for name in names:
        difference: tuple[float | None, ...] = (None, None, None)
        if reference and name != reference and repeats > 1:
            found = paired_interval(by_seed(name, "last third"), by_seed(reference, "last third"))
            difference = (found.estimate, found.low, found.high)
        told = [round(float(by_seed(name, measure).mean()), 12) for measure in SHOWN]
        rows.append((name, *told, *difference))
    columns = (
        "memory",
        *SHOWN,
        *((f"minus {reference}", "low", "high") if reference else ("difference", "low", "high")),
    )
    table = Table(f"memories over {repeats} seeds", columns, tuple(rows))
    curves = {
        name: np.array([results[name, order, first + i].success for order in orders for i in range(repeats)])
        for name in names
    }
    failures = {
        name: [
            f"seed {seed}, {order}, task {each.step}, {each.where}: {each.error}"
            for (other, order, seed), result in results.items() if other == name for each in result.failures
        ]
        for name in names
    }  # fmt: skip
    notes = [
        "last third, area: success; the difference is that of the last third, paired by seed, with its 95 % interval."
    ]
    if repeats < 2:
        notes.append("One seed says nothing about the spread: no interval.")
    return Comparison(table, streams, curves, failures, tuple(notes))


SHOWN = ("last third", "area", "progress", "steps", "context tokens", "items", "forgetting", "failures", "memory calls")


def _stage(stream: str, config: Config, model: str, endpoint: str, kept: Path | None) -> Stage:
    """Raises: BadValue for a stream that is none, or that lacks what it needs."""
    if stream not in STREAMS:
        if not stream.endswith((".json", ".jsonl")):
            raise BadValue("stream", stream, f"{', '.join(STREAMS)}, or a file of JSON lines (tasks.jsonl)")
        return _texts(stream, model, endpoint)
    name = STREAMS[stream]
    weights = trained(config, kept) if name == "puzzles" else None
    return Stage(solver_for(name, config, weights), lambda seed: tasks_of(name, config, seed), budget_of(name, config))


def _texts(file: str, model: str, endpoint: str) -> Stage:
    """Each seed meets all tasks of the file; the orders differ."""
    from wayfare.agents.text_solver import TextSolver
    from wayfare.studies.hosted import read_tasks

    tasks = read_tasks(file)
    for name, value in (("endpoint", endpoint), ("model", model)):
        if not value:
            raise BadValue(name, value, "given for a stream from a file: who is to work through it?")
    from wayfare.language import EndpointModel

    speaker = EndpointModel(endpoint, model)
    asked = [StreamTask(str(i), each.task, len(each.task)) for i, each in enumerate(tasks)]
    solver = TextSolver(speaker, {str(i): each.answer for i, each in enumerate(tasks)})
    return Stage(solver, lambda seed: asked, 1_500, speaker.close)


def _drawn(curves: Mapping[str, Floats]) -> Any:
    from wayfare.report.plots import curve_with_band, label_ends, panels

    figure, axes = panels(height=4.4)
    for name, success in curves.items():
        steps = success.shape[1]
        width = max(1, steps // WINDOW)
        smooth = np.array([np.convolve(row, np.ones(width) / width, "valid") for row in success])
        curve_with_band(axes[0], np.arange(width, steps + 1), smooth, name)
    axes[0].set_xlabel("task of the stream")
    axes[0].set_ylabel("success")
    label_ends(axes[0])
    return figure
