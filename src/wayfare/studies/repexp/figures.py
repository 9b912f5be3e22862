"""The figures of the study, drawn from what was found alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.studies.contract import Arrays, Figure
from wayfare.studies.language_figures import frontiers, learning_curves
from wayfare.studies.language_runs import Runs
from wayfare.studies.repexp import Config
from wayfare.studies.repexp.plan import Tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

DRAWN = ("random", "other texts", "last token", "bag of words", "repexp")
TITLES = {"strategy": "solved, hidden strategy", "weak": "solved, Countdown"}


def figures(config: Config, found: Mapping[str, Arrays], runs: Runs, tuned: Tuned) -> list[Figure]:
    """In reading order; the first is the front page's."""
    arms = {arm: each for arm, each in runs.items() if arm != "base"}
    dashed = (tuned.baseline.name,)
    return [
        Figure(
            "selection",
            "Prompts solved by the first so many of a pool's answers, of those whose pool has a right one; dashed: a "
            f"random choice. Bands: 95 % over {config.seeds} seeds.",
            partial(_selection, found),
        ),
        frontiers(arms, dashed=dashed),
        learning_curves(arms, ("pass@1", "pass@64", "distinct"), dashed=dashed),
    ]


def _selection(found: Mapping[str, Arrays]) -> Drawing:
    figure, axes = panels(columns=2, width=9.6, height=3.9)
    for ax, (base, arrays) in zip(axes, found.items(), strict=True):
        ks = arrays["ks"]
        for choice in DRAWN:
            curve_with_band(ax, ks, arrays[f"{choice}|solved"], choice, dashed=choice == "random")
        ax.set_xscale("log", base=2)
        ax.set(xlabel="answers verified", ylabel=TITLES[base])
        label_ends(ax)
    return figure
