"""The figures of the study, drawn from its measures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.plots import curve_with_band, label_ends, panels
from wayfare.studies.contract import Figure
from wayfare.studies.memos import Config
from wayfare.studies.memos.policies import PLAYERS
from wayfare.studies.memos.replay import WORKLOADS
from wayfare.studies.stated import half_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

Measures = Mapping[tuple[str, str], NDArray[Any]]
SHOWN = tuple(name for name in PLAYERS if name not in ("always adapter", "always adapter, stale"))
"""The others are told of in the table: they would need a scale of their own."""


def figures(config: Config, measures: Measures) -> list[Figure]:
    """In reading order; the first is the front page's."""
    return [
        Figure(
            "policies",
            "Milliseconds a query by workload, what was made included. Bars: 95 % over "
            f"{config.scheduler_seeds} seeds. Always an adapter is left out where it is slower: see the table.",
            _bound(_policies, measures),
        ),
        Figure(
            "first-token",
            "Left: milliseconds to the first token by tokens of memory. Right: largest difference of a logit from the "
            "text's. Bands: 95 % over seeds.",
            _bound(_first, config, measures),
        ),
    ]


def _bound(draw: Callable[..., Drawing], *arguments: Any) -> Callable[[], Drawing]:
    return lambda: draw(*arguments)


def _policies(measures: Measures) -> Drawing:
    figure, axes = panels(columns=len(WORKLOADS), width=3.4 * len(WORKLOADS), height=3.4)
    for ax, kind in zip(axes, WORKLOADS, strict=True):
        for place, name in enumerate(reversed(SHOWN)):
            cost = measures[kind, name]
            ax.errorbar(
                [float(cost.mean())], [place], xerr=[half_width(cost) or 0.0], fmt="o", markersize=4, capsize=2,
                color="#0b3da3" if name == "scheduler" else "#747474",
            )  # fmt: skip
        ax.set_yticks(range(len(SHOWN)), list(reversed(SHOWN)) if ax is axes[0] else [""] * len(SHOWN))
        ax.set(xlabel="ms a query", title=kind)
    return figure


def _first(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.4, height=3.9)
    x = np.array(config.lengths, dtype=np.float64)
    for name, label in (("text ms", "text"), ("cache ms", "cache")):
        curve_with_band(axes[0], x, measures["activation", name], label, dashed=name == "text ms")
    for name, label in (("difference", "cache"), ("apart", "end to end"), ("turned", "repositioned")):
        values = np.log10(np.maximum(measures["activation", name], 1e-9))
        curve_with_band(axes[1], x, values, label, dashed=name != "difference")
    axes[0].set(xlabel="tokens of memory", ylabel="ms")
    axes[1].set(xlabel="tokens of memory", ylabel="log10 of the difference")
    for ax in axes:
        label_ends(ax)
    return figure
