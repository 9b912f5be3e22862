"""The figures of the study, drawn from its measures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.plots import curve_with_band, label_ends, panels, theme
from wayfare.studies.contract import Figure
from wayfare.studies.stepmix import Config
from wayfare.studies.stepmix.cells import curve_edges

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

Measures = Mapping[tuple[str, str], NDArray[Any]]
SHOWN = ("StepMix", "EpsMix", "budget", "unconstrained")
"""In this order everywhere: spare colours go by turns, and a player keeps its own."""
REGRET = (*SHOWN, "baseline", "fixed mixture", "switched mixture")
DASHED = ("baseline", "unconstrained", "budget", "fixed mixture", "switched mixture")


def figures(config: Config, measures: Measures, floors: Sequence[float]) -> list[Figure]:
    """In reading order; the first is the front page's."""
    found = [
        Figure(
            "values",
            f"Value of the policy by episode, as a share of the baseline's. Left: mean over {config.seeds} runs (band: "
            "95 %). Right: the lowest of all runs and episodes in each stretch.",
            _bound(_values, config, measures),
        ),
        Figure(
            "hand-over",
            "Share of the baseline by episode: StepMix hands over step by step, EpsMix by its coin. Right: regret. "
            "Bands: 95 % over runs.",
            _bound(_hand_over, config, measures),
        ),
    ]
    if len(floors) > 1:
        found.append(
            Figure(
                "slack",
                "Regret beyond the unconstrained method's by floor: the higher the floor, the dearer. Bands: 95 % over "
                f"{config.sweep_seeds} runs.",
                _bound(_slack, config, measures, floors),
            )
        )
    return found


def _bound(draw: Callable[..., Drawing], *arguments: Any) -> Callable[[], Drawing]:
    return lambda: draw(*arguments)


def _middles(config: Config) -> NDArray[np.float64]:
    edges = curve_edges(config.episodes)
    return np.asarray((edges[:-1] + 1 + edges[1:]) / 2)


def _line(ax: Axes, y: float, label: str) -> None:
    """What is known beforehand, in ink: no player wears it."""
    low, high = ax.get_xlim()
    ax.plot([low, high], [y, y], color=theme().ink, linewidth=1.2, linestyle=(0, (6, 2)), label=label)
    ax.set_xlim(low, high)


def _values(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.4, height=3.9)
    x = _middles(config)
    for player in SHOWN:
        dashed = player in DASHED
        curve_with_band(axes[0], x, measures[player, "value curve"], player, dashed=dashed)
        curve_with_band(axes[1], x, measures[player, "lowest curve"].min(axis=0)[None], player, dashed=dashed)
    for ax, title in zip(axes, ("mean over runs", "lowest of all runs"), strict=True):
        ax.set_xscale("log")
        _line(ax, config.floor, "floor")
        ax.set(xlabel="episode", title=title)
    _line(axes[0], float(measures["StepMix", "optimal by baseline"].mean()), "optimum")
    axes[0].set_ylabel("value / baseline's value")
    for ax in axes:
        label_ends(ax)
    return figure


def _hand_over(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.4, height=3.9)
    for player in SHOWN[:-1]:
        curve_with_band(axes[0], _middles(config), measures[player, "share curve"], player, dashed=player in DASHED)
    for player in REGRET:
        curve_with_band(
            axes[1], curve_edges(config.episodes)[1:], measures[player, "regret curve"], player, dashed=player in DASHED
        )
    axes[0].set_xscale("log")
    axes[0].set(xlabel="episode", title="share of the baseline", ylim=(-0.03, 1.03))
    axes[1].set(xlabel="episode", title="regret")
    for ax in axes:
        label_ends(ax)
    return figure


def _slack(config: Config, measures: Measures, floors: Sequence[float]) -> Drawing:
    figure, axes = panels(columns=1, width=6.4, height=3.9)
    few = config.sweep_seeds
    for player in ("StepMix", "EpsMix"):
        names = [player if floor == config.floor else f"{player} g={floor:g}" for floor in floors]
        extra = np.stack(
            [measures[name, "regret"][:few] - measures["unconstrained", "regret"][:few] for name in names], axis=1
        )
        curve_with_band(axes[0], np.array(floors)[::-1], extra[:, ::-1], player)
    axes[0].set(xlabel="floor / baseline's value", title="extra regret", ylim=(0, None))
    label_ends(axes[0])
    return figure
