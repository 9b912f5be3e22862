"""BlocksWorld: arrangements counted, moves undone, optima by hand."""

from __future__ import annotations

import pytest

from wayfare.errors import BadValue
from wayfare.worlds.blocks import TABLE, BlocksWorld


@pytest.mark.parametrize(("blocks", "arrangements"), [(2, 3), (3, 13), (4, 73), (5, 501)])
def test_all_arrangements_are_found(blocks: int, arrangements: int) -> None:
    world = BlocksWorld(blocks)
    flat = world.state([[block] for block in world.blocks])
    assert len(world.distances(flat)) == arrangements


def test_moves_can_be_undone_and_distances_fall_by_one() -> None:
    world = BlocksWorld(4)
    state, goal = world.problem(seed=5)
    away = world.distances(goal)
    for at in away:
        after = [world.move(at, move) for move in world.moves(at)]
        assert at not in after and len(set(after)) == len(after)
        assert all(at in [world.move(one, move) for move in world.moves(one)] for one in after)
        assert away[at] == (0 if at == goal else 1 + min(away[one] for one in after))
    assert world.distance(state, goal) >= 2


def test_a_reversed_stack_by_hand() -> None:
    """Three of four blocks go to the table or onto each other in turn: red under blue under orange, reversed."""
    world = BlocksWorld(3)
    up, down = world.state([["red", "blue", "orange"]]), world.state([["orange", "blue", "red"]])
    assert world.distance(up, down) == 3 and world.distance(up, up) == 0
    assert world.below(up).tolist() == [-1, 0, 1] and world.matched(up, down) == 0.0
    assert world.text(up).startswith("The red block is on the table. The blue block is on the red block.")
    assert world.moves(up) == (("orange", TABLE),)
    assert world.move_text(("orange", TABLE)) == "move the orange block to the table"
    assert world.move_text(("red", "blue")) == "move the red block onto the blue block"


def test_illegal_moves_and_arrangements_are_refused() -> None:
    world = BlocksWorld(3)
    up = world.state([["red", "blue", "orange"]])
    for move in (("red", TABLE), ("orange", "blue"), ("orange", "orange"), ("green", TABLE)):
        with pytest.raises(BadValue, match="move"):
            world.move(up, move)
    for stacks in ([["red"]], [["red", "blue"], ["red", "orange"]]):
        with pytest.raises(BadValue, match="stacks"):
            world.state(stacks)
    with pytest.raises(BadValue, match="blocks"):
        BlocksWorld(7)
    with pytest.raises(BadValue, match="least"):
        world.problem(0, least=9)


def test_problems_are_the_same_by_seed() -> None:
    world = BlocksWorld(6)
    assert world.problem(1) == world.problem(1) and world.problem(1) != world.problem(2)
