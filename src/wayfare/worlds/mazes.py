"""Random mazes, each with one hidden goal: many side by side, as tables, and as text.

A maze is a random spanning tree of the grid's passages (weights drawn, Prim's algorithm, so that every cell can be
reached), and each of the other passages is open with chance `loops`. Start and goal are drawn, at least `apart` steps
from each other. A move against a wall leaves one where one is; entering the goal pays 1.

    mazes = Mazes.draw(seeds, size=5)
    reached, reward = mazes.move(cell, action)
    print(mazes.text(0, cell=mazes.start[0]))

Source: Prim 1957; sizes ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds.paths import MOVES, move_table

__all__ = ["WAYS", "Mazes"]

WAYS = ("up", "right", "down", "left")


@dataclass(frozen=True)
class Mazes:
    """N mazes of size x size cells.

    next_cell: [N, cells, 4] int64        start, goal: [N] int64        away: [N, cells] int64 fewest steps to the goal
    """

    size: int
    next_cell: Tensor
    start: Tensor
    goal: Tensor
    away: Tensor

    @classmethod
    def draw(cls, seeds: Tensor, size: int = 5, *, loops: float = 0.15, apart: int = 4) -> Mazes:
        """A maze for each seed [N]: it depends on its own seed alone.

        Raises: BadValue for a size below 3, a chance out of range, or a distance that not every start allows.
        """
        if size < 3:
            raise BadValue("size", size, "at least 3")
        if not 0 <= loops <= 1:
            raise BadValue("loops", loops, "between 0 and 1")
        if not 1 <= apart <= size - 1:
            raise BadValue("apart", apart, f"between 1 and {size - 1}")
        n, cells = len(seeds), size * size
        free = move_table(size)
        pairs = [(c, way, int(free[c, way])) for c in range(cells) for way in (1, 2) if int(free[c, way]) != c]
        here, way, there = torch.tensor(pairs).t()
        lanes = torch.arange(2 * len(pairs) + 2)
        u = Stream(seeds.unsqueeze(1), "maze").uniform(torch.zeros(n, 1, dtype=torch.int64), 0, lanes)
        weight, extra = u[:, : len(pairs)], u[:, len(pairs) : 2 * len(pairs)]
        inside = torch.zeros(n, cells, dtype=torch.bool)
        inside[:, 0] = True
        rows, opened = torch.arange(n), extra < loops
        for _ in range(cells - 1):
            crossing = inside[:, here] ^ inside[:, there]
            best = torch.where(crossing, weight, 2.0).argmin(dim=1)
            opened[rows, best] = True
            inside[rows, here[best]] = True
            inside[rows, there[best]] = True
        next_cell = torch.arange(cells).view(1, -1, 1).expand(n, -1, 4).clone()
        next_cell[:, here, way] = torch.where(opened, there, here)
        next_cell[:, there, (way + 2) % 4] = torch.where(opened, here, there)
        start = (u[:, -2] * cells).long()
        far = _away(next_cell, start) >= apart  # moves can be undone: steps from are steps to
        rank = far.cumsum(dim=1)
        wanted = (u[:, -1] * rank[:, -1]).long() + 1
        goal = ((rank == wanted.unsqueeze(1)) & far).double().argmax(dim=1)
        return cls(size, next_cell, start, goal, _away(next_cell, goal))

    def move(self, cell: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Where a move of each maze leads [N], and its reward [N] (float32)."""
        reached = self.next_cell[torch.arange(len(cell)), cell, action]
        return reached, (reached == self.goal).float()

    def text(self, maze: int, cell: int | None = None, *, goal: bool = True) -> str:
        """The maze as lines of characters: S start, G goal, @ where one is, + - | walls.

        goal: whether the goal is shown
        """
        size, moves = self.size, self.next_cell[maze]
        lines = ["+" + "--+" * size]
        for row in range(size):
            middle, below = "|", "+"
            for column in range(size):
                c = row * size + column
                mark = "@" if c == cell else "G" if goal and c == int(self.goal[maze]) else ""
                mark = mark or ("S" if c == int(self.start[maze]) else " ")
                middle += mark + " " + ("|" if int(moves[c, 1]) == c else " ")
                below += ("--" if int(moves[c, 2]) == c else "  ") + "+"
            lines += [middle, below]
        return "\n".join(lines)


def _away(next_cell: Tensor, source: Tensor) -> Tensor:
    """[N, cells] fewest steps to the source [N]; the number of cells where no path leads."""
    n, cells, ways = next_cell.shape
    assert ways == len(MOVES)
    away = torch.full((n, cells), cells).scatter_(1, source.unsqueeze(1), 0)
    while True:
        nearer = away.gather(1, next_cell.view(n, -1)).view(n, cells, ways).amin(dim=2) + 1
        less = torch.minimum(away, nearer)
        if torch.equal(less, away):
            return away
        away = less
