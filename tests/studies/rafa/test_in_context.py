"""R2's cells: what the walkers know, the tree against the shared search, the buffer, and training kept once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from wayfare.errors import BadValue
from wayfare.learn.in_context_model import WorldModel
from wayfare.learn.search import Roles, breadth_first
from wayfare.studies.rafa import in_context
from wayfare.studies.rafa.in_context import (
    DISCOUNT,
    PLAYERS,
    STEPS,
    Buffer,
    Planner,
    load,
    lookahead_likely,
    play,
    rehearsed,
    train,
    walks,
)
from wayfare.worlds.mazes import Mazes


def quiet(*_: float, **__: float) -> None:
    pass


def test_walks_are_real_and_values_are_the_steps_that_they_took() -> None:
    seeds = torch.arange(30)
    state, action, reached, reward, value = walks(seeds)
    mazes, rows = Mazes.draw(seeds), torch.arange(30).unsqueeze(1)
    assert torch.equal(mazes.next_cell[rows, state, action], reached)
    assert torch.equal(reward, (reached == mazes.goal.unsqueeze(1)).float())
    for n in range(30):
        begun = 0
        for t in range(63):
            over = bool(reward[n, t]) or t + 1 - begun == STEPS
            assert state[n, t + 1] == (mazes.start[n] if over else reached[n, t])
            if over:
                begun = t + 1
            expected = float(reward[n, t]) if over else DISCOUNT * float(value[n, t + 1])
            assert float(value[n, t]) == pytest.approx(expected, abs=1e-6)


def test_a_walk_does_not_depend_on_the_company_and_does_not_know_an_unseen_goal() -> None:
    many, one = walks(torch.arange(8)), walks(torch.tensor([5]))
    assert all(torch.equal(a[5], b[0]) for a, b in zip(many, one, strict=True))
    state, _, reached, reward, _ = walks(torch.arange(400))
    mazes = Mazes.draw(torch.arange(400))
    before = reward.cumsum(dim=1) == 0
    rows = torch.arange(400).unsqueeze(1)
    change = (mazes.away[rows, reached] - mazes.away[rows, state])[before]
    assert abs(float(change.float().mean())) < 0.15  # no drift toward the goal before it was seen


def test_rehearsed_questions_are_remembered_ones_and_have_no_value() -> None:
    torch.manual_seed(0)
    walk = walks(torch.arange(50))
    asked = rehearsed(*walk, cut=20)
    again = asked[4] < 0
    assert not again[:, :21].any() and 0.4 < again[:, 21:].float().mean() < 0.6
    old = {tuple(int(x[7, t]) for x in walk[:3]) for t in range(20)}
    assert {tuple(int(x[7, t]) for x in asked[:3]) for t in range(64) if again[7, t]} <= old
    assert all(torch.equal(a, b) for a, b in zip(rehearsed(*walk, cut=0), walk, strict=True))


@dataclass(frozen=True)
class _View:
    id: int = 0


class _Tables:
    """The model's tables in the roles of the shared search; a chance of reward is a reward that may end it."""

    def __init__(self, reached: torch.Tensor, paid: torch.Tensor, leaf: torch.Tensor) -> None:
        self.reached, self.paid, self.leaf = reached, paid, leaf

    def propose(self, state, memory, n):
        return range(4)

    def predict(self, state, action, memory):
        met = bool(self.paid[state, action] > 0.5)
        return int(self.reached[state, action]), float(met), met

    def value(self, state, memory):
        return float(self.leaf[state])


def test_the_tree_in_tables_is_the_breadth_first_search_over_roles() -> None:
    mazes = Mazes.draw(torch.arange(3))
    paid = (mazes.next_cell == mazes.goal.view(-1, 1, 1)).float()
    leaf = torch.rand(3, 25, generator=torch.Generator().manual_seed(0))
    q = lookahead_likely(mazes.next_cell, paid, leaf, depth=4)
    for n in range(3):
        roles = Roles(*[_Tables(mazes.next_cell[n], paid[n], leaf[n])] * 3)
        for state in range(0, 25, 6):
            found = breadth_first(roles, state, _View(), depth=4, breadth=4, discount=DISCOUNT)
            assert q[n, state].max().item() == pytest.approx(found.value, abs=1e-5)
            assert [found.values[a] for a in range(4)] == pytest.approx(q[n, state].tolist(), abs=1e-5)


def test_the_buffer_holds_each_transition_once_and_recalls_the_latest() -> None:
    buffer = Buffer(2)
    for t in range(150):
        at = torch.tensor([t % 25, 3])
        new = buffer.remember(at, torch.tensor([t // 25 % 4, 1]), at, torch.zeros(2))
        assert new.tolist() == [t < 100, t == 0]
    assert buffer.size.tolist() == [100, 1]
    memory = buffer.recall(torch.tensor([0, 1]))
    assert memory.size.tolist() == [64, 1] and memory.state.shape == (2, 64)
    assert memory.state[0].tolist() == [t % 25 for t in range(36, 100)] and memory.state[1, 0] == 3
    empty = Buffer(2).recall(torch.tensor([1]))
    assert empty.state.shape == (1, 0) and empty.size.tolist() == [0]


class _Truth(WorldModel):
    """Knows the mazes; what it says changes with nothing."""

    def __init__(self, mazes: Mazes) -> None:
        super().__init__(25, 4, 12, 1, 1)
        self.mazes, self.asked = mazes, 0

    def tables(self, memory):
        self.asked += 1
        n = len(memory.state)
        where = torch.nn.functional.one_hot(self.mazes.next_cell[:n], 25).float()
        paid = (self.mazes.next_cell[:n] == self.mazes.goal[:n].view(-1, 1, 1)).float()
        leaf = DISCOUNT ** (self.mazes.away[:n].float())
        return where, paid, leaf.unsqueeze(2).expand(-1, -1, 4)


def test_who_knows_the_mazes_succeeds_each_time_in_the_fewest_steps() -> None:
    seeds = torch.tensor([4])
    mazes = Mazes.draw(seeds)
    for way in ("RAFA", "open loop", "reflexion", "empty buffer"):
        success, steps = in_context._episodes(Planner(way, _Truth(mazes), 1), seeds, 3)
        assert success.tolist() == [1.0] * 3 and steps.tolist() == [float(mazes.away[0, mazes.start[0]])] * 3


def test_a_cell_is_reproducible_and_says_what_each_player_did(tmp_path) -> None:
    told = train(quiet, seed=3, sequences=32, folder=str(tmp_path), width=12, layers=1)
    again = train(quiet, seed=3, sequences=32, folder=str(tmp_path), width=12, layers=1)
    assert np.array_equal(told["accuracy"], again["accuracy"]) and np.array_equal(told["losses"], again["losses"])
    found = play(quiet, seed=3, folder=str(tmp_path), mazes=3, episodes=2)
    assert {f"maze {player}|success" for player in PLAYERS} <= set(found)
    twice = play(quiet, seed=3, folder=str(tmp_path), mazes=3, episodes=2)
    assert all(np.array_equal(found[name], twice[name]) for name in found)
    with pytest.raises(BadValue, match="checkpoint"):
        load(str(tmp_path), 4)
