"""The figures of the study, drawn from its measures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.studies.contract import Figure
from wayfare.studies.evolve import Config
from wayfare.studies.evolve.stage import Setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

Measures = Mapping[tuple[str, str, str], NDArray[Any]]
TAUGHT = ("OFT-AG", "OFT-SH", "OFT-RH")
ASKED = ("S2-AG", "S2-SH", "S2-RH")
SCRIPTED = ("teacher", "greedy", "uniform")


def figures(config: Config, measures: Measures, settings: Sequence[Setting]) -> list[Figure]:
    """In reading order; the first is the front page's."""
    found = [
        Figure(
            "regret",
            f"Regret by pull, {settings[0].name}, mean over seeds of {config.worlds} bandits each (bands: 95 % over "
            "seeds). Left: trained on UCB's decisions. Right: a reader of tables, asked with each layer.",
            _bound(_regret, config, measures, settings[0]),
        ),
        Figure(
            "decisions",
            "Regret after so many of the teacher's decisions, by layer; the line is 1.25 times the teacher's regret.",
            _bound(_decisions, measures),
        ),
    ]
    if config.films:
        found.append(
            Figure(
                "films",
                f"Regret in stars / 5 with {config.films} films: AG shows LinUCB's two numbers, RH what happened.",
                _bound(_films, config, measures),
            )
        )
    return found


def _bound(draw: Callable[..., Drawing], *arguments: Any) -> Callable[[], Drawing]:
    return lambda: draw(*arguments)


def _regret(config: Config, measures: Measures, setting: Setting) -> Drawing:
    figure, axes = panels(columns=2, width=10.4, height=3.9, sharey=True)
    pulls = np.arange(1, setting.horizon + 1)
    for ax, players, title in zip(axes, (TAUGHT, ASKED), ("oracle fine-tuning", "guidance only"), strict=True):
        for player in (*players, *SCRIPTED):
            if (player, setting.name, "curve") in measures:
                curve_with_band(ax, pulls, measures[player, setting.name, "curve"], player, dashed=player in SCRIPTED)
        ax.set(xlabel="pull", title=title)
    axes[0].set_ylabel("regret")
    for ax in axes:
        label_ends(ax)
    return figure


def _decisions(measures: Measures) -> Drawing:
    figure, axes = panels(columns=1, width=6.4, height=3.9)
    ax = axes[0]
    for player in TAUGHT:
        if (player, "lessons", "regret") in measures:
            x = measures[player, "lessons", "decisions"][0]
            curve_with_band(ax, x, measures[player, "lessons", "regret"], player)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    goal = 1.25 * float(measures["teacher", "lessons", "regret"].mean())
    curve_with_band(ax, [low, high], np.array([[goal, goal]]), "1.25 x teacher", dashed=True)
    ax.set(xlabel="decisions seen", ylabel="regret", xlim=(low, high))
    label_ends(ax)
    return figure


def _films(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=1, width=6.4, height=3.9)
    pulls = np.arange(1, config.horizon + 1)
    for player in ("S2-AG", "S2-RH", "LinUCB", "greedy", "uniform"):
        if (player, "films", "curve") in measures:
            curve = measures[player, "films", "curve"]
            curve_with_band(axes[0], pulls, curve, player, dashed=not player.startswith("S2"))
    axes[0].set(xlabel="pull", ylabel="regret")
    label_ends(axes[0])
    return figure
