"""Game of 24, BlocksWorld and Tic-Tac-Toe as a language model meets them: rules, positions and moves as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from wayfare.worlds import tictactoe
from wayfare.worlds.blocks import TABLE, BlocksWorld, Move, Stacks
from wayfare.worlds.game24 import TARGET, State, line, moves, play_move, puzzles, start

__all__ = ["GAMES", "Blocks", "Noughts", "Numbers"]


class Numbers:
    """Game of 24. One act is one move; an exact solver's objection ends the attempt, as in the published feedback."""

    name = "game of 24"
    limit = 3
    rules = (
        "Game of 24: join two of the numbers by + - * or / again and again, so that the last one is 24. Each number is "
        "used once."
    )

    def __init__(self, tasks: int, seed: int = 0) -> None:
        self.puzzles = puzzles(tasks, seed)

    def begin(self, task: int) -> State:
        """The four numbers."""
        return start(self.puzzles[task % len(self.puzzles)])

    def text(self, state: State) -> str:
        """numbers: 4 6 8/3"""
        return "numbers: " + " ".join(map(str, state))

    def read(self, text: str) -> State | None:
        """See `TextGame.read`."""
        found = re.findall(r"-?\d+(?:/[1-9]\d*)?", text.strip().partition("\n")[0])
        return tuple(sorted(Fraction(x) for x in found)) if 1 <= len(found) <= 4 else None

    def legal(self, state: State) -> Sequence[str]:
        """Every move."""
        return moves(state) if 1 < len(state) <= 4 else ()

    def step(self, state: State, move: str) -> tuple[State, float, bool]:
        """1 for 24; over where 24 is out of reach."""
        after = play_move(state, move)
        won = len(after) == 1 and after[0] == TARGET
        return after, float(won), won or line(after) is None

    def reflection(self, state: State) -> str:
        """What the solver says."""
        return f"From {self.text(state)} 24 could not be reached."


class Blocks:
    """BlocksWorld of four blocks; the goal is part of the state."""

    name = "blocksworld"
    limit = 12
    rules = (
        "Blocks stand in stacks on a table. One block at a time may be moved, only if nothing stands on it, to the "
        "table or onto another block on which nothing stands. Reach the goal in few moves."
    )

    def __init__(self, tasks: int, seed: int = 0) -> None:
        self.world = BlocksWorld(4)
        self.problems = [self.world.problem(seed * 1000 + task) for task in range(tasks)]

    def begin(self, task: int) -> tuple[Stacks, Stacks]:
        """(state, goal)"""
        return self.problems[task % len(self.problems)]

    def text(self, state: tuple[Stacks, Stacks]) -> str:
        """Where the blocks are, and where they should be."""
        return f"{self.world.text(state[0])}\nGoal: {self.world.text(state[1])}"

    def read(self, text: str) -> tuple[Stacks, Stacks] | None:
        """See `TextGame.read`."""
        now, _, goal = text.partition("Goal:")
        found = [self._stacks(part) for part in (now, goal)]
        return None if found[0] is None or found[1] is None else (found[0], found[1])

    def legal(self, state: tuple[Stacks, Stacks]) -> Sequence[str]:
        """Every move, as text."""
        return [self.world.move_text(move) for move in self.world.moves(state[0])]

    def step(self, state: tuple[Stacks, Stacks], move: str) -> tuple[tuple[Stacks, Stacks], float, bool]:
        """1 at the goal."""
        known: dict[str, Move] = {self.world.move_text(m): m for m in self.world.moves(state[0])}
        after = self.world.move(state[0], known.get(move, ("?", move)))
        return (after, state[1]), float(after == state[1]), after == state[1]

    def reflection(self, state: tuple[Stacks, Stacks]) -> str:
        """How far it was from the goal."""
        left = self.world.distance(*state)
        return f"The attempt ended {left} moves away from the goal: {self.text(state)}"

    def _stacks(self, text: str) -> Stacks | None:
        facts = re.findall(r"The (\w+) block is on the (\w+)", text)
        below = dict(facts)
        if len(facts) != len(below) or sorted(below) != sorted(self.world.blocks):
            return None
        stacks = [[block] for block, under in facts if under == TABLE]
        for _ in self.world.blocks:
            for stack in stacks:
                on = [block for block, under in facts if under == stack[-1]]
                stack.extend(on[:1])
        if sorted(block for stack in stacks for block in stack) != sorted(self.world.blocks):
            return None
        return self.world.state(stacks)


class Noughts:
    """Tic-Tac-Toe as X against an opponent that errs in 3 moves of 10; its reply is part of what a move leads to."""

    name = "tic-tac-toe"
    limit = 5
    rules = "Tic-Tac-Toe: you are X and want three in a line. Places without a mark are shown by their number, 0 to 8."

    def __init__(self, tasks: int, seed: int = 0) -> None:
        self.opponent, self._game = tictactoe.Opponent(0.3, seed), 0

    def begin(self, task: int) -> str:
        """The empty board."""
        self._game = task
        return tictactoe.EMPTY

    def text(self, state: str) -> str:
        """Three lines."""
        return tictactoe.text(state)

    def read(self, text: str) -> str | None:
        """See `TextGame.read`."""
        marks = re.findall(r"(?<!\S)[XO0-8](?!\S)", text)[:9]
        board = "".join(mark if mark in "XO" else "." for mark in marks)
        return board if len(board) == 9 and 0 <= board.count("X") - board.count("O") <= 1 else None

    def legal(self, state: str) -> Sequence[str]:
        """Empty places."""
        return [f"place {place}" for place in tictactoe.moves(state)]

    def step(self, state: str, move: str) -> tuple[str, float, bool]:
        """1 for a win, 0.5 for a draw, after the opponent's reply."""
        after = tictactoe.play_move(state, int(move.removeprefix("place ")))
        if not tictactoe.over(after):
            after = tictactoe.play_move(after, self.opponent.move(after, self._game))
        won = tictactoe.winner(after)
        over = tictactoe.over(after)
        return after, 1.0 if won == "X" else 0.5 if over and won is None else 0.0, over

    def reflection(self, state: str) -> str:
        """How it ended."""
        return f"This game was not won:\n{self.text(state)}"


GAMES = {"numbers": Numbers, "blocks": Blocks, "noughts": Noughts}
