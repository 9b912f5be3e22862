"""The figures of the study, drawn from its runs alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.studies.contract import Figure
from wayfare.studies.knapsack_rl import Config
from wayfare.studies.knapsack_rl.plan import Tuned, first_epoch
from wayfare.studies.language_figures import learning_curves
from wayfare.studies.language_runs import Run, Runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]


def figures(config: Config, runs: Runs, tuned: Tuned) -> list[Figure]:
    """In reading order; the first is the front page's."""
    asked = (tuned.baseline.name, "knapsack", "proportional to p (1 - p)")
    main = {arm: runs[arm] for arm in asked}
    few = {arm: each for arm, each in runs.items() if arm not in asked and arm != "base"}
    return [
        Figure(
            "teaching",
            "Share of answers, and of prompts, in groups with both outcomes, epoch by epoch of the training prompts. "
            f"In the first nothing is known yet. Bands: 95 % over {config.seeds} seeds.",
            partial(_teaching, config, main, tuned.baseline.name),
        ),
        learning_curves(main, ("pass@1", "pass@16", "entropy"), dashed=(tuned.baseline.name,)),
        learning_curves({asked[0]: runs[asked[0]], **few}, ("pass@1", "pass@16"), dashed=(tuned.baseline.name,),
                        name="others", said="Arms without a verdict; the baseline beside them."),
    ]  # fmt: skip


def _teaching(config: Config, runs: Runs, baseline: str) -> Drawing:
    figure, axes = panels(columns=2, width=9.6, height=3.9)
    for ax, name, label in zip(axes, ("train/groups/taught", "train/frac_reward_zero_std"),
                               ("answers that teach", "prompts that teach"), strict=True):  # fmt: skip
        for arm, each in runs.items():
            y = _by_epoch(config, each, name)
            curve_with_band(ax, np.arange(1, y.shape[1] + 1), y if "taught" in name else 1 - y, arm,
                            dashed=arm == baseline)  # fmt: skip
        ax.set(xlabel="epoch", ylabel=label)
        label_ends(ax)
    return figure


def _by_epoch(config: Config, runs: Sequence[Run], name: str) -> np.ndarray:
    """[S, E] mean over each whole epoch that every run has; over all steps where none has one."""
    steps = min(len(run[name]) for run in runs)
    long = min(first_epoch(config), steps)
    whole = steps // long * long
    return np.stack([np.asarray(run[name][:whole], np.float64).reshape(-1, long).mean(axis=1) for run in runs])
