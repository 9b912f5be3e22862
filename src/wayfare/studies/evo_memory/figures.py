"""The figures of the study, drawn from its measures alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.palette import stroke
from wayfare.report.plots import curve_with_band, label_ends, panels, theme
from wayfare.studies.contract import Figure
from wayfare.studies.evo_memory import Config
from wayfare.studies.evo_memory.cells import Condition
from wayfare.studies.evo_memory.checks import under
from wayfare.studies.evo_memory.outcome import Measures, main
from wayfare.studies.evo_memory.plan import base
from wayfare.studies.evo_memory.players import COPY, MEMORIES, label_of
from wayfare.studies.evo_memory.streams import STREAMS, StreamName
from wayfare.studies.stated import half_width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

__all__ = ["figures"]

Floats = NDArray[np.float64]
CURVES = ("none", "exprecent", "exprag", "exprag-success", "memrl", "remem")
"""In this order everywhere: spare colours go by turns, and a memory keeps its own."""
NOISED = ("none", "exprag", "exprag-success", "memrl", "remem")
SIMPLE = ("none", "exprecent", "history", COPY)
"""Drawn as baselines."""
WINDOW = 25
"""Tasks that a point of a curve is the mean of."""
TITLES = {"puzzles": "puzzles: one answer a task", "errands": "errands: several steps a task"}


def figures(config: Config, measures: Measures) -> list[Figure]:
    """In reading order; the first is the front page's."""
    seeds = f"95 % over {config.seeds} seeds"
    found = [
        (
            "compare", "Success over whole streams, without noise, in the mean over the orders. Line: no memory. Bars: "
            f"{seeds}.", _compare,
        ),
        (
            "learning", "Success along the stream, mean of neighbouring tasks and of the orders, without noise. "
            f"Bands: {seeds}.", _learning,
        ),
        (
            "similarity", "Gain over no memory by how similar a task is to the most similar one before it; the fewer "
            f"families, the more. Bars: {seeds}.", _similarity,
        ),
        (
            "noise", "Success by the share of feedback that is turned round, in random order. Bands: "
            f"{seeds}.", _noise,
        ),
        ("cost", "What a memory costs, without noise: what it shows, what it keeps, what it computes.", _cost),
    ]  # fmt: skip
    return [Figure(name, caption, partial(draw, config, measures)) for name, caption, draw in found]


def _learning(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.6, height=4.1)
    for ax, stream in zip(axes, STREAMS, strict=True):
        for name in CURVES:
            curve = _smooth(main(config, measures, stream, name, "curve"))
            at = np.arange(1, curve.shape[1] + 1) + min(WINDOW, curve.shape[1]) // 4
            curve_with_band(ax, at, curve, label_of(name), dashed=name in SIMPLE)
        ax.set(xlabel="task of the stream", title=TITLES[stream])
        label_ends(ax)
    axes[0].set_ylabel("success")
    return figure


def _smooth(curve: Floats) -> Floats:
    """[S, T] -> [S, T - w + 1] means of w neighbours."""
    window = min(WINDOW, max(1, curve.shape[1] // 2))
    ends = np.cumsum(np.pad(curve, ((0, 0), (1, 0))), axis=1)
    return np.asarray((ends[:, window:] - ends[:, :-window]) / window)


def _compare(config: Config, measures: Measures) -> Drawing:
    """A row a memory, best on top; the same rows in both panels."""
    order = _ranked(config, measures)
    figure, axes = panels(columns=2, width=9.4, height=0.34 * len(order) + 1.1, sharey=True)
    for ax, stream in zip(axes, STREAMS, strict=True):
        none = float(main(config, measures, stream, "none", "area").mean())
        ax.axvline(none, color=theme().soft, linewidth=1.1, linestyle=(0, (5, 3)), zorder=1)
        for place, name in enumerate(order):
            area = main(config, measures, stream, name, "area")
            look = _look(name)
            ax.errorbar(
                float(area.mean()), place, xerr=half_width(area) or 0.0, fmt="o", markersize=5.5, color=look,
                elinewidth=1.6, capsize=2.5, zorder=3,
            )  # fmt: skip
        ax.set(title=TITLES[stream], xlabel="success")
        ax.margins(x=0.06)  # the ends of bars stand on no edge
        ax.grid(axis="y", visible=False)
    _rows(axes[0], order)
    return figure


def _cost(config: Config, measures: Measures) -> Drawing:
    order = _ranked(config, measures)
    told = (
        ("context tokens", "words shown a task", 1.0), ("items", "items kept at the end", 1.0),
        ("seconds", "ms in the module a task", 1000.0),
    )  # fmt: skip
    figure, axes = panels(columns=3, width=9.4, height=0.34 * len(order) + 1.3, sharey=True)
    for ax, (measure, label, scale) in zip(axes, told, strict=True):
        for stream, marker in zip(STREAMS, ("o", "D"), strict=True):
            tasks = config.puzzles if stream == "puzzles" else config.errands
            share = scale / tasks if measure == "seconds" else scale
            values = [float(main(config, measures, stream, name, measure).mean()) * share for name in order]
            ax.plot(
                values, np.arange(len(order)), marker, markersize=5, color=_stream_colour(stream),
                label=stream if ax is axes[0] else f"_{stream}", linestyle="none",
            )  # fmt: skip
        ax.set_xlabel(label)
        ax.margins(x=0.06)
        ax.set_xlim(left=0)
    _rows(axes[0], order)
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return figure


def _similarity(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.0, height=3.9)
    counts = sorted((*config.sweep, config.families), reverse=True)
    for ax, stream in zip(axes, STREAMS, strict=True):
        for name in ("exprag", "remem"):
            x, gains = [], []
            for count in counts:
                condition = Condition(stream, families=count)
                x.append(float(measures[under(name, condition), "similarity"].mean()))
                gains.append(measures[under(name, condition), "area"] - measures[under("none", condition), "area"])
            colour = _look(name)
            means, reach = [float(gain.mean()) for gain in gains], [half_width(gain) or 0.0 for gain in gains]
            ax.errorbar(
                x, means, yerr=reach, fmt="o-", markersize=5, color=colour, elinewidth=1.3, capsize=2.5,
                label=label_of(name),
            )  # fmt: skip
            if name == "exprag":
                for at, mean, count in zip(x, means, counts, strict=True):
                    ax.annotate(
                        f"{count}", (at, mean), xytext=(4, -11), textcoords="offset points", fontsize=8,
                        color=theme().soft,
                    )  # fmt: skip
        ax.axhline(0.0, color=theme().soft, linewidth=0.9)
        ax.margins(x=0.06)
        ax.set(xlabel="mean similarity to the nearest task before (number: families)", title=TITLES[stream])
        ax.legend(frameon=False, loc="upper left")
    axes[0].set_ylabel("gain in success over no memory")
    return figure


def _noise(config: Config, measures: Measures) -> Drawing:
    figure, axes = panels(columns=2, width=10.6, height=3.9)
    levels = (0.0, *config.noise)
    for ax, stream in zip(axes, STREAMS, strict=True):
        for name in NOISED:
            found = [measures[under(name, base(config, stream, noise=noise)), "area"] for noise in levels]
            curve_with_band(ax, levels, np.stack(found, axis=1), label_of(name), dashed=name in SIMPLE)
        ax.set(xlabel="share of feedback turned round", title=TITLES[stream])
        label_ends(ax)
    axes[0].set_ylabel("success")
    return figure


def _ranked(config: Config, measures: Measures) -> list[str]:
    """Memories by their mean over both streams, the worst first: rows are drawn upwards."""

    def mean(name: str) -> float:
        return float(np.mean([main(config, measures, stream, name, "area").mean() for stream in STREAMS]))

    return sorted(MEMORIES, key=mean)


def _rows(ax: Axes, order: Sequence[str]) -> None:
    ax.set_yticks(np.arange(len(order)), [label_of(name) for name in order])
    ax.set_ylim(-0.6, len(order) - 0.4)


def _look(name: str) -> str:
    """Colour of a memory: baselines nearly grey, others as learned, ReMem apart."""
    if name in SIMPLE:
        return theme().soft
    return theme().learned["full"] if name == "remem" else theme().spare[0]


def _stream_colour(stream: StreamName) -> str:
    look: Callable[..., Any] = stroke
    return str(look(stream, theme(), dashed=False, taken=[]).colour) if stream == "errands" else theme().learned["full"]
