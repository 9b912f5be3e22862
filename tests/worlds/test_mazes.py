"""Mazes: connected, undoable, the same alone; distances against a plain search; the text shows what the tables say."""

from __future__ import annotations

from collections import deque

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.worlds.mazes import Mazes

MAZES = Mazes.draw(torch.arange(40))


def _search(moves: torch.Tensor, goal: int) -> list[int]:
    away, waiting = {goal: 0}, deque([goal])
    while waiting:
        cell = waiting.popleft()
        for before in range(len(moves)):
            if before not in away and cell in moves[before].tolist():
                away[before] = away[cell] + 1
                waiting.append(before)
    return [away[c] for c in range(len(moves))]


def test_every_cell_is_reached_and_distances_are_those_of_a_plain_search() -> None:
    for n in range(40):
        assert MAZES.away[n].tolist() == _search(MAZES.next_cell[n], int(MAZES.goal[n]))
        assert MAZES.away[n, MAZES.start[n]] >= 4


def test_moves_can_be_undone_and_there_are_loops_as_often_as_said() -> None:
    moved = 0
    for n in range(40):
        for cell in range(25):
            for way in range(4):
                there = int(MAZES.next_cell[n, cell, way])
                if there != cell:
                    moved += 1
                    assert MAZES.next_cell[n, there, (way + 2) % 4] == cell
    assert moved / 80 - 24 == pytest.approx(0.15 * 16, abs=0.7)
    assert int((Mazes.draw(torch.arange(9), loops=0.0).next_cell != torch.arange(25).view(1, -1, 1)).sum()) == 9 * 48


def test_a_maze_depends_on_its_seed_alone() -> None:
    alone = Mazes.draw(torch.tensor([17]))
    assert torch.equal(alone.next_cell[0], MAZES.next_cell[17]) and alone.goal[0] == MAZES.goal[17]


def test_goals_are_drawn_from_all_that_are_far_enough() -> None:
    """Each far cell equally often: the place of the goal among them, as a share, has mean 1/2."""
    mazes = Mazes.draw(torch.arange(2000))
    rows = torch.arange(2000)
    from_start = Mazes(5, mazes.next_cell, mazes.goal, mazes.start, _steps(mazes)).away
    far = from_start >= 4
    place = (far.cumsum(1)[rows, mazes.goal].double() - 0.5) / far.sum(1)
    assert far[rows, mazes.goal].all() and place.mean().item() == pytest.approx(0.5, abs=0.02)


def _steps(mazes: Mazes) -> torch.Tensor:
    """[N, cells] steps from the start, by waves."""
    away = torch.full(mazes.away.shape, 25).scatter_(1, mazes.start.unsqueeze(1), 0)
    for _ in range(25):
        away = torch.minimum(away, away.gather(1, mazes.next_cell.flatten(1)).view(*away.shape, 4).amin(2) + 1)
    return away


def test_the_text_shows_walls_start_goal_and_place() -> None:
    text = MAZES.text(3, cell=int(MAZES.next_cell[3, MAZES.start[3]].max()))
    lines = text.splitlines()
    assert len(lines) == 11 and all(len(line) == 16 for line in lines) and text.count("G") == 1
    assert MAZES.text(3, goal=False).count("G") == 0 and text.count("@") == 1
    for cell in range(25):
        row, column = divmod(cell, 5)
        walled = lines[2 * row + 1][3 * column + 3] == "|"
        assert walled == (int(MAZES.next_cell[3, cell, 1]) == cell)
        walled = lines[2 * row + 2][3 * column + 1] == "-"
        assert walled == (int(MAZES.next_cell[3, cell, 2]) == cell)


def test_entering_the_goal_pays() -> None:
    cell, paid = MAZES.start.clone(), torch.zeros(40)
    for _ in range(25):
        nearer = MAZES.away.gather(1, MAZES.next_cell[torch.arange(40), cell])
        cell, reward = MAZES.move(cell, nearer.argmin(dim=1))
        paid += reward
        cell = torch.where(reward > 0, MAZES.start, cell)
    assert (paid >= 1).all()


@pytest.mark.parametrize(("field", "value"), [("size", 2), ("loops", 1.5), ("apart", 5)])
def test_impossible_mazes_are_refused(field: str, value: float) -> None:
    with pytest.raises(BadValue) as refused:
        Mazes.draw(torch.arange(1), **{field: value})
    assert refused.value.field == field
