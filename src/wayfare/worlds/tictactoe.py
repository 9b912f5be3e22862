"""Tic-Tac-Toe: positions as text, exact values, and opponents that err by a known share.

A position is nine characters from the top left, `X`, `O` or `.`; X begins, and whose turn it is follows from the count.
A move is a place 0 .. 8.

    value(position)         +1, 0, -1 for X under perfect play of both
    Opponent(errors=0.3)    plays perfectly, but a random legal move with chance `errors`

Source: common knowledge; exact values by exhausting the 5,478 positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from wayfare.draws import Stream
from wayfare.errors import BadValue

__all__ = ["EMPTY", "Opponent", "best_moves", "mover", "moves", "over", "play_move", "text", "value", "winner"]

EMPTY = "." * 9
LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))


def mover(position: str) -> str:
    """Whose turn it is. Raises: BadValue for what is no position."""
    ahead = position.count("X") - position.count("O")
    if len(position) != 9 or set(position) - set("XO.") or ahead not in (0, 1):
        raise BadValue("position", position, "nine of X, O and ., with as many X as O or one more")
    return "O" if ahead else "X"


def winner(position: str) -> str | None:
    """X or O where three stand in a line, else None."""
    for a, b, c in LINES:
        if position[a] != "." and position[a] == position[b] == position[c]:
            return position[a]
    return None


def over(position: str) -> bool:
    """Whether somebody has won, or the board is full."""
    return winner(position) is not None or "." not in position


def moves(position: str) -> tuple[int, ...]:
    """Empty places; none where it is over."""
    return () if over(position) else tuple(place for place, mark in enumerate(position) if mark == ".")


def play_move(position: str, move: int) -> str:
    """The position after the mover's move. Raises: BadValue for a place that is taken or not there, or a game over."""
    turn = mover(position)
    if move not in moves(position):
        raise BadValue("move", move, f"one of the empty places {moves(position)}")
    return position[:move] + turn + position[move + 1 :]


@lru_cache(maxsize=1 << 13)
def value(position: str) -> int:
    """+1 where X wins under perfect play of both, -1 where O does, 0 for a draw."""
    won = winner(position)
    if won is not None:
        return 1 if won == "X" else -1
    if over(position):
        return 0
    pick = max if mover(position) == "X" else min
    return pick(value(play_move(position, move)) for move in moves(position))


def best_moves(position: str) -> tuple[int, ...]:
    """All moves that keep the exact value."""
    return tuple(move for move in moves(position) if value(play_move(position, move)) == value(position))


def text(position: str) -> str:
    """The board in three lines, empty places by their number."""
    marks = [mark if mark != "." else str(place) for place, mark in enumerate(position)]
    return "\n".join(" ".join(marks[row : row + 3]) for row in (0, 3, 6))


@dataclass(frozen=True)
class Opponent:
    """errors: chance of a random legal move; else one of the best. Raises: BadValue for errors outside of [0, 1]."""

    errors: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.errors <= 1:
            raise BadValue("errors", self.errors, "between 0 and 1")

    def move(self, position: str, game: int = 0) -> int:
        """The move in this position of this game: the same each time it is asked. Raises: BadValue where it is over."""
        if over(position):
            raise BadValue("position", position, "not over")
        stream, turn = Stream(self.seed, "opponent"), 9 - position.count(".")
        errs = float(stream.uniform(game, turn)) < self.errors
        among = moves(position) if errs else best_moves(position)
        return among[int(stream.integers(len(among), game, turn, 1))]
