"""What came out: schedules of untrained bases, the arms of training, what their weights were, and the tuning."""

from __future__ import annotations

import numpy as np
import torch

from wayfare.studies.contract import Table
from wayfare.studies.ead import Config
from wayfare.studies.ead.checks import worst
from wayfare.studies.ead.plan import FIXED, K, Shapes, Tuned, above
from wayfare.studies.ead.schedules import Schedule, sampler
from wayfare.studies.language_runs import Runs
from wayfare.studies.language_tables import arms_table, course_table, unasked
from wayfare.studies.language_tables import notes as common_notes
from wayfare.studies.stated import half_width

__all__ = ["notes", "tables"]

SHOWN = ("pass@1", "pass@4", "pass@16", "distinct", "entropy", "malformed", "clipped")


def tables(config: Config, runs: Runs, drawn: Runs, shapes: Shapes, tuning: Runs) -> dict[str, Table]:
    """In reading order."""
    return {
        "inference": _inference(config, drawn, shapes),
        "arms": arms_table(runs, SHOWN),
        "worst": _worst(runs),
        "tuning": arms_table(tuning, SHOWN, "on other seeds and selection prompts"),
        "course": course_table(runs, ("pass@1", "pass@16", "entropy")),
    }


def _inference(config: Config, drawn: Runs, shapes: Shapes) -> Table:
    """One row a schedule, over the seeds' bases."""
    said = {FIXED: [f"{each:g}" for each in reversed(config.fixed)]}
    rows = []
    for (arm, each), shape in zip(drawn.items(), (None, *shapes), strict=True):
        for at, name in enumerate(said[arm] if shape is None else [shape.name]):
            passes = np.stack([run["pass"][at] for run in each])
            row: list[object] = [name, len(each)]
            for value in (*passes.T, np.array([float(worst(run)[at]) for run in each])):
                row += [float(value.mean()), half_width(value)]
            higher = (
                None if shape is None else np.array([above(f, run) for f, run in zip(drawn[FIXED], each, strict=True)])
            )
            row += [None, None] if higher is None else [float(higher.mean()), half_width(higher)]
            row += [float(np.mean([run[what][at] for run in each])) for what in ("malformed", "length")]
            rows.append(tuple(row))
    columns = ("temperature", "bases", "pass@1", "pass@1 95 % +-", f"pass@{K}", f"pass@{K} 95 % +-", f"worst@{K}",
               f"worst@{K} 95 % +-", "above the frontier", "above the frontier 95 % +-", "malformed",
               "tokens")  # fmt: skip
    return Table("untrained bases, held-out problems", columns, tuple(rows))


def _worst(runs: Runs) -> Table:
    rows = []
    for arm, each in runs.items():
        values = np.array([float(worst(run)[-1]) for run in each])
        weight = [run["train/sampling/importance_sampling_ratio/mean"].mean() for run in each
                  if "train/sampling/importance_sampling_ratio/mean" in run.arrays]  # fmt: skip
        rows.append(
            (arm, len(each), float(values.mean()), half_width(values), float(np.mean(weight)) if weight else None)
        )
    return Table(f"worst@{K}", ("arm", "seeds", f"worst@{K}", "95 % +-", "mean weight"), tuple(rows))


def notes(config: Config, runs: Runs, shapes: Shapes, tuned: Tuned) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    trained = Schedule(config.train_tau_max, config.train_tau_min, 1 / 3, config.length)
    return [
        *common_notes(runs),
        "Arms of training are evaluated at temperature 1, however they were trained.",
        f"In training (1) is {config.train_tau_max:g} at the first token, {_at(trained, config.length / 2):.2f} in the "
        f"middle and {_at(trained, config.length):.2f} at token {config.length:g}.",
        f"At inference the shapes are {shapes.cooled.name} and {shapes.backwards.name}, chosen on other bases and on "
        "selection problems from as many of either.",
        f"Chosen on {config.tuning_seeds} other seeds by pass@1 + pass@{K}: {tuned.baseline.name} as the baseline, "
        f"learning rate {tuned.method.trainer['learning_rate']:g} for (1), which the arms beside it share.",
        unasked(config.other_seeds),
    ]


def _at(schedule: Schedule, position: float) -> float:
    temperature = sampler(**schedule.to_json()).temperature
    assert callable(temperature)
    return float(temperature(torch.tensor([position]), 0)[0])
