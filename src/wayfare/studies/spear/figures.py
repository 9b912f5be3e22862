"""The figures of the study, drawn from its runs alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wayfare.explore.annealing import CosineFall, CosineRise
from wayfare.report.plots import label_ends, panels
from wayfare.studies.contract import Figure
from wayfare.studies.language_figures import learning_curves
from wayfare.studies.language_runs import Runs
from wayfare.studies.spear import Config
from wayfare.studies.spear.checks import USELESS
from wayfare.studies.spear.plan import SPEAR, Tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

SHOWN = ("pass@1", "probe/calls", USELESS, "entropy")


def figures(config: Config, runs: Runs, tuned: Tuned) -> list[Figure]:
    """In reading order; the first is the front page's."""
    asked = [arm.name for arm in (tuned.baseline, tuned.spear, tuned.fading, tuned.constant)]
    few = {arm: each for arm, each in runs.items() if arm not in asked and arm != "base"}
    return [
        learning_curves({arm: runs[arm] for arm in asked}, SHOWN, dashed=asked[:1]),
        learning_curves({SPEAR: runs[SPEAR], **few}, SHOWN, dashed=(SPEAR,), name="others",
                        said="Arms without a verdict; SPEAR beside them."),
        Figure("schedules", "Weights of the bonus for calls, and of the loss of replayed rows, over the steps.",
               partial(_schedules, config)),
    ]  # fmt: skip


def _schedules(config: Config) -> Drawing:
    figure, axes = panels(columns=1, width=5.2, height=3.2)
    steps = np.arange(int(1.5 * max(config.fade, config.rise)) + 1)
    for label, weight in (("bonus", CosineFall(config.fade)), ("imitation", CosineRise(config.rise))):
        axes[0].plot(steps, [weight(int(step)) for step in steps], label=label)
    axes[0].set(xlabel="step", ylabel="weight")
    label_ends(axes[0])
    return figure
