"""The figures of the study, drawn from its measures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.plots import curve_with_band, label_ends, panels, theme
from wayfare.studies.contract import Figure
from wayfare.studies.recall_bandit import Config
from wayfare.studies.recall_bandit.cells import BLOCK
from wayfare.studies.recall_bandit.plan import DESKS, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

Measures = Mapping[tuple[str, str], NDArray[Any]]
SHOWN = ("safe mixture", "Thompson", "MemRL", "baseline", "oracle")
DASHED = ("baseline", "oracle")


def figures(config: Config, measures: Measures) -> list[Figure]:
    """In reading order; the first is the front page's."""
    return [
        Figure(
            "streams",
            "Expected reward by task. Left: similarity is right; right: half of the memories have a near-duplicate "
            f"that misleads. Bands: 95 % over {config.seeds} streams.",
            _bound(_streams, config, measures),
        ),
        Figure(
            "floor",
            "Left: share of the tasks that the baseline keeps, by how often similarity misleads. Right: a drift half "
            "way, after which near-duplicates are right.",
            _bound(_floor, config, measures),
        ),
        Figure(
            "desk",
            "Through the public API: what a default memory is worth beyond similarity, by credited tasks. Bands: 95 % "
            f"over {config.seeds} desks.",
            _bound(_desk, config, measures),
        ),
    ]


def _bound(draw: Callable[..., Drawing], *arguments: Any) -> Callable[[], Drawing]:
    return lambda: draw(*arguments)


def _middles(config: Config) -> NDArray[np.float64]:
    return np.asarray(np.arange(config.tasks // BLOCK) * BLOCK + BLOCK / 2, np.float64)


def _streams(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.4, height=3.9, sharey=True)
    for ax, m in zip(axes, (0.0, 0.5), strict=True):
        for arm in SHOWN:
            curve = measures[f"{named(m)}: {arm}", "curve"][: config.seeds]
            curve_with_band(ax, _middles(config), curve, arm, dashed=arm in DASHED)
        ax.set(xlabel="task", title=named(m))
        label_ends(ax)
    axes[0].set_ylabel("expected reward")
    return figure


def _floor(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.4, height=3.9)
    for m in config.misled:
        curve_with_band(axes[0], _middles(config), measures[f"{named(m)}: safe mixture", "share curve"], named(m))
    axes[0].set(xlabel="task", title="share of the baseline", ylim=(-0.03, 1.03))
    for arm in ("safe mixture", "Thompson", "MemRL", "baseline"):
        curve = measures[f"{named(0.5, 'drift')}: {arm}", "curve"]
        curve_with_band(axes[1], _middles(config), curve, arm, dashed=arm in DASHED)
    axes[1].set(xlabel="task", title="expected reward, drift")
    for ax in axes:
        label_ends(ax)
    return figure


def _desk(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=1, width=6.4, height=3.9)
    x = np.array(config.looks, np.float64)
    for name in DESKS:
        curve_with_band(axes[0], x, measures[name, "learned"] - measures[name, "similarity"], name, dashed=False)
    axes[0].plot(x[[0, -1]], [0.0, 0.0], color=theme().ink, linewidth=1.0, linestyle=(0, (6, 2)), label="_")
    axes[0].set_xscale("log")
    axes[0].set(xlabel="credited tasks", title="improvement over similarity")
    label_ends(axes[0])
    return figure
