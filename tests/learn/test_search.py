"""Searches against slow enumeration of all lines, counted calls, and what becomes of answers that are none."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.learn.search import Roles, Tree, beam, breadth_first


@dataclass(frozen=True)
class View:
    id: int = 0


class Table:
    """A small deterministic world in all three roles: state -> action -> (state, reward, over)."""

    def __init__(self, moves: dict, leaves: dict) -> None:
        self.moves, self.leaves = moves, leaves
        self.proposals = None

    def propose(self, state, memory, n):
        return list(self.moves[state])[:n] if self.proposals is None else self.proposals

    def predict(self, state, action, memory):
        return self.moves[state][action]

    def value(self, state, memory):
        return self.leaves[state]


def _world(numbers: list[float], successors: list[int]) -> Table:
    moves = {
        s: {a: (successors[3 * s + a] % 4, numbers[3 * s + a], successors[3 * s + a] == 7) for a in range(3)}
        for s in range(4)
    }
    return Table(moves, {s: numbers[12 + s] for s in range(4)})


def _lines(world: Table, state: int, depth: int, discount: float) -> dict[tuple[int, ...], float]:
    """Every line of `depth` moves, or shorter where it is over."""
    values = {}
    for actions in itertools.product(range(3), repeat=depth):
        at, total, taken = state, 0.0, []
        for step, action in enumerate(actions):
            at, reward, over = world.moves[at][action]
            total += discount**step * reward
            taken.append(action)
            if over:
                break
        else:
            total += discount**depth * world.leaves[at]
        values[tuple(taken)] = total
    return values


WORLDS = st.builds(
    _world,
    st.lists(st.floats(0, 1), min_size=16, max_size=16),
    st.lists(st.integers(0, 7), min_size=12, max_size=12),
)


@given(WORLDS, st.integers(1, 4))
def test_breadth_first_is_the_best_of_all_lines_and_a_wide_beam_is_the_same(world: Table, depth: int) -> None:
    values = _lines(world, 0, depth, 0.9)
    best = max(values.values())
    for found in (
        breadth_first(Roles(world, world, world), 0, View(), depth=depth, breadth=3, discount=0.9),
        beam(Roles(world, world, world), 0, View(), depth=depth, breadth=3, width=200, discount=0.9),
    ):
        assert found.value == pytest.approx(best) and values[found.actions] == pytest.approx(best)
        at = 0
        for action, predicted in zip(found.actions, found.predicted, strict=True):
            assert predicted == world.moves[at][action]
            at = predicted[0]


@given(WORLDS)
def test_a_beam_of_one_takes_the_best_end_at_each_depth(world: Table) -> None:
    found = beam(Roles(world, world, world), 0, View(), depth=2, breadth=3, width=1)
    first = {a: r + (0.0 if over else world.leaves[s]) for a, (s, r, over) in world.moves[0].items()}
    assert first[found.actions[0]] == pytest.approx(max(first.values()))


def test_one_step_is_reactive_and_one_proposal_still_predicts() -> None:
    world = _world([0.1, 0.9, 0.2] + [0.0] * 13, [0] * 12)
    roles = Roles(world, world, world)
    assert breadth_first(roles, 0, View(), depth=1, breadth=3).actions == (1,)
    assert breadth_first(roles, 0, View(1), depth=2, breadth=1).actions == (0, 0) and roles.calls.model == 4


def test_a_state_met_again_costs_nothing_until_the_memory_changes() -> None:
    world = _world([0.5] * 16, [1, 1, 1] + [0] * 9)
    roles = Roles(world, world, world)
    breadth_first(roles, 0, View(3), depth=4, breadth=3)
    asked = roles.calls.asked
    assert (roles.calls.elite, roles.calls.model, roles.calls.critic) == (2, 6, 1)
    breadth_first(roles, 0, View(3), depth=4, breadth=3)
    assert roles.calls.asked == asked and roles.calls.cached > 0
    breadth_first(roles, 0, View(4), depth=4, breadth=3)
    assert roles.calls.asked == 2 * asked


def test_no_proposal_duplicates_and_illegal_moves_fall_back_on_legal_ones() -> None:
    world = _world([0.0] * 16, [0] * 12)
    roles = Roles(world, world, world, legal=lambda state: range(3), seed=4)
    world.proposals = [2, 2, 9, 2]
    assert roles.propose(0, View(0), 3) == [2] and roles.calls.fallbacks == 0
    for view, nothing in enumerate(([], [9], ["?"]), start=1):
        world.proposals = nothing
        assert set(roles.propose(0, View(view), 2)) < {0, 1, 2} and roles.calls.fallbacks == view
    again = Roles(world, world, world, legal=lambda state: range(3), seed=4)
    world.proposals = []
    first = Roles(world, world, world, legal=lambda state: range(3), seed=4).propose(0, View(), 3)
    assert again.propose(0, View(), 3) == first and sorted(first) == [0, 1, 2]


def test_an_unreadable_value_is_worth_its_siblings_mean_and_never_chosen_over_them() -> None:
    world = _world([0.0] * 16, [0, 1, 2] + [3] * 9)
    world.leaves = {0: 0.2, 1: None, 2: 0.8, 3: math.nan}
    roles = Roles(world, world, world)
    found = breadth_first(roles, 0, View(), depth=1, breadth=3)
    assert found.actions == (2,) and found.values == {0: 0.2, 1: None, 2: 0.8} and roles.calls.unknown == 1
    assert beam(Roles(world, world, world), 0, View(), depth=1, breadth=3, width=1).actions == (2,)
    lost = breadth_first(Roles(world, world, world), 1, View(), depth=1, breadth=3)
    assert lost.actions == (0,) and math.isnan(lost.value)


def test_a_state_without_moves_ends_the_plan() -> None:
    world = Table({0: {}}, {0: 0.4})
    for found in (
        breadth_first(Roles(world, world, world), 0, View(), depth=3, breadth=2),
        Tree(Roles(world, world, world), 0, depth=3, breadth=2).search(View(), 5),
    ):
        assert found.actions == () and found.value == pytest.approx(0.4)
    assert beam(Roles(world, world, world), 0, View(), depth=3, breadth=2, width=2).actions == ()


@given(WORLDS)
def test_many_simulations_find_the_best_first_move(world: Table) -> None:
    values: dict[int, float] = {}
    for line, value in _lines(world, 0, 2, 1.0).items():
        values[line[0]] = max(values.get(line[0], -1.0), value)
    found = Tree(Roles(world, world, world), 0, depth=2, breadth=3, exploration=1.0).search(View(), 1500)
    assert values[found.actions[0]] >= max(values.values()) - 0.1


def test_what_really_happened_overwrites_the_prediction_and_a_wrong_guess_is_thrown_away() -> None:
    world = _world([0.0, 1.0, 0.0] + [0.0] * 13, [1, 2, 3] + [0] * 9)
    tree = Tree(Roles(world, world, world), 0, depth=3, breadth=3)
    tree.search(View(), 40)
    visits = tree.root.children[1].visits
    assert tree.correct(1, 2, 1.0) and tree.root.state == 2 and tree.root.visits == visits > 1
    assert not tree.correct(0, 0, 0.7) and tree.root.reward == 0.7  # only the reward was wrong: what is below stays
    tree.search(View(), 40)
    assert not tree.correct(1, 3, 1.0) and tree.root.state == 3 and not tree.root.children
    tree.search(View(), 10)
    tree.search(View(5), 10)  # another memory: nothing that was searched counts
    assert tree.root.visits == 10
    assert tree.correct(0, 0, 0.0, over=True) is False and tree.search(View(5), 3).actions == ()


@pytest.mark.parametrize(
    ("field", "sizes"),
    [
        ("depth", {"depth": 0, "breadth": 1}),
        ("breadth", {"depth": 1, "breadth": 0}),
        ("discount", {"depth": 1, "breadth": 1, "discount": 0.0}),
    ],
)
def test_impossible_sizes_are_refused(field: str, sizes: dict) -> None:
    world = _world([0.0] * 16, [0] * 12)
    roles = Roles(world, world, world)
    for call in (
        lambda: breadth_first(roles, 0, View(), **sizes),
        lambda: beam(roles, 0, View(), width=1, **sizes),
        lambda: Tree(roles, 0, **sizes),
    ):
        with pytest.raises(BadValue) as refused:
            call()
        assert refused.value.field == field
