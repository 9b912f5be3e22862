"""The figures of the study, drawn from its runs alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.studies.contract import Figure
from wayfare.studies.ead import Config
from wayfare.studies.ead.plan import FIXED, METHOD, K, Tuned
from wayfare.studies.language_figures import frontiers, learning_curves
from wayfare.studies.language_runs import Runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]


def figures(config: Config, runs: Runs, drawn: Runs, tuned: Tuned) -> list[Figure]:
    """In reading order; the first is the front page's."""
    plain = tuned.baseline.name
    main = {arm: runs[arm] for arm in (plain, METHOD, "temperature 1.2")}
    few = {arm: each for arm, each in runs.items() if arm not in main and arm != "base"}
    return [
        Figure(
            "inference",
            f"Untrained bases: pass@{K} against pass@1. The line is fixed temperatures, from {max(config.fixed):g} on "
            f"the left; points are schedules within an answer. Means of {config.seeds} bases.",
            partial(_inference, drawn),
        ),
        learning_curves(main, ("pass@1", "pass@16", "entropy"), dashed=(plain,)),
        frontiers(main, K, dashed=(plain,)),
        learning_curves({METHOD: runs[METHOD], **few}, ("pass@1", "pass@16", "entropy"), name="others",
                        said="Arms without a verdict; (1) beside them."),
    ]  # fmt: skip


def _inference(drawn: Runs) -> Drawing:
    figure, axes = panels(columns=1, width=6.6, height=4.2)
    for arm, each in drawn.items():
        x, y = (np.mean([run.pass_at(k) for run in each], axis=0) for k in (1, K))
        if arm == FIXED:
            curve_with_band(axes[0], x, y[None], arm)
        else:
            axes[0].plot(x, y, marker="o", linestyle="", label=arm)
    axes[0].set(xlabel="pass@1", ylabel=f"pass@{K}")
    label_ends(axes[0])
    return figure
