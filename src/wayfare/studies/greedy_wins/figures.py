"""The figures of the study, drawn from its measures alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from wayfare.report.plots import curve_with_band, label_ends, panels, theme
from wayfare.studies.contract import Figure
from wayfare.studies.greedy_wins import Config
from wayfare.studies.greedy_wins.outcome import Measures
from wayfare.studies.stated import half_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

AGENTS = ("generalist", "SFT-UCB", "RL-original", "RL-strategic", "RL-algorithmic", "RL-strategic, gamma 0")
SIMPLE = ("UCB", "UCB retuned", "Thompson", "greedy", "epsilon-greedy")
CURVES = ("SFT-UCB", "RL-original", "RL-strategic", "RL-algorithmic", "UCB", "greedy")


def figures(config: Config, measures: Measures) -> list[Figure]:
    """In reading order; the first is the front page's."""
    return [
        Figure(
            "regret-and-failure",
            f"Regret after {config.long} pulls against suffix failures, Gaussian arms: low on the left is good; the "
            "paper's agents sit low on the right. Bars: 95 % over seeds. Hollow: simple players.",
            _bound(_scatter, config, measures),
        ),
        Figure(
            "failure-curves",
            "Share of tasks in which the best arm is never pulled again after t. Bands: 95 % over seeds.",
            _bound(_curves, config, measures),
        ),
        Figure(
            "regret-histogram",
            f"Regret of each task after {config.long} pulls, all seeds: a second hump on the right is what got stuck.",
            _bound(_histogram, config, measures),
        ),
    ]


def _bound(draw: Callable[..., Drawing], *arguments: Any) -> Callable[[], Drawing]:
    return lambda: draw(*arguments)


def _scatter(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=1, width=7.2, height=4.6)
    ax = axes[0]
    shown = sorted((*AGENTS, *SIMPLE), key=lambda player: float(measures[player, "gaussian", "long regret"].mean()))
    right = max(float(measures[player, "gaussian", "suffix failure"].mean()) for player in shown)
    for place, player in enumerate(shown):
        x, y = (measures[player, "gaussian", name] for name in ("suffix failure", "long regret"))
        reach = [half_width(values) or 0.0 for values in (x, y)]
        ax.errorbar(
            x.mean(), y.mean(), xerr=reach[0], yerr=reach[1], fmt="o", markersize=6, elinewidth=1,
            color=theme().ink if player in SIMPLE else theme().scale[-1],
            markerfacecolor="none" if player in SIMPLE else None,
        )  # fmt: skip
        # neighbours in height are named above and below, the rightmost to their left
        left = x.mean() > 0.7 * right
        ax.annotate(
            player, (x.mean(), y.mean()), xytext=(-6 if left else 6, -11 if place % 2 else 4),
            textcoords="offset points", fontsize=8.5, ha="right" if left else "left",
        )  # fmt: skip
    ax.set(xlabel="suffix failures, share of tasks", ylabel=f"regret after {config.long} pulls", yscale="log")
    return figure


def _curves(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.4, height=3.9)
    for ax, family in zip(axes, ("gaussian", "bernoulli"), strict=True):
        for player in CURVES:
            curve = measures[player, family, "failure curve"]
            curve_with_band(ax, np.arange(1, curve.shape[1] + 1), curve, player, dashed=player in ("UCB", "greedy"))
        ax.set(xlabel="t", title=f"{family.capitalize()} arms", ylim=(0, 1))
        label_ends(ax)
    axes[0].set_ylabel("best arm never after t")
    return figure


def _histogram(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=3, width=10.4, height=3.0)
    top = max(float(np.quantile(measures[p, "gaussian", "final"], 0.995)) for p in ("UCB", "SFT-UCB", "RL-strategic"))
    edges = np.linspace(0.0, max(top, 1.0), 40)
    for ax, player in zip(axes, ("UCB", "SFT-UCB", "RL-strategic"), strict=True):
        values = measures[player, "gaussian", "final"].ravel()
        ax.hist(np.clip(values, 0, edges[-1]), edges, color=theme().scale[-1], log=True)
        ax.set(title=player, xlabel="regret")
    axes[0].set_ylabel("tasks")
    return figure
