"""A curve or two, in the terminal and as an SVG of our own: to see a memory learn takes no plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from wayfare.errors import BadValue
from wayfare.report.palette import LIGHT

__all__ = ["Curve", "drawn", "svg"]

COLOURS = (LIGHT.soft, *LIGHT.spare)
MARKS = "●○▲△"


@dataclass(frozen=True)
class Curve:
    """A name, and points (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]

    def __post_init__(self) -> None:
        if not self.points or not all(math.isfinite(x) and math.isfinite(y) for x, y in self.points):
            raise BadValue("points", len(self.points), "finite pairs, one at least")


def drawn(
    curves: Sequence[Curve], low: float, high: float, *, x: str, y: str, width: int = 72, height: int = 14
) -> str:
    """The curves in characters, y from `low` to `high`; later curves lie above earlier ones."""
    right = max(point[0] for curve in curves for point in curve.points)
    grid = [[" "] * width for _ in range(height)]
    for curve, mark in zip(curves, MARKS, strict=False):
        for column in range(width):
            value = _at(curve, right * column / (width - 1))
            row = round((high - min(max(value, low), high)) / (high - low) * (height - 1))
            grid[row][column] = mark
    lines = []
    for row, cells in enumerate(grid):
        label = f"{high - (high - low) * row / (height - 1):5.2f}" if row % 3 == 0 or row == height - 1 else " " * 5
        lines.append(f"{label} ┤{''.join(cells).rstrip()}")
    lines.append(" " * 6 + "└" + "─" * width)
    lines.append(" " * 7 + "0" + f"{right:g} {x}".rjust(width - 1))
    key = "   ".join(f"{mark} {curve.name}" for curve, mark in zip(curves, MARKS, strict=False))
    return "\n".join([f"      {y}", *lines, " " * 7 + key])


def _at(curve: Curve, x: float) -> float:
    """Linear between points, constant beyond."""
    points = curve.points
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if x <= x1:
            return y0 if x1 == x0 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[-1][1]


def svg(curves: Sequence[Curve], low: float, high: float, *, title: str, x: str, y: str) -> str:
    """The same as an SVG document of 720 by 400 units; names stand at the right end of their curves."""
    right = max(point[0] for curve in curves for point in curve.points) or 1.0
    left, top, wide, tall = 60.0, 50.0, 500.0, 290.0

    def place(px: float, py: float) -> tuple[float, float]:
        return left + wide * px / right, top + tall * (high - min(max(py, low), high)) / (high - low)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 400" role="img" font-family="sans-serif" '
        'font-size="13" fill="#333">',
        f"<title>{escape(title)}</title>",
        '<rect width="720" height="400" fill="#fff"/>',
        f'<text x="{left:g}" y="28" font-size="16">{escape(title)}</text>',
    ]
    for i in range(6):
        value = low + (high - low) * i / 5
        _, at = place(0.0, value)
        parts.append(f'<line x1="{left:g}" x2="{left + wide:g}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8:g}" y="{at + 4:.1f}" text-anchor="end">{value:.1f}</text>')
    for i in range(5):
        at, _ = place(right * i / 4, low)
        parts.append(f'<text x="{at:.1f}" y="{top + tall + 20:g}" text-anchor="middle">{right * i / 4:g}</text>')
    parts.append(f'<text x="{left + wide / 2:g}" y="{top + tall + 44:g}" text-anchor="middle">{escape(x)}</text>')
    parts.append(
        f'<text transform="translate(18 {top + tall / 2:g}) rotate(-90)" text-anchor="middle">{escape(y)}</text>'
    )
    ends: list[float] = []
    for curve, colour in zip(curves, COLOURS, strict=False):
        path = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in curve.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        _, end = place(*curve.points[-1])
        while any(abs(end - other) < 15 for other in ends):
            end += 15
        ends.append(end)
        parts.append(f'<text x="{left + wide + 8:g}" y="{end + 4:.1f}" fill="{colour}">{escape(curve.name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
