"""Frames of the worlds, drawn into NumPy arrays without a plotting library.

A shape is a signed distance: negative inside, in pixels. It is blended in with opacity clip(1/2 - distance), which
smooths its edge.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Canvas", "bandit_frame", "gridworld_frame"]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Colour = tuple[int, int, int]

PAPER, GROUND, LINE, INK, FAINT = (250, 248, 244), (255, 255, 255), (222, 217, 208), (47, 52, 64), (176, 178, 184)
WALL, GOAL, EXIT, AGENT = (84, 90, 104), (230, 159, 0), (0, 136, 106), (0, 98, 168)
ARMS = ((0, 98, 168), (200, 90, 10), (0, 136, 106), (168, 62, 132), (110, 110, 40), (70, 140, 200))


class Canvas:
    """height x width pixels; x runs right and y down, both in pixels."""

    def __init__(self, height: int, width: int, colour: Colour = PAPER) -> None:
        self._y, self._x = np.mgrid[0:height, 0:width] + 0.5
        self._image = np.empty((height, width, 3))
        self._image[:] = colour

    def pixels(self) -> Pixels:
        """[H, W, 3], a copy."""
        return np.asarray(np.rint(self._image), dtype=np.uint8)

    def box(
        self, x: float, y: float, width: float, height: float, colour: Colour, corner: float = 0.0, opacity: float = 1.0
    ) -> None:
        """A rectangle with its upper left corner at (x, y), rounded by `corner`."""
        near = self._near(x, y, x + width, y + height)
        across = np.abs(self._x[near] - x - width / 2) - width / 2 + corner
        down = np.abs(self._y[near] - y - height / 2) - height / 2 + corner
        outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
        self._blend(near, outside + np.minimum(np.maximum(across, down), 0) - corner, colour, opacity)

    def disc(self, x: float, y: float, radius: float, colour: Colour, opacity: float = 1.0) -> None:
        """A filled circle."""
        near = self._near(x - radius, y - radius, x + radius, y + radius)
        self._blend(near, np.hypot(self._x[near] - x, self._y[near] - y) - radius, colour, opacity)

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour, opacity: float = 1.0) -> None:
        """A circle's line."""
        reach = radius + width / 2
        near = self._near(x - reach, y - reach, x + reach, y + reach)
        self._blend(near, np.abs(np.hypot(self._x[near] - x, self._y[near] - y) - radius) - width / 2, colour, opacity)

    def line(
        self, x0: float, y0: float, x1: float, y1: float, width: float, colour: Colour, opacity: float = 1.0
    ) -> None:
        """A straight line with round ends."""
        dx, dy, side = x1 - x0, y1 - y0, width / 2
        near = self._near(min(x0, x1) - side, min(y0, y1) - side, max(x0, x1) + side, max(y0, y1) + side)
        px, py = self._x[near] - x0, self._y[near] - y0
        along = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-9), 0.0, 1.0)
        self._blend(near, np.hypot(px - along * dx, py - along * dy) - side, colour, opacity)

    def star(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A star of five points: the distance to the line between a tip and a notch, folded five times."""
        near = self._near(x - radius, y - radius, x + radius, y + radius)
        angle = np.arctan2(self._x[near] - x, y - self._y[near])
        folded = np.abs((angle + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
        reach = np.hypot(self._x[near] - x, self._y[near] - y)
        px, py = reach * np.sin(folded), reach * np.cos(folded)
        notch = 0.45 * radius
        nx, ny = notch * np.sin(np.pi / 5), notch * np.cos(np.pi / 5)
        ex, ey = nx, ny - radius
        self._blend(near, (px * -ey + (py - radius) * ex) / np.hypot(ex, ey), colour, 1.0)

    def _near(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
        """The rows and columns that a shape between these can touch; what is further off is not covered at all."""
        return _span(top, bottom), _span(left, right)

    def _blend(self, near: tuple[slice, slice], distance: Floats, colour: Colour, opacity: float) -> None:
        cover = (np.clip(0.5 - distance, 0.0, 1.0) * opacity)[..., None]
        self._image[near] = self._image[near] * (1.0 - cover) + np.asarray(colour, dtype=np.float64) * cover


def _span(first: float, last: float) -> slice:
    return slice(max(math.floor(first) - 1, 0), max(math.ceil(last) + 1, 0))


def gridworld_frame(
    walls: NDArray[np.bool_],
    start: int,
    goal: int,
    exit_cell: int | None,
    walk: Sequence[int],
    episode: int,
    episodes: int,
    cell: int = 48,
) -> Pixels:
    """A grid and a walk in it: a star is the goal, a door the exit, a ring the start, dark cells are walls.

    walls: [size, size]    start, goal, exit_cell: cells    walk: cells, the agent is at the last of them
    episode, episodes: marks above the grid tell which of the block's episodes this is    cell: pixels of a cell's side
    """
    size, margin, head = len(walls), cell // 4, cell // 2
    canvas = Canvas(size * cell + 2 * margin + head, size * cell + 2 * margin)

    def middle(at: int) -> tuple[float, float]:
        return margin + (at % size + 0.5) * cell, head + margin + (at // size + 0.5) * cell

    _marks(canvas, margin, margin + head / 4, size * cell, episode, episodes)
    canvas.box(margin - 2, head + margin - 2, size * cell + 4, size * cell + 4, LINE, 6)
    for at in range(size * size):
        x, y = middle(at)
        colour = WALL if walls.reshape(-1)[at] else GROUND
        canvas.box(x - cell / 2 + 1, y - cell / 2 + 1, cell - 2, cell - 2, colour, 4)
    x, y = middle(start)
    canvas.ring(x, y, cell * 0.3, 2.0, FAINT)
    if exit_cell is not None:
        x, y = middle(exit_cell)
        canvas.box(x - cell * 0.2, y - cell * 0.3, cell * 0.4, cell * 0.6, EXIT, 3)
        canvas.disc(x + cell * 0.11, y + cell * 0.02, cell * 0.045, GROUND)
    canvas.star(*middle(goal), cell * 0.38, GOAL)
    for t, (a, b) in enumerate(itertools.pairwise(walk)):
        canvas.line(*middle(a), *middle(b), cell * 0.1, AGENT, 0.25 + 0.45 * (t + 1) / (len(walk) - 1))
    x, y = middle(walk[-1])
    canvas.disc(x, y, cell * 0.2, GROUND)
    canvas.disc(x, y, cell * 0.17, AGENT)
    return canvas.pixels()


def bandit_frame(
    means: Sequence[float],
    pulls: Sequence[tuple[int, float]],
    episodes: int,
    bound: float,
    height: int = 260,
    arm: int = 72,
) -> Pixels:
    """Arms side by side: a bar is the true mean, a dot a reward drawn (the last one ringed), a dash the mean of what
    was drawn.

    means: of the arms    pulls: (arm, reward) of the block so far    episodes: of the block; marks above count the
        pulls
    bound: of rewards, for the scale    height: pixels    arm: pixels an arm
    """
    margin, head, foot = 16, 28, 22
    width = max(arm * len(means), 3 * arm)
    canvas = Canvas(height, width + 2 * margin)
    _marks(canvas, margin, head / 2, width, len(pulls) - 1, episodes)
    values = [*means, *(reward for _, reward in pulls), 0.0]
    low, high = min(values), max(values)
    high = max(high, low + 0.25 * bound)
    scale = (height - head - foot - margin) / (high - low)

    def level(value: float) -> float:
        return height - foot - (value - low) * scale

    zero, step = level(0.0), width / len(means)
    canvas.box(margin, head, width, height - head - foot + 8, GROUND, 6)
    canvas.line(margin + 4, zero, margin + width - 4, zero, 1.2, LINE)
    for k, mean in enumerate(means):
        x, colour = margin + (k + 0.5) * step, ARMS[k % len(ARMS)]
        top, bottom = sorted((level(mean), zero))
        canvas.box(
            x - 0.28 * step, top, 0.56 * step, max(bottom - top, 1.5), colour, min(3.0, (bottom - top) / 2), 0.28
        )
        drawn = [reward for a, reward in pulls if a == k]
        for i, reward in enumerate(drawn):
            spread = 0.18 * step * np.sin(2.4 * i)  # side by side, so that equal rewards can be counted
            canvas.disc(x + spread, level(reward), 3.0, colour, 0.7)
        if drawn:
            y = level(sum(drawn) / len(drawn))
            canvas.line(x - 0.3 * step, y, x + 0.3 * step, y, 2.2, INK)
        canvas.disc(x, height - foot / 2, 4.0, colour, 1.0 if pulls and pulls[-1][0] == k else 0.25)
    if pulls:
        k, reward = pulls[-1]
        i = sum(a == k for a, _ in pulls) - 1
        canvas.ring(margin + (k + 0.5) * step + 0.18 * step * np.sin(2.4 * i), level(reward), 5.5, 1.6, INK)
    return canvas.pixels()


def _marks(canvas: Canvas, x: float, y: float, width: float, now: int, of: int) -> None:
    """`of` dots in a row, those up to `now` filled; many become a bar."""
    if of * 9 > width:
        canvas.box(x, y - 2, width, 4, LINE, 2)
        canvas.box(x, y - 2, max(4.0, width * (now + 1) / of), 4, INK, 2)
        return
    for i in range(of):
        canvas.disc(x + 4 + 9 * i, y, 3.0, INK if i <= now else LINE)
