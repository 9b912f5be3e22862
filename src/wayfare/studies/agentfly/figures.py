"""The figures of the study, drawn from its measures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.plots import curve_with_band, label_ends, panels, theme
from wayfare.studies.agentfly import Config
from wayfare.studies.agentfly.plan import Tuned
from wayfare.studies.agentfly.sequential import BACKUPS
from wayfare.studies.contract import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

Measures = Mapping[tuple[str, str], NDArray[Any]]
ONLINE = ("no cases", "non-parametric", "parametric", "parametric (soft-Q)")


def figures(config: Config, measures: Measures, chosen: Tuned) -> list[Figure]:
    """In reading order; the first is the front page's."""
    bands = f"Bands: 95 % over {config.seeds} seeds."
    found = [
        Figure(
            "learning",
            f"Success while cases are chosen, one at a time. Dashed: {chosen.strongest}, the strongest that learns "
            f"nothing. {bands}",
            _bound(_learning, config, measures, chosen),
        ),
        Figure("several", f"Success in the last tasks by the number of cases shown. {bands}", _bound(_several, config,
               measures)),
        Figure(
            "sequence",
            f"Largest error of Q against exact soft values, while it is learned. {bands}",
            _bound(_sequence, config, measures),
        ),
    ]  # fmt: skip
    if config.online_tasks:
        found.append(
            Figure(
                "online",
                "From an empty bank: success by pass over the same tasks, and behind the line on topics never seen. "
                + bands,
                _bound(_online, config, measures),
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


def _learning(config: Config, measures: Measures, chosen: Tuned) -> Drawing:
    figure, axes = panels(columns=1, width=6.8, height=4.1)
    for player in (chosen.strongest, "MemRL", "kernel (learned)", "greedy Q", "soft-Q", "oracle"):
        curve = measures[player, "curve"]
        x = (np.arange(curve.shape[1]) + 0.5) * config.tasks / curve.shape[1]
        curve_with_band(axes[0], x, curve, player, dashed=player == chosen.strongest)
    axes[0].set(xlabel="tasks", ylabel="success")
    _line(axes[0], float(measures["soft-Q", "chance"][0]), "chance")
    label_ends(axes[0])
    return figure


def _several(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=1, width=6.4, height=3.9)
    ks = sorted(config.ks)
    for label, one, more in (("top-Q", "greedy Q", "top-Q"), ("soft-Q", "soft-Q", "soft-Q")):
        late = np.stack([measures[one if k == 1 else f"{more} K={k}", "late"] for k in ks], axis=1)
        curve_with_band(axes[0], np.array(ks, np.float64), late, label)
    axes[0].set(xlabel="cases shown", ylabel="success", xticks=ks)
    label_ends(axes[0])
    return figure


def _sequence(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=1, width=6.4, height=3.9)
    for name in BACKUPS:
        course = measures[name, "course"]
        x = np.arange(1, course.shape[1] + 1) * config.updates / course.shape[1]
        curve_with_band(axes[0], x, course, name)
    axes[0].set(xlabel="updates", ylabel="largest error of Q")
    label_ends(axes[0])
    return figure


def _online(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=1, width=6.4, height=3.9)
    for player in ONLINE:
        curve = np.column_stack([measures[player, "passes"], measures[player, "other"]])
        curve_with_band(axes[0], np.arange(1, curve.shape[1] + 1), curve, player, dashed=player == "no cases")
    axes[0].axvline(config.passes + 0.5, color=theme().ink, linewidth=1.0, linestyle=(0, (2, 3)))
    axes[0].set(xlabel="pass", ylabel="success")
    label_ends(axes[0])
    return figure
