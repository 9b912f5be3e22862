"""Figures that all language-RL studies have: what arms learn over tokens, and their frontiers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.studies.contract import Figure
from wayfare.studies.language_frontiers import frontier
from wayfare.studies.language_runs import Run, Runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["frontiers", "learning_curves"]

POINTS = 61
Floats = NDArray[np.float64]


def learning_curves(
    runs: Runs, measures: Sequence[str] = ("pass@1", "pass@64", "entropy"), *, dashed: Sequence[str] = (),
    name: str = "learning", said: str = "",
) -> Figure:  # fmt: skip
    """Each measure over the tokens drawn, one panel each, up to what every run drew. dashed: baselines"""
    seeds = max(len(each) for each in runs.values())
    caption = f"Held-out prompts while arms are trained. {said + ' ' if said else ''}Bands: 95 % over {seeds} seeds."
    return Figure(name, caption, partial(_curves, runs, tuple(measures), tuple(dashed)))


def frontiers(runs: Runs, k: int = 64, *, dashed: Sequence[str] = (), name: str = "frontiers") -> Figure:
    """The best pass@k among points on each arm's way with at least that pass@1; up to what every seed reaches."""
    caption = f"pass@{k} that an arm keeps while its pass@1 rises: the best on its way with at least that pass@1."
    return Figure(name, caption, partial(_frontiers, runs, k, tuple(dashed)))


def _curves(runs: Runs, measures: Sequence[str], dashed: Sequence[str]) -> Drawing:
    figure, axes = panels(columns=len(measures), width=4.6 * len(measures), height=3.7)
    for ax, measure in zip(axes, measures, strict=True):
        for arm, each in runs.items():
            end = min(float(run.tokens[-1]) for run in each)
            x = np.linspace(0.0, end, POINTS)
            y = np.stack([np.interp(x, run.tokens, run.measure(measure)) for run in each])
            curve_with_band(ax, x / 1000, y, arm, dashed=arm in dashed)
        ax.set(xlabel="tokens drawn, thousands", ylabel=_unit(measure))
        label_ends(ax)
    return figure


def _frontiers(runs: Runs, k: int, dashed: Sequence[str]) -> Drawing:
    figure, axes = panels(columns=1, width=6.6, height=4.2)
    for arm, each in runs.items():
        begin = max(float(run.pass_at(1)[0]) for run in each)
        end = min(float(run.pass_at(1).max()) for run in each)
        levels = np.linspace(begin, max(begin, end), POINTS)
        curve_with_band(axes[0], levels, _stacked(each, k, levels), arm, dashed=arm in dashed)
    axes[0].set(xlabel="pass@1", ylabel=f"pass@{k}")
    label_ends(axes[0])
    return figure


def _stacked(each: Sequence[Run], k: int, levels: Floats) -> Any:
    return np.stack([frontier(run, k, levels) for run in each])


def _unit(measure: str) -> str:
    return f"{measure}, nats a token" if measure == "entropy" else measure
