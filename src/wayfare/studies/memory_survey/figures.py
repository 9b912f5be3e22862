"""The figures of the study, drawn from its measures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.probes.checking import PROBES
from wayfare.report.plots import panels
from wayfare.studies.contract import Figure
from wayfare.studies.memory_survey import Config
from wayfare.studies.memory_survey.cells import PLAYERS
from wayfare.studies.memory_survey.families import FAMILIES
from wayfare.studies.memory_survey.plan import names
from wayfare.studies.stated import half_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

Measures = Mapping[tuple[str, str], NDArray[Any]]


def figures(config: Config, measures: Measures) -> list[Figure]:
    """In reading order; the first is the front page's."""
    return [
        Figure(
            "families",
            f"Scores of nine players in three families of tasks. Bars: 95 % over {config.seeds} seeds.",
            _bound(_families, measures),
        ),
        Figure(
            "probes",
            "Which memory passes which probe (dark), fails it (light), or has not what it takes (none). A cross: its "
            "card says otherwise.",
            _bound(_probes, config, measures),
        ),
    ]


def _bound(draw: Callable[..., Drawing], *arguments: Any) -> Callable[[], Drawing]:
    return lambda: draw(*arguments)


def _families(measures: Measures) -> Drawing:
    figure, axes = panels(1, len(FAMILIES), height=3.4)
    place = np.arange(len(PLAYERS))[::-1]
    for i, (ax, family) in enumerate(zip(axes, FAMILIES, strict=True)):
        values = [measures[player, family] for player in PLAYERS]
        wide = [half_width(each) or 0.0 for each in values]
        ax.errorbar([float(each.mean()) for each in values], place, xerr=wide, fmt="o", capsize=2)
        ax.set_xlim(-0.05, 1.05)
        ax.set_xlabel(f"score, {family}")
        ax.set_yticks(place, list(PLAYERS) if i == 0 else [""] * len(PLAYERS))
    return figure


def _probes(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(height=4.6)
    ax, probed = axes[0], names(config)
    for y, name in enumerate(reversed(probed)):
        for x in range(len(PROBES)):
            applies = bool(measures[name, "applicable"][:, x].any())
            share = float(measures[name, "passed"][:, x].mean())
            if applies:
                ax.scatter(x, y, s=45, marker="s", color="C0", alpha=0.15 + 0.85 * share)
            if not measures[name, "agrees"][:, x].all():
                ax.scatter(x, y, s=30, marker="x", color="C1")
    ax.set_yticks(range(len(probed)), list(reversed(probed)))
    ax.set_xticks(range(len(PROBES)), [number for number, *_ in PROBES])
    return figure
