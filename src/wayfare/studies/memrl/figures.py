"""The figures of the study, drawn from its measures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.plots import curve_with_band, label_ends, panels, theme
from wayfare.studies.contract import Figure
from wayfare.studies.memrl import Config
from wayfare.studies.memrl.checks import at
from wayfare.studies.memrl.theory import MEANS, closed_mean
from wayfare.studies.memrl.treasure import HUNTERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

Measures = Mapping[tuple[str, str], NDArray[Any]]
SHOWN = ("similarity", "success filter (written)", "MemRL", "Beta mean")
"""In this order everywhere: spare colours go by turns, and a player keeps its own."""
HUNTS = ("similarity", "success filter (written)", "MemRL", "Thompson")


def figures(config: Config, measures: Measures) -> list[Figure]:
    """In reading order; the first is the front page's."""
    found = [
        Figure(
            "learning",
            "Success by pass over the tasks. Left: wrong strategies are often lucky; right: seldom. Bands: 95 % over "
            f"{config.seeds} seeds.",
            _bound(_learning, config, measures),
        ),
        Figure(
            "estimator",
            "Mean of Q after t credits of a fixed mean reward b; dotted: b + (1 - alpha)^t (Q0 - b).",
            _bound(_estimator, measures),
        ),
    ]
    if config.wide_families:
        found.append(
            Figure(
                "wide",
                f"Success by pass where {config.wide_k2} items are recalled at once. Bands: 95 % over {config.seeds} "
                "seeds.",
                _bound(_wide, config, measures),
            )
        )
    if any(("hunt " + name, "won") in measures for name in HUNTERS):
        found.append(
            Figure(
                "hunts",
                "Treasures found by pass, and commands an attempt took. Bands: 95 % over seeds.",
                _bound(_hunts, measures),
            )
        )
    return found


def _bound(draw: Callable[..., Drawing], *arguments: Any) -> Callable[[], Drawing]:
    return lambda: draw(*arguments)


def _line(ax: Axes, y: float, label: str) -> None:
    """What is known beforehand, in ink: no player wears it."""
    low, high = ax.get_xlim()
    ax.plot([low, high], [y, y], color=theme().ink, linewidth=1.2, linestyle=(0, (6, 2)), label=label)
    ax.set_xlim(low, high)


def _learning(config: Config, measures: Measures) -> Drawing:
    shown = config.lucky[:2]
    figure, axes = panels(columns=len(shown), width=5.2 * len(shown), height=3.9)
    for ax, lucky in zip(axes, shown, strict=True):
        for player in SHOWN:
            curve = measures[at(player, lucky), "curve"]
            curve_with_band(ax, np.arange(1, curve.shape[1] + 1), curve, player, dashed=player == "similarity")
        ax.set(xlabel="pass", title=f"a wrong strategy succeeds with {lucky:g}")
        _line(ax, float(measures[at("similarity", lucky), "chance"][0]), "chance")
        label_ends(ax)
    axes[0].set_ylabel("success")
    return figure


def _estimator(measures: Measures) -> Drawing:
    figure, axes = panels(columns=1, width=6.4, height=3.9)
    q = measures["estimator", "mean"]
    x = np.arange(1, q.shape[-1] + 1)
    for j, b in enumerate(MEANS):
        curve_with_band(axes[0], x, q[:, j], f"mean reward {b:g}")
        closed = [closed_mean(b, int(t)) for t in x]
        axes[0].plot(x, closed, color=theme().ink, linewidth=1.0, linestyle=(0, (2, 3)))
    axes[0].set(xlabel="credits", ylabel="mean of Q")
    label_ends(axes[0])
    return figure


def _wide(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=1, width=6.4, height=3.9)
    for player in ("similarity", "MemRL", "MemRL (used)", "Beta mean"):
        curve = measures[at(f"wide {player}", config.lucky[0]), "curve"]
        curve_with_band(axes[0], np.arange(1, curve.shape[1] + 1), curve, player, dashed=player == "similarity")
    axes[0].set(xlabel="pass", ylabel="success")
    label_ends(axes[0])
    return figure


def _hunts(measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.4, height=3.9)
    for player in HUNTS:
        for ax, measure in zip(axes, ("won", "steps"), strict=True):
            curve = measures[f"hunt {player}", measure].mean(axis=-1)
            curve_with_band(ax, np.arange(1, curve.shape[1] + 1), curve, player, dashed=player == "similarity")
    for ax, title in zip(axes, ("treasures found", "commands an attempt"), strict=True):
        ax.set(xlabel="pass", title=title)
        label_ends(ax)
    return figure
