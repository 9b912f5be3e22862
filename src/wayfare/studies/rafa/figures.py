"""The figures of the study, drawn from its measures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.studies.contract import Figure
from wayfare.studies.rafa import Config
from wayfare.studies.rafa.control import LOOPS
from wayfare.studies.rafa.in_context import PLAYERS, SIZES
from wayfare.studies.rafa.steps import curve_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

Measures = Mapping[tuple[str, str], NDArray[Any]]
RIVER = ("RAFA mean", "RAFA optimistic", "RAFA sampled", "PSRL", "UCRL", "reactive", "epsilon-greedy")
GRID = ("RAFA mean", "RAFA optimistic", "RAFA sampled", "reflexion", "open loop", "reactive", "every step")
DASHED = ("PSRL", "UCRL", "reactive", "epsilon-greedy", "open loop", "every step", "reflexion")


def figures(config: Config, measures: Measures) -> list[Figure]:
    """In reading order; the first is the front page's."""
    return [
        Figure(
            "mazes",
            "Unseen mazes with a transformer that learns them in its context. Left: share of successful episodes by "
            "episode. Right: share of moves from visited cells that it foretells, by transitions remembered. Bands: "
            f"95 % over {config.seeds} seeds.",
            _bound(_mazes, measures),
        ),
        Figure(
            "regret",
            "Regret by step where the posterior is exact, both axes logarithmic. Left: RiverSwim-6. Right: grids of 64 "
            f"hypotheses. Mean over {config.theory_seeds} runs, bands 95 %.",
            _bound(_regret, config, measures),
        ),
        Figure(
            "game-of-24",
            "Puzzles solved by calls, control loops around a simulated model, not language. Bands: 95 % over "
            f"{config.puzzle_seeds} seeds.",
            _bound(_puzzles, measures),
        ),
    ]


def _bound(draw: Callable[..., Drawing], *arguments: Any) -> Callable[[], Drawing]:
    return lambda: draw(*arguments)


def _mazes(measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.4, height=3.9)
    for player in PLAYERS:
        success = measures[f"maze {player}", "success"]
        curve_with_band(axes[0], np.arange(1, success.shape[1] + 1), success, player, dashed=player != "RAFA")
    accuracy = measures["maze model", "accuracy"]
    curve_with_band(axes[1], np.array(SIZES, dtype=np.float64), accuracy, "model")
    axes[0].set(xlabel="episode", title="successful episodes", ylim=(-0.03, 1.03))
    axes[1].set(xlabel="transitions remembered", title="moves foretold", ylim=(None, 1.0))
    label_ends(axes[0])
    return figure


def _regret(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.4, height=4.2)
    for ax, world, ways, steps in (
        (axes[0], "river", RIVER, config.river_steps),
        (axes[1], "grid", GRID, config.grid_steps),
    ):
        for way in ways:
            curve = np.maximum(measures[f"{world} {way}", "curve"], 1e-3)
            curve_with_band(ax, curve_steps(steps), curve, way, dashed=way in DASHED)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set(xlabel="step", title="regret, " + ("RiverSwim-6" if world == "river" else "grids"))
        ax.set_ylim(0.1, None)
        label_ends(ax)
    return figure


def _puzzles(measures: Measures) -> Drawing:
    figure, axes = panels(columns=1, width=6.4, height=3.9)
    for loop in LOOPS:
        curve_with_band(axes[0], measures[f"24 {loop}", "ends"], measures[f"24 {loop}", "curve"], loop)
    axes[0].set(xlabel="calls", title="puzzles solved (simulated model, not language)", ylim=(-0.02, 1.0))
    label_ends(axes[0])
    return figure
