"""The figures of the study, drawn from its measures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.plots import curve_with_band, label_ends, panels, theme
from wayfare.studies.adyen import Config
from wayfare.studies.adyen.plan import STRENGTHS, TUNED
from wayfare.studies.contract import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

Measures = Mapping[tuple[str, str], NDArray[Any]]
SHOWN = ("SquareCB", "SquareCB W=4", "uniform")
LOGGED = ("SquareCB", "FastCB", "epsilon 0.06", "uniform")


def figures(config: Config, measures: Measures) -> list[Figure]:
    """In reading order; the first is the front page's."""
    found = [
        Figure(
            "generations",
            "What the model of each generation is worth when taken greedily, beyond number 1, which is fitted to "
            "uniform data. Thin lines: up to 8 of the seeds; bands: 95 % of the mean.",
            _bound(_generations, measures),
        ),
        Figure(
            "logs",
            "Why: a good policy's log has few failures and little variety. Left: share of requests that succeed. "
            "Right: entropy of the policy, in nats. Bands: 95 % over seeds.",
            _bound(_logs, measures),
        ),
    ]
    if config.sweep_seeds:
        found.append(
            Figure(
                "frontier",
                "What exploring costs against what it saves, W = 1: regret of the policies that serve, and how much "
                "later models lose against the one from uniform data; a point a setting, mean over "
                f"{config.sweep_seeds} seeds.",
                _bound(_frontier, config, measures),
            )
        )
    return found


def _bound(draw: Callable[..., Drawing], *arguments: Any) -> Callable[[], Drawing]:
    return lambda: draw(*arguments)


def _generations(measures: Measures) -> Drawing:
    figure, axes = panels(columns=3, width=10.4, height=3.6, sharey=True)
    for ax, player in zip(axes, SHOWN, strict=True):
        levels = measures[player, "exploit curve"] - measures[player, "exploit curve"][:, :1]
        number = np.arange(1, levels.shape[1] + 1)
        curve_with_band(ax, number, levels, player, dashed=False)
        colour = ax.get_lines()[0].get_color()
        for one in levels[:8]:
            ax.plot(number, one, color=colour, linewidth=0.6, alpha=0.45, label="_")
        ax.plot(number[[0, -1]], [0.0, 0.0], color=theme().ink, linewidth=1.0, linestyle=(0, (6, 2)), label="_")
        ax.set(xlabel="generation", title=player, xticks=number[::2])
    axes[0].set_ylabel("success rate, greedily, beyond number 1")
    return figure


def _logs(measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.4, height=3.6)
    for ax, measure, title in zip(
        axes, ("positives curve", "entropy curve"), ("requests that succeed", "entropy of the policy"), strict=True
    ):
        for player in LOGGED:
            values = measures[player, measure]
            curve_with_band(ax, np.arange(values.shape[1]), values, player, dashed=False)
        ax.set(xlabel="generation", title=title)
        label_ends(ax)
    return figure


def _frontier(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=1, width=6.8, height=4.2)
    best = measures["oracle", "served"][: config.sweep_seeds]
    for rule in TUNED:
        names = [f"{rule} x{strength:g}" for strength in STRENGTHS[rule]]
        points = np.array([(float((best - measures[n, "served"]).mean()), measures[n, "shift"].mean()) for n in names])
        points = points[np.argsort(points[:, 0])]
        curve_with_band(axes[0], points[:, 0], points[None, :, 1], rule, dashed=False)
        axes[0].plot(points[:, 0], points[:, 1], "o", ms=4, color=axes[0].get_lines()[-1].get_color(), label="_")
    low, high = axes[0].get_xlim()
    axes[0].plot([low, high], [0.0, 0.0], color=theme().ink, linewidth=1.0, linestyle=(0, (6, 2)), label="_")
    axes[0].set(xlabel="regret a request while serving", ylabel="shift of later models")
    label_ends(axes[0])
    return figure
