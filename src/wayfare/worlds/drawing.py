"""Frames of the worlds as RGB arrays, drawn with filled rectangles: no plotting library is needed to watch an agent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["bandit_frame", "gridworld_frame"]

Frame = NDArray[np.uint8]
Colour = tuple[int, int, int]

PAPER, INK, LINE, FAINT = (250, 250, 247), (40, 44, 52), (214, 216, 222), (232, 234, 240)
TRAIL, AGENT, GOAL, EXIT, WALL = (176, 199, 238), (11, 61, 163), (18, 129, 124), (214, 150, 60), (70, 74, 84)
GOOD, BAD = (18, 129, 124), (179, 84, 30)

CELL = 40
BAR, HALF, TICK = 44, 72, 6


def gridworld_frame(
    walls: NDArray[np.bool_], start: int, goal: int, way_out: int | None, walk: Sequence[int], episode: int, length: int
) -> Frame:
    """The grid with its walls, exit and goal, the walk so far from pale to full colour, and the block's episodes as a strip below.

    walls: [size, size]    cells are numbered by rows    walk: cells from the start on    returns: [H, W, 3]
    """
    size = len(walls)
    frame = np.full((size * CELL + 1 + 14, size * CELL + 1, 3), PAPER, dtype=np.uint8)

    def fill(cell: int, colour: Colour, inset: int = 1) -> None:
        row, column = divmod(cell, size)
        top, left = row * CELL, column * CELL
        frame[top + inset : top + CELL + 1 - inset, left + inset : left + CELL + 1 - inset] = colour

    for cell in np.flatnonzero(walls.ravel()):
        fill(int(cell), WALL)
    fill(start, FAINT)
    for cell in walk:
        fill(cell, TRAIL)
    if way_out is not None:
        fill(way_out, EXIT, 6)
    fill(goal, GOAL, 6)
    for before, after in zip(walk, walk[1:], strict=False):
        _path(frame, size, before, after)
    fill(walk[-1], AGENT, 13)
    frame[: size * CELL + 1 : CELL] = LINE
    frame[: size * CELL + 1, ::CELL] = LINE
    _strip(frame, size * CELL + 6, episode + 1, length)
    return frame


def _path(frame: Frame, size: int, before: int, after: int) -> None:
    """A thick line from the middle of one cell to that of its neighbour."""
    (row, column), (down, right) = divmod(before, size), divmod(after, size)
    top, bottom = sorted((row * CELL + CELL // 2, down * CELL + CELL // 2))
    left, end = sorted((column * CELL + CELL // 2, right * CELL + CELL // 2))
    frame[top - 2 : bottom + 3, left - 2 : end + 3] = AGENT


def _strip(frame: Frame, top: int, done: int, whole: int) -> None:
    """A segment an episode of the block, those begun in colour."""
    width = frame.shape[1]
    edges = np.linspace(0, width, whole + 1).astype(int)
    for i in range(whole):
        frame[top : top + TICK, edges[i] + 1 : max(edges[i + 1] - 1, edges[i] + 2)] = AGENT if i < done else FAINT


def bandit_frame(means: Sequence[float], pulls: Sequence[tuple[int, float]], length: int, bound: float) -> Frame:
    """True means as bars around a zero line, the mean of what each arm paid as a tick, and the block's pulls as a strip below.

    pulls: (arm, reward) of the block so far    bound: the largest value that fits    returns: [H, W, 3]
    """
    frame = np.full((2 * HALF + 1 + 14, BAR * len(means), 3), PAPER, dtype=np.uint8)

    def height(value: float) -> int:
        return HALF - round(float(np.clip(value / bound, -1, 1)) * (HALF - 4))

    for arm, mean in enumerate(means):
        top, bottom = sorted((HALF, height(mean)))
        frame[top : bottom + 1, arm * BAR + 8 : (arm + 1) * BAR - 8] = TRAIL
        paid = [reward for pulled, reward in pulls if pulled == arm]
        if paid:
            level = height(sum(paid) / len(paid))
            frame[max(level - 1, 0) : level + 2, arm * BAR + 4 : (arm + 1) * BAR - 4] = AGENT
    frame[HALF] = INK
    if pulls:
        arm, reward = pulls[-1]
        frame[2 * HALF - 6 : 2 * HALF, arm * BAR + 8 : (arm + 1) * BAR - 8] = GOOD if reward > 0 else BAD
    _strip(frame, 2 * HALF + 6, len(pulls), length)
    return frame
