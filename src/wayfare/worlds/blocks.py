"""BlocksWorld: blocks in stacks on a table, one block moved at a time, a goal arrangement; optima by search.

A state is a tuple of stacks, each a tuple of blocks from the bottom, stacks in alphabetical order of their bottoms, so
that equal arrangements are equal. A move is (block, onto), `onto` another block or "table"; only a block with nothing
on it moves, and only onto such a block or the table.

    world = BlocksWorld(5)
    state, goal = world.problem(seed=3)
    world.distance(state, goal)         exactly, by breadth-first search over all arrangements
    world.text(state)                   "The red block is on the table. The blue block is on the red block. ..."
    world.below(state)                  [n] int64: which block each stands on, -1 for the table

4, 5 and 6 blocks have 73, 501 and 4,051 arrangements. Source: Gupta & Nau 1992; text after the planning benchmarks of
Valmeekam et al. 2023 (arXiv 2305.15771), wording ours.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue

__all__ = ["TABLE", "BlocksWorld", "Move", "Stacks"]

Stacks = tuple[tuple[str, ...], ...]
Move = tuple[str, str]
TABLE = "table"
COLOURS = ("red", "blue", "orange", "yellow", "green", "purple")


class BlocksWorld:
    """All arrangements of `blocks` blocks. Raises: BadValue unless there are 2 to 6."""

    def __init__(self, blocks: int = 4) -> None:
        if not 2 <= blocks <= len(COLOURS):
            raise BadValue("blocks", blocks, f"between 2 and {len(COLOURS)}")
        self.blocks = COLOURS[:blocks]

    def state(self, stacks: Stacks | list[list[str]]) -> Stacks:
        """The arrangement in its one form. Raises: BadValue unless each block stands in it once."""
        found = tuple(sorted(tuple(stack) for stack in stacks if stack))
        if sorted(block for stack in found for block in stack) != sorted(self.blocks):
            raise BadValue("stacks", stacks, f"each of {', '.join(self.blocks)} once")
        return found

    def moves(self, state: Stacks) -> tuple[Move, ...]:
        """Every legal move: of each top onto each other top, or down to the table."""
        tops = [stack[-1] for stack in state]
        found = [(top, other) for top in tops for other in tops if other != top]
        return tuple(found + [(stack[-1], TABLE) for stack in state if len(stack) > 1])

    def move(self, state: Stacks, move: Move) -> Stacks:
        """The arrangement afterwards. Raises: BadValue for a move that is not legal."""
        if move not in self.moves(state):
            raise BadValue("move", move, "of a block with nothing on it, onto another such block or the table")
        block, onto = move
        stacks = [stack[:-1] if stack[-1] == block else stack for stack in state]
        if onto == TABLE:
            stacks.append((block,))
        else:
            stacks = [(*stack, block) if stack and stack[-1] == onto else stack for stack in stacks]
        return tuple(sorted(stack for stack in stacks if stack))

    def distances(self, goal: Stacks) -> dict[Stacks, int]:
        """Fewest moves to the goal from every arrangement (moves can be undone)."""
        return _distances(self.blocks, goal)

    def distance(self, state: Stacks, goal: Stacks) -> int:
        """Fewest moves from `state` to `goal`, exactly."""
        return self.distances(goal)[state]

    def problem(self, seed: int, *, least: int = 2) -> tuple[Stacks, Stacks]:
        """(state, goal), at least `least` moves apart. Raises: BadValue where no arrangements are."""
        stream = Stream(seed, "blocks")
        everything = sorted(self.distances(self.state([[block] for block in self.blocks])))
        goal = everything[int(stream.integers(len(everything), 0))]
        far = [state for state in everything if self.distance(state, goal) >= least]
        if not far:
            raise BadValue("least", least, f"at most {max(self.distances(goal).values())} moves for this goal")
        return far[int(stream.integers(len(far), 1))], goal

    def facts(self, state: Stacks) -> frozenset[tuple[str, str]]:
        """(block, what it stands on) of every block."""
        return frozenset(
            (block, below) for stack in state for block, below in zip(stack, (TABLE, *stack), strict=False)
        )

    def matched(self, state: Stacks, goal: Stacks) -> float:
        """Share of the goal's facts that hold."""
        return len(self.facts(state) & self.facts(goal)) / len(self.blocks)

    def below(self, state: Stacks) -> NDArray[np.int64]:
        """[n] index of the block that each block stands on, -1 for the table."""
        at = {block: i for i, block in enumerate(self.blocks)} | {TABLE: -1}
        facts = dict(self.facts(state))
        return np.array([at[facts[block]] for block in self.blocks], dtype=np.int64)

    def text(self, state: Stacks) -> str:
        """One sentence a block, stack by stack from the bottom."""
        told = []
        for stack in state:
            for block, below in zip(stack, (TABLE, *stack), strict=False):
                told.append(f"The {block} block is on the {below if below == TABLE else below + ' block'}.")
        return " ".join(told)

    def move_text(self, move: Move) -> str:
        """`move the red block onto the blue block` or `move the red block to the table`."""
        block, onto = move
        return f"move the {block} block " + ("to the table" if onto == TABLE else f"onto the {onto} block")


@lru_cache(maxsize=64)
def _distances(blocks: tuple[str, ...], goal: Stacks) -> dict[Stacks, int]:
    world = BlocksWorld(len(blocks))
    away, waiting = {world.state(goal): 0}, deque([world.state(goal)])
    while waiting:
        state = waiting.popleft()
        for move in world.moves(state):
            after = world.move(state, move)
            if after not in away:
                away[after] = away[state] + 1
                waiting.append(after)
    return away
