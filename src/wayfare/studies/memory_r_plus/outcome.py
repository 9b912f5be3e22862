"""What came out: the arms, which of them collapsed, and the tuning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wayfare.studies.contract import Table
from wayfare.studies.language_runs import Run, Runs
from wayfare.studies.language_tables import arms_table, course_table, unasked
from wayfare.studies.language_tables import notes as common_notes
from wayfare.studies.memory_r_plus import Config
from wayfare.studies.memory_r_plus.checks import collapsed, form, silent
from wayfare.studies.memory_r_plus.plan import Tuned
from wayfare.studies.stated import half_width

__all__ = ["notes", "tables"]


def tables(config: Config, runs: Runs, tuning: Runs) -> dict[str, Table]:
    """In reading order."""
    shown = tuple(f"pass@{k}" for k in config.ks)
    return {
        "arms": arms_table(runs, (*shown, "distinct", "entropy", "malformed", "clipped")),
        "form": _form(config, {arm: each for arm, each in runs.items() if arm != "base"}),
        "tuning": arms_table(tuning, (*shown, "entropy", "malformed"), "on other seeds and selection prompts"),
        "course": course_table(runs, ("pass@1", "entropy", "malformed", "length")),
    }


def _form(config: Config, runs: Runs) -> Table:
    """One row an arm: how many collapsed, what form is worth, how long answers are, what the memories paid."""
    rows = []
    for arm, each in runs.items():
        quiet = np.array([silent(config, run) for run in each])
        rows.append(
            (arm, len(each), sum(map(collapsed, each)), float(np.mean([form(run) for run in each])),
             float(np.mean([run.end("length") for run in each])),
             float(quiet.mean()), half_width(quiet), _bonus(each, "mean"), _bonus(each, "std"))
        )  # fmt: skip
    columns = ("arm", "seeds", "collapsed", "form", "length, tokens", "silent groups", "silent groups 95 % +-",
               "bonus", "deviation of the bonus")  # fmt: skip
    return Table("form and collapse, at the end", columns, tuple(rows))


def _bonus(each: Sequence[Run], name: str) -> float | None:
    """Over the last quarter of the steps."""
    found = [run.arrays.get(f"train/bonus/{name}") for run in each]
    told = [values[-max(1, len(values) // 4) :].mean() for values in found if values is not None]
    return float(np.mean(told)) if told else None


def notes(config: Config, runs: Runs, tuned: Tuned) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    return [
        *common_notes(runs),
        f"Chosen on {config.tuning_seeds} other seeds by pass@1: {tuned.baseline.name} as the baseline, learning rate "
        f"{tuned.rate:g} for Memory-R+, which the arms without a verdict share, and "
        f"{tuned.fine_tuning.trainer['learning_rate']:g} for fine-tuning on successes.",
        f"{config.k} tasks are read: with one, very short answers were always new in a pilot, and all became such.",
        "Form is the mean of both rewards for it over the last tenth of the training steps.",
        "Collapsed: form above 0.9 and pass@1 below the base's, or answers shorter than half or longer than one and a "
        "half times the base's.",
        "Silent groups: of held-out prompts, the chance that as many answers as a group has are all right or all "
        "wrong; a bonus makes the rewards of every group differ, so that rewards would not tell.",
        "Fine-tuning on successes takes its updates beside those of the step: its trained tokens are higher.",
        unasked(config.other_seeds),
    ]
