"""The figures of the study, drawn from its runs alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.studies.contract import Figure
from wayfare.studies.infigui import Config
from wayfare.studies.infigui.plan import METHOD, Tuned, measure
from wayfare.studies.language_runs import Run, Runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

POINTS = 41
BLOCKS = 40


def figures(config: Config, runs: Runs, tuned: Tuned) -> list[Figure]:
    """In reading order; the first is the front page's."""
    one = tuned.baseline.name
    main = {arm: runs[arm] for arm in (one, METHOD, "any hit")}
    bands = f"Bands: 95 % over {config.seeds} seeds."
    return [
        Figure(
            "accuracy",
            "Likeliest answers to held-out screens while arms are trained: first slots right of hard and of easy "
            f"screens. Dashed: the best of one answer. {bands}",
            partial(_over_tokens, main, (("hard/first", "first slot right, hard"),
                                         ("easy/first", "first slot right, easy")), one),
        ),
        Figure(
            "lists", f"Slots that these answers name, and hits anywhere in them on hard screens. {bands}",
            partial(_over_tokens, {arm: runs[arm] for arm in (METHOD, "any hit")},
                    (("hard/proposed", "slots, hard"), ("easy/proposed", "slots, easy"), ("hard/any", "a hit, hard")),
                    ""),
        ),
        Figure("groups", f"Share of groups of hard screens whose rewards are all equal: they teach nothing. {bands}",
               partial(_silence, main, one)),
    ]  # fmt: skip


def _over_tokens(runs: Runs, shown: Sequence[tuple[str, str]], dashed: str) -> Drawing:
    figure, axes = panels(columns=len(shown), width=4.6 * len(shown), height=3.7)
    for ax, (name, label) in zip(axes, shown, strict=True):
        for arm, each in runs.items():
            x = np.linspace(0.0, min(float(run.tokens[-1]) for run in each), POINTS)
            y = np.stack([np.interp(x, run.tokens, measure(run, name)) for run in each])
            curve_with_band(ax, x / 1000, y, arm, dashed=arm == dashed)
        ax.set(xlabel="tokens drawn, thousands", ylabel=label)
        label_ends(ax)
    return figure


def _silence(runs: Runs, dashed: str) -> Drawing:
    figure, axes = panels(columns=1, width=6.6, height=3.9)
    for arm, each in runs.items():
        y = np.stack([_blocks(run) for run in each])
        share = (np.arange(y.shape[1]) + 0.5) / y.shape[1]
        curve_with_band(axes[0], share, y, arm, dashed=arm == dashed)
    axes[0].set(xlabel="share of the tokens, about", ylabel="groups of equal rewards, hard")
    label_ends(axes[0])
    return figure


def _blocks(run: Run) -> Any:
    """[BLOCKS] means over equal parts of the steps; NaN where a part had no hard screen."""
    values = run.arrays.get("train/hard/equal", np.full(1, np.nan))
    parts = np.array_split(np.asarray(values, np.float64), BLOCKS)
    return np.array([np.nanmean(part) if np.isfinite(part).any() else np.nan for part in parts])
