"""Exact shortest paths in many small grids at once, by breadth-first waves that all grids advance together."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["MOVES", "move_table", "shortest_paths"]

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""Rows and columns of a move: up, right, down, left."""


def move_table(size: int) -> Tensor:
    """[cells, 4] int64: the cell that a move leads to; at the edge of the grid one stays."""
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    moved = [(row + up).clamp(0, size - 1) * size + (column + right).clamp(0, size - 1) for up, right in MOVES]
    return torch.stack(moved, dim=-1).view(size * size, 4)


def shortest_paths(free: Tensor, source: Tensor) -> Tensor:
    """Steps from a cell to every cell of each grid.

    free: [N, size, size] bool, where one may walk    source: [N] cells, walked from even where they are not free
    returns: [N, size, size] int64; size^2 where no path leads
    """
    copies, size, _ = free.shape
    never = size * size
    away = torch.full((copies, size + 2, size + 2), never, dtype=torch.int64, device=free.device)
    inside = away[:, 1:-1, 1:-1]
    rows = torch.arange(copies, device=free.device)
    inside[rows, source // size, source % size] = 0
    for _ in range(never):
        beside = torch.stack([away[:, 1 + up : 1 + up + size, 1 + right : 1 + right + size] for up, right in MOVES])
        reached = torch.where(free, torch.minimum(inside, beside.amin(dim=0) + 1), inside)
        if torch.equal(reached, inside):
            break
        inside.copy_(reached)
    return inside.clone()
