"""A method of yours beside plain GRPO and the cheap controls, on a verifiable task: what `wayfare compare` runs.

    method = Arm("MyBonus", {}, {"bonus": ("/path/my_file.py:MyBonus", {})})
    plan = planned(method, task="countdown3", scale="quick", seeds=5)
    found = carried_out(plan, scratch=Path("runs/compare/unfinished"), workers=2)
    found.write(Path("runs/compare/now"), {})

All arms start from the same base, are asked the same prompts where seeds are the same, draw as many tokens, and are
evaluated on the same held-out prompts with the same draws. Measures are read at equal tokens drawn, on a straight line
between two evaluations; differences are paired by seed. Finished runs are in the cache that studies of language RL
share, an unfinished one goes on from its checkpoint in `scratch`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.language_rl import Arm, Base, config_of, task_of, tried
from wayfare.agents.language_rl.addresses import contents
from wayfare.errors import BadValue, CellFailed
from wayfare.report.statistics import paired_interval
from wayfare.studies.contract import Cell, Figure, Table
from wayfare.studies.language_cells import How, arm_cells, base_cell, core_seconds, two_rollouts
from wayfare.studies.language_figures import frontiers, learning_curves
from wayfare.studies.language_frontiers import at_equal_pass1, deciding, paired, pass_sum
from wayfare.studies.language_runs import Run, runs_of
from wayfare.studies.language_tables import course_table
from wayfare.studies.language_tables import notes as common_notes
from wayfare.studies.processes import Processes
from wayfare.studies.work import Ended, Failed, Message, Reported, carry_out

__all__ = ["CONTROLS", "SCALES", "Comparison", "Plan", "Scale", "carried_out", "planned"]

Floats = NDArray[np.float64]
PLAIN, COSTS = "GRPO", ("tokens", "trained_tokens", "seconds")
USUAL = {"generation_batch_size": 256, "num_generations": 16, "learning_rate": 1e-4}
COPIES = "wayfare.learn.grpo.bonuses:CopyBonus"
CONTROLS: Mapping[str, Callable[[Arm], Arm]] = {
    "copies": lambda plain: Arm("bonus 1/m for copies", plain.trainer, {"bonus": (COPIES, {"beta": 0.1})}),
    "entropy": lambda plain: plain.but("entropy bonus 0.01", entropy_coef=0.01),
    "kl": lambda plain: plain.but("reverse KL 0.1", beta=0.1),
    "rollouts": lambda plain: replace(two_rollouts(plain), name="twice the rollouts"),
    "rate": lambda plain: plain.but("0.3 x learning rate", learning_rate=0.3 * _rate(plain)),
}
"""What a method has to beat, by the names that `--controls` takes; all cost next to nothing."""


@dataclass(frozen=True)
class Scale:
    """base: fields of `Base`        trainer, how: of all arms        seeds: where none are given"""

    base: Mapping[str, Any]
    trainer: Mapping[str, Any]
    how: How
    seeds: int


SCALES: Mapping[str, Scale] = {
    "smoke": Scale(
        {"steps": 4, "rows": 8}, {"generation_batch_size": 8, "num_generations": 4},
        How(token_budget=150, evaluate_every=1, eval_prompts=4, eval_answers=4, ks=(1, 4)), 2,
    ),
    "quick": Scale(
        {}, {},
        How(token_budget=300_000, evaluate_every=20, eval_prompts=64, eval_answers=32, ks=(1, 4, 16)), 3,
    ),
    "laptop": Scale({}, {}, How(token_budget=1_000_000, evaluate_every=20), 5),
}  # fmt: skip
"""smoke says that everything works and nothing else; the others are told by what they cost."""


@dataclass(frozen=True)
class Plan:
    """first, cells: what is carried out        method: name of the arm that is looked at, or ''        arms: all"""

    base: Base
    arms: tuple[Arm, ...]
    method: str
    how: How
    seeds: tuple[int, ...]
    first: Cell
    cells: tuple[Cell, ...]

    def cost(self, workers: int) -> str:
        """In one line, before anything runs."""
        seconds = self.first.seconds + core_seconds(self.cells) / workers
        time = f"{max(1, seconds):.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"
        return (
            f"{len(self.arms)} arms x {len(self.seeds)} seeds on {self.base.task}, {self.how.token_budget:,} tokens "
            f"each: about {time} with {workers} at once, less what is in the cache"
        )


@dataclass(frozen=True)
class Comparison:
    """runs: arm -> its runs, by seed        tokens: at which measures are read
    arms: a row an arm        differences: a row a measure, an arm, and what it is compared with
    best: the arm with the highest pass@1 + pass@K among the others than the method
    """

    runs: Mapping[str, Sequence[Run]]
    method: str
    best: str
    tokens: float
    arms: Table
    differences: Table
    notes: Sequence[str]

    @property
    def figures(self) -> list[Figure]:
        """What arms learn over tokens, and what they keep of pass@K while pass@1 rises."""
        top, dashed = self._top, [name for name in self.runs if name != self.method]
        return [
            learning_curves(self.runs, ("pass@1", f"pass@{top}", "entropy"), dashed=dashed),
            frontiers(self.runs, top, dashed=dashed),
        ]

    @property
    def _top(self) -> int:
        return int(self.runs[PLAIN][0]["ks"].max())

    def write(self, folder: Path, asked: Mapping[str, Any]) -> None:
        """Tables as CSV, all numbers as JSON, figures as PNG and SVG. asked: what made it

        Raises: MissingExtra without Matplotlib.
        """
        from wayfare.report.plots import draw
        from wayfare.report.tables import to_csv
        from wayfare.studies.runs import json_text, write_aside

        drawn = {figure.name: draw(figure) for figure in self.figures}
        course = course_table(self.runs, ("pass@1", f"pass@{self._top}", "entropy"))
        for table in (self.arms, self.differences, course):
            write_aside(folder / "tables" / f"{table.name}.csv", to_csv(table))
        for name, kinds in drawn.items():
            for kind, ending in (("png", "png"), ("svg", "svg"), ("svg_dark", "dark.svg")):
                write_aside(folder / "figures" / f"{name}.{ending}", kinds[kind])
        told = {
            "method": self.method, "best": self.best, "tokens": self.tokens, "arms": _dicts(self.arms),
            "differences": _dicts(self.differences), "notes": list(self.notes),
        }  # fmt: skip
        write_aside(folder / "asked.json", json_text(dict(asked)))
        write_aside(folder / "found.json", json_text(told))


def planned(
    method: Arm | None,
    *,
    task: str = "countdown3",
    knobs: Mapping[str, Any] | None = None,
    scale: str = "quick",
    seeds: int | None = None,
    seed: int = 0,
    controls: Sequence[str] = tuple(CONTROLS),
    trainer: Mapping[str, Any] | None = None,
    tokens: int | None = None,
) -> Plan:
    """What would be run; the method has been through two small steps by then, and its state into a checkpoint and back.

    method: its settings go over those of `trainer`        knobs: of the task        trainer: settings of all arms
    seeds, tokens: None for those of the scale

    Raises: BadValue for what cannot be run, before anything is written.
    """
    if scale not in SCALES:
        raise BadValue("scale", scale, f"one of {', '.join(SCALES)}")
    at = SCALES[scale]
    repeats = at.seeds if seeds is None else seeds
    if repeats < 1:
        raise BadValue("seeds", repeats, "at least 1")
    if tokens is not None and tokens < 1:
        raise BadValue("tokens", tokens, "at least 1")
    for name in controls:
        if name not in CONTROLS:
            raise BadValue("controls", name, f"some of {', '.join(CONTROLS)}, by commas")
    base = Base(task, dict(knobs or {}), **at.base)
    task_of(base)
    shared = {**USUAL, **at.trainer, **(trainer or {})}
    plain = Arm(PLAIN, shared)
    config_of(base, plain, seed)  # controls are made of its numbers
    arms = [plain, *(CONTROLS[name](plain) for name in dict.fromkeys(controls))]
    if method is not None:
        if method.name in [arm.name for arm in arms]:
            raise BadValue("name", method.name, "another than those of the controls")
        arms.insert(0, Arm(method.name, {**shared, **method.trainer}, method.parts))
    tried(base, arms[0])
    how = at.how if tokens is None else replace(at.how, token_budget=tokens)
    several = tuple(range(seed, seed + repeats))
    cells = [cell for arm in arms for cell in arm_cells(base, [arm], _as_often(how, arm, plain), several)]
    name = "" if method is None else method.name
    return Plan(base, tuple(arms), name, how, several, base_cell(base, how), tuple(cells))


def carried_out(
    plan: Plan, *, scratch: Path, workers: int = 0, report: Callable[[float, float], None] | None = None
) -> Comparison:
    """Base, then arms. workers: processes at once; 0: here and now        report: share done, of what

    Raises: CellFailed for a run that raises; what was finished before is in the cache.
    """
    total = plan.first.seconds + core_seconds(plan.cells)
    shares: dict[str, float] = {}
    arrays: dict[str, Any] = {}
    cells = {cell.name: cell for cell in (plan.first, *plan.cells)}

    def folder(name: str) -> Path:
        return scratch / _key(cells[name])

    for some in ([plan.first], list(plan.cells)):
        messages = Processes(workers).messages(some, folder) if workers else _here(some, folder)
        try:
            for message in messages:
                if isinstance(message, Failed):
                    raise CellFailed(f"{message.cell} failed: {message.error}")
                if isinstance(message, Reported):
                    shares[message.cell] = message.done / message.total if message.total else 1.0
                else:
                    shares[message.cell], arrays[message.cell] = 1.0, message.arrays
                    shutil.rmtree(folder(message.cell), ignore_errors=True)
                if report is not None:
                    report(sum(share * cells[name].seconds for name, share in shares.items()), total)
        finally:
            messages.close()  # type: ignore[attr-defined]
    arrays.pop(plan.first.name)
    return compared(runs_of({cell.name: arrays[cell.name] for cell in plan.cells}), plan.method)


def compared(runs: Mapping[str, Sequence[Run]], method: str) -> Comparison:
    """Tables of runs; 'GRPO' is among them, and the method unless it is ''."""
    top = int(runs[PLAIN][0]["ks"].max())
    tokens = min(float(run.tokens[-1]) for each in runs.values() for run in each)
    others = {name: each for name, each in runs.items() if name != method}
    best = deciding(others, lambda run: pass_sum(run, top, tokens))

    def at(name: str, measure: str) -> Floats:
        """[seeds]"""
        return np.array([run.at_tokens(run.measure(measure), tokens) for run in runs[name]])

    measures = ("pass@1", f"pass@{top}", "distinct", "entropy")
    rows = [
        (
            name, len(each), *(float(at(name, measure).mean()) for measure in (*measures, "malformed")),
            *(float(np.mean([run.measure(what)[-1] for run in each])) for what in COSTS),
        )
        for name, each in runs.items()
    ]  # fmt: skip
    columns = ("arm", "seeds", *map(_said, measures), "malformed", "tokens", "trained tokens", "seconds")
    against = [(name, PLAIN) for name in runs if name != PLAIN]
    if method and best != PLAIN:
        against.insert(1, (method, best))
    differences = []
    for name, other in against:
        for measure in measures:
            differences.append((name, other, _said(measure), *_interval(at(name, measure), at(other, measure))))
        equal = paired(runs[name], runs[other], lambda a, b: at_equal_pass1(a, b, top))
        differences.append((name, other, f"pass@{top} at equal pass@1", *_interval(equal, np.zeros_like(equal))))
    return Comparison(
        runs, method, best, tokens, Table("arms", columns, tuple(rows)),
        Table("differences", ("arm", "minus", "measure", "estimate", "low", "high"), tuple(differences)),
        [*common_notes(runs), *_limits(runs, best, tokens, top)],
    )  # fmt: skip


def _limits(runs: Mapping[str, Sequence[Run]], best: str, tokens: float, top: int) -> list[str]:
    seeds = len(runs[PLAIN])
    return [
        f"Arms are read at {tokens:,.0f} tokens; differences are paired by seed, with Student's 95 % interval over "
        f"{seeds} seeds" + (": with one there is none." if seeds < 2 else "."),
        f"Best of the others is {best}, by pass@1 + pass@{top} of these same runs, which favours it.",
        "What this does not decide: whether it helps another task or a larger model; whether it beats controls that "
        "are tuned (every arm has one learning rate, and no setting was chosen on other seeds); which of several "
        "differences is luck (intervals are not corrected for their number).",
    ]


def _interval(a: Floats, b: Floats) -> tuple[float | None, float | None, float | None]:
    """Estimate, low, high; None for what one seed, or a seed without a value, does not tell."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None, None, None
    if len(a) < 2:
        return float((a - b).mean()), None, None
    found = paired_interval(a, b)
    return found.estimate, found.low, found.high


def _as_often(how: How, arm: Arm, plain: Arm) -> How:
    """Evaluations lie as close in tokens for an arm whose steps draw more."""
    more = _batch(arm) / _batch(plain)
    return replace(how, evaluate_every=max(1, round(how.evaluate_every / more)))


def _batch(arm: Arm) -> int:
    return int(arm.trainer["generation_batch_size"])


def _rate(arm: Arm) -> float:
    return float(arm.trainer["learning_rate"])


def _here(cells: Sequence[Cell], scratch: Callable[[str], Path]) -> Iterator[Message]:
    for cell in cells:
        sent: list[Message] = []
        carry_out(cell, scratch(cell.name), sent.append)
        yield from (message for message in sent if isinstance(message, (Ended, Failed)))


def _key(cell: Cell) -> str:
    """Of a run that is asked for, so that no other goes on from its checkpoint."""
    asked = {name: value.to_json() if hasattr(value, "to_json") else value for name, value in cell.kwargs.items()}
    arm = cell.kwargs.get("arm")
    told = {**asked, "files": contents(arm.addresses) if arm is not None else {}}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _said(measure: str) -> str:
    return {"distinct": "different right answers"}.get(measure, measure)


def _dicts(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]
