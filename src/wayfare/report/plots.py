"""The house style of figures, and the few plots that studies share.

A figure is a function without arguments that builds a Matplotlib figure. `draw` calls it once a theme, so it asks
`theme()` for colours (or leaves them to the helpers here) and never names one. Lines are labelled at their ends, in
their own colour: no legend to look up. SVG text is text, in the reader's own sans-serif.

    figure, axes = panels(columns=2)
    curve_with_band(axes[0], episodes, reward, "full")      # [S, T]: mean and 95 % band over seeds
    label_ends(axes[0])
"""

from __future__ import annotations

import io
import math
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.errors import BadValue, MissingExtra
from wayfare.report.palette import LIGHT, THEMES, Theme, contrast, stroke
from wayfare.report.statistics import student_quantile
from wayfare.report.verdict import claimed, interval_text, lay_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "curve_with_band",
    "draw",
    "forest",
    "heat_map",
    "house_style",
    "label_ends",
    "panels",
    "reference_line",
    "theme",
]

Floats = NDArray[np.float64]

PNG_DPI = 180
READERS_SANS = (
    "Inter, 'Source Sans 3', system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
)

_theme: ContextVar[Theme] = ContextVar("theme", default=LIGHT)


def theme() -> Theme:
    """The theme that is being drawn: ask it for `ink`, `soft`, `rule`, `scale`."""
    return _theme.get()


def draw(figure: Any) -> dict[str, bytes]:
    """`figure.draw()` under both themes -> {"png": light, "svg": light, "svg_dark": dark}.

    The same drawing gives the same SVG bytes: element ids are salted with a constant and nothing carries a date.

    Raises: MissingExtra without Matplotlib.
    """
    made: dict[str, bytes] = {}
    for name in THEMES:
        with house_style(name):
            drawn = figure.draw()
            made["svg" if name == "light" else "svg_dark"] = _svg(drawn)
            if name == "light":
                made["png"] = _png(drawn)
            _forget(drawn)
    return made


@contextmanager
def house_style(name: str = "light") -> Iterator[Theme]:
    """Matplotlib in the house style, `theme()` set to `name` (light or dark), both restored afterwards."""
    if name not in THEMES:
        raise BadValue("theme", name, "light or dark")
    matplotlib, chosen = _matplotlib(), THEMES[name]
    token = _theme.set(chosen)
    try:
        with matplotlib.rc_context(_settings(chosen)):
            yield chosen
    finally:
        _theme.reset(token)


def panels(
    rows: int = 1, columns: int = 1, *, width: float = 7.6, height: float | None = None, **keywords: Any
) -> tuple[Figure, NDArray[np.object_]]:
    """A figure with `rows * columns` axes, flat in reading order; inches; `keywords` go to `Figure.subplots`.

    Without a height, panels are as high as they are pleasant to read.
    """
    _matplotlib()
    from matplotlib.figure import Figure

    across = width / columns
    tall = height if height is not None else rows * min(max(across * 0.62, 2.5), 4.2)
    figure = Figure(figsize=(width, tall), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **keywords).ravel()


def curve_with_band(
    ax: Axes, x: ArrayLike, per_seed: ArrayLike, label: str, *, dashed: bool | None = None, level: float = 0.95
) -> None:
    """Mean of `per_seed` [S, T] over seeds against `x` [T] with its Student t band (none for one seed or dashed).

    Missing values (NaN) are left out seed by seed. `dashed` overrides how the palette draws `label`.

    Raises: BadValue where the shapes do not fit.
    """
    at, y = np.asarray(x, dtype=np.float64), np.atleast_2d(np.asarray(per_seed, dtype=np.float64))
    if y.ndim != 2 or y.shape[1:] != at.shape:
        raise BadValue("per_seed", y.shape, f"[seeds, {at.size}] to go with x")
    look = stroke(label, theme(), dashed=dashed, taken=[str(line.get_color()) for line in ax.get_lines()])
    seen = np.isfinite(y).sum(axis=0)
    some = seen > 0
    mean = np.full(at.shape, np.nan)
    mean[some] = np.nanmean(y[:, some], axis=0)
    ax.plot(at, mean, label=label, solid_capstyle="round", **look.line())
    several = seen > 1
    if several.any() and look.dash == "-":
        at, y, n = at[several], y[:, several], seen[several]
        quantile = np.array([student_quantile(0.5 + level / 2, int(k) - 1) for k in n])
        reach = quantile * np.nanstd(y, axis=0, ddof=1) / np.sqrt(n)
        middle = mean[several]
        ax.fill_between(at, middle - reach, middle + reach, color=look.colour, alpha=0.16, linewidth=0, zorder=1.5)


def reference_line(ax: Axes, y: float, label: str) -> None:
    """A horizontal line across the panel at a value that is known rather than measured (a ceiling, a safe reward)."""
    look = stroke(label, theme(), dashed=True)
    low, high = ax.get_xlim() if ax.lines else (0.0, 1.0)
    ax.plot([low, high], [y, y], label=label, **look.line())
    ax.set_xlim(low, high)


def label_ends(ax: Axes, *, size: float = 8.5, gap: float = 1.25) -> None:
    """Write each line's label beyond its right end, in its colour; labels that would touch move apart.

    Call it last, when limits are final. gap: distance of neighbouring labels in text heights.
    """
    figure: Any = ax.get_figure()
    ends = [(line, _last_point(line)) for line in ax.get_lines() if not str(line.get_label()).startswith("_")]
    known = [(line, point) for line, point in ends if point is not None]
    if not known:
        return
    figure.draw_without_rendering()  # settles the layout, and with it the height of the panel in pixels
    frame = ax.get_window_extent()
    pixels = ax.transData.transform([point for _, point in known])
    starts = np.clip((pixels[:, 0] - frame.x0) / frame.width, 0, 1)
    heights = (pixels[:, 1] - frame.y0) / frame.height
    point = figure.dpi / 72
    targets = spread(heights, size * gap * point / frame.height)
    elbow, text = 1 + 10 * point / frame.width, 1 + 13 * point / frame.width
    for (line, _), start, height, target in zip(known, starts, heights, targets, strict=True):
        look: dict[str, Any] = {"color": line.get_color(), "transform": ax.transAxes, "clip_on": False}
        ax.text(text, target, str(line.get_label()), fontsize=size, va="center_baseline", **look)
        leader = line.__class__(
            [start, 1 + (elbow - 1) / 5, elbow], [height, height, target], lw=0.8, alpha=0.75, **look
        )
        ax.add_artist(leader)


def spread(wanted: Floats, step: float) -> Floats:
    """Positions [n] at least `step` apart, in the order of `wanted`, with the least sum of squared moves.

    Subtracting rank * step turns the gaps into an ordering, which pooling adjacent violators solves exactly.
    """
    order = np.argsort(wanted, kind="stable")
    blocks: list[list[float]] = []  # mean, size
    for rank, index in enumerate(order):
        blocks.append([float(wanted[index]) - rank * step, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, size = blocks.pop()
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + mean * size) / (blocks[-1][1] + size), blocks[-1][1] + size]
    placed = np.empty(len(wanted))
    flat = [mean for mean, size in blocks for _ in range(int(size))]
    placed[order] = np.array(flat) + np.arange(len(wanted)) * step
    return placed


def heat_map(
    ax: Axes,
    matrix: ArrayLike,
    xlabels: Sequence[object],
    ylabels: Sequence[object],
    *,
    format: str = "{:.2f}",
    limits: tuple[float, float] | None = None,
    xlabel: str = "",
    ylabel: str = "",
) -> None:
    """`matrix` [len(ylabels), len(xlabels)] as shaded cells with their numbers; first row on top, NaN blank.

    limits: values of the lightest and the darkest shade; the range of the matrix when left out.

    Raises: BadValue where labels and matrix do not fit.
    """
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    values, chosen = np.asarray(matrix, dtype=np.float64), theme()
    if values.shape != (len(ylabels), len(xlabels)):
        raise BadValue("matrix", values.shape, f"[{len(ylabels)}, {len(xlabels)}] to go with its labels")
    finite = values[np.isfinite(values)]
    low, high = limits or ((float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0))
    shades = LinearSegmentedColormap.from_list("house", chosen.scale)
    share = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
    ax.pcolormesh(np.ma.masked_invalid(share), cmap=shades, vmin=0, vmax=1, edgecolors=chosen.surface, linewidth=2)
    for (row, column), value in np.ndenumerate(values):
        if math.isfinite(value):
            shade = to_hex(shades(float(share[row, column])))
            ink = max(("#ffffff", "#101318"), key=lambda colour: contrast(colour, shade))
            ax.text(column + 0.5, row + 0.5, format.format(value), color=ink, ha="center", va="center", fontsize=9)
    ax.set_xticks(np.arange(len(xlabels)) + 0.5, [str(v) for v in xlabels])
    ax.set_yticks(np.arange(len(ylabels)) + 0.5, [str(v) for v in ylabels])
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.invert_yaxis()
    ax.grid(False)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def forest(ax: Axes, checks: Sequence[Any]) -> None:
    """All checks of a study at a glance: a row each, the claimed side shaded, the interval against its threshold.

    Rows of one unit share a scale. An interval that is wholly inside of its shade holds.
    """
    chosen = theme()
    ax.set(xlim=(-1, 1), ylim=(len(checks) - 0.45, -0.55), xticks=[])
    beside: dict[str, Any] = {"va": "center", "fontsize": 8.5, "transform": ax.get_yaxis_transform()}
    for row, (check, place) in enumerate(zip(checks, lay_out(checks), strict=True)):
        colour = chosen.states[place.state]
        start, end = place.claimed
        ax.barh(row, end - start, left=start, height=0.56, color=chosen.states["holds"], alpha=0.13, linewidth=0)
        ax.vlines(place.marks, row - 0.28, row + 0.28, color=chosen.soft, linewidth=1)
        if place.low is not None and place.estimate is not None and place.high is not None:
            ax.hlines(row, place.low, place.high, color=colour, linewidth=2.4)
            face = chosen.surface if place.state == "undecided" else colour
            ax.plot(place.estimate, row, "o", ms=6, mec=colour, mew=1.6, mfc=face)
        shown = interval_text(check) if place.low is not None else "not tested"
        ax.text(1.03, row, f"{shown} · claimed {claimed(check)}", color=colour, **beside)
    ax.set_yticks(range(len(checks)), [str(check.name) for check in checks])
    ax.tick_params(axis="y", length=0, colors=chosen.ink)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _last_point(line: Any) -> tuple[float, float] | None:
    x, y = np.asarray(line.get_xdata(), dtype=np.float64), np.asarray(line.get_ydata(), dtype=np.float64)
    seen = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    return (float(x[seen[-1]]), float(y[seen[-1]])) if seen.size else None


def _settings(chosen: Theme) -> dict[str, Any]:
    return {
        "figure.constrained_layout.h_pad": 0.09,
        "figure.constrained_layout.w_pad": 0.09,
        "figure.facecolor": chosen.surface,
        "savefig.facecolor": chosen.surface,
        "axes.facecolor": chosen.surface,
        "text.color": chosen.ink,
        "axes.edgecolor": chosen.rule,
        "axes.labelcolor": chosen.soft,
        "axes.titlecolor": chosen.ink,
        "xtick.color": chosen.rule,
        "ytick.color": chosen.rule,
        "xtick.labelcolor": chosen.soft,
        "ytick.labelcolor": chosen.soft,
        "grid.color": chosen.rule,
        "grid.linewidth": 0.7,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.linewidth": 0.9,
        "axes.xmargin": 0.0,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 9,
        "axes.labelsize": 9,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "ytick.major.size": 0,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "font.size": 9,
        "font.family": ["DejaVu Sans"],
        "svg.fonttype": "none",
        "svg.hashsalt": "wayfare",
        "path.simplify_threshold": 0.2,
    }


def _svg(drawn: Any) -> bytes:
    out = io.StringIO()
    drawn.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return re.sub(r"'DejaVu Sans'(, sans-serif)?", READERS_SANS, out.getvalue()).encode()


def _png(drawn: Any) -> bytes:
    out = io.BytesIO()
    drawn.savefig(out, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return out.getvalue()


def _forget(drawn: Any) -> None:
    """Close a figure that was opened through pyplot, which would keep it for ever."""
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(drawn)


def _matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtra("drawing figures", "lab") from error
    return matplotlib
