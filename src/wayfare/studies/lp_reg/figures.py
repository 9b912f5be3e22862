"""The figures of the study, drawn from its runs alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.studies.contract import Figure
from wayfare.studies.language_figures import learning_curves
from wayfare.studies.language_runs import Runs
from wayfare.studies.lp_reg import Config
from wayfare.studies.lp_reg.checks import JUNK, LEAST, WAIT
from wayfare.studies.lp_reg.plan import AMPLIFIED, LIFTING, LP_REG, PLAIN, Tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]


def figures(config: Config, runs: Runs, tuned: Tuned) -> list[Figure]:
    """In reading order; the first is the front page's."""
    asked = tuple(dict.fromkeys((tuned.baseline.name, PLAIN, LP_REG, AMPLIFIED, LIFTING)))
    main = {arm: runs[arm] for arm in asked}
    bases = ("base", "base below the filter")
    few = {arm: each for arm, each in runs.items() if arm not in asked and arm not in bases}
    dashed = tuple(arm for arm in asked if arm not in (LP_REG, AMPLIFIED))
    return [
        Figure(
            "words",
            "Chance of WAIT, and of the four junk words together, behind a wrong attempt at held-out problems. "
            f"Bands: 95 % over {config.seeds} seeds, of logarithms.",
            partial(_words, main, dashed),
        ),
        learning_curves(main, ("pass@1", f"pass@{config.ks[-1]}", "entropy"), dashed=dashed),
        Figure(
            "others", "The same of arms without a verdict, Lp-Reg beside them.",
            partial(_words, {LP_REG: runs[LP_REG], **few}, (LP_REG,)),
        ),
    ]  # fmt: skip


def _words(runs: Runs, dashed: Sequence[str]) -> Drawing:
    figure, axes = panels(columns=2, width=9.6, height=3.9)
    for ax, name, label in zip(axes, (WAIT, JUNK), ("log10 of WAIT", "log10 of junk"), strict=True):
        for arm, each in runs.items():
            end = min(float(run.tokens[-1]) for run in each)
            x = np.linspace(0.0, end, 31)
            y = np.stack([np.interp(x, run.tokens, np.log10(np.maximum(run.measure(name), LEAST))) for run in each])
            curve_with_band(ax, x / 1000, y, arm, dashed=arm in dashed)
        ax.set(xlabel="tokens drawn, thousands", ylabel=label)
        label_ends(ax)
    return figure
