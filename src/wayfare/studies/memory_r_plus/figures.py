"""The figures of the study, drawn from its runs alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.studies.contract import Figure
from wayfare.studies.language_figures import learning_curves
from wayfare.studies.language_runs import Runs
from wayfare.studies.memory_r_plus import Config
from wayfare.studies.memory_r_plus.plan import FINE_TUNING, MEMORY, MEMORY_FAST, R1_FAST, SHUFFLED, Tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

SHOWN = ("pass@1", "malformed", "length")


def figures(config: Config, runs: Runs, tuned: Tuned) -> list[Figure]:
    """In reading order; the first is the front page's."""
    asked = (tuned.baseline.name, MEMORY, SHUFFLED, FINE_TUNING)
    fast = {arm: runs[arm] for arm in (R1_FAST, MEMORY_FAST)}
    main = {arm: runs[arm] for arm in asked}
    few = {arm: each for arm, each in runs.items() if arm not in (*asked, *fast, "base")}
    return [
        learning_curves(fast, SHOWN, dashed=(R1_FAST,), said="Both at the highest learning rate."),
        learning_curves(main, SHOWN, dashed=(tuned.baseline.name,), name="tuned", said="Each at its own rate."),
        learning_curves({MEMORY: runs[MEMORY], **few}, SHOWN, dashed=(MEMORY,), name="others",
                        said="Arms without a verdict; Memory-R+ beside them."),
        Figure(
            "rewards",
            "What training pays: outcome and both rewards for form, each between 0 and 1, step by step, and the bonus; "
            "both at the highest learning rate.",
            partial(_rewards, fast),
        ),
    ]  # fmt: skip


def _rewards(runs: Runs) -> Drawing:
    names = {"rewards/reward/mean": "right", "rewards/has_answer/mean": "has an answer", "bonus/mean": "bonus"}
    figure, axes = panels(columns=len(names), width=4.6 * len(names), height=3.7)
    for ax, (name, label) in zip(axes, names.items(), strict=True):
        for arm, each in runs.items():
            found = [run.arrays[f"train/{name}"] for run in each if f"train/{name}" in run.arrays]
            if found:
                steps = min(map(len, found))
                y = np.stack([values[:steps] for values in found])
                curve_with_band(ax, np.arange(1, steps + 1), y, arm, dashed=arm == R1_FAST)
        ax.set(xlabel="step", ylabel=label)
        label_ends(ax)
    return figure
