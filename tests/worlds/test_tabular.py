"""Tabular processes as worlds: the contract, their draws, and tables that are what they say."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds import Boundary, RandomMDP, TabularMDP, check_world
from wayfare.worlds.planning import greedy_policy, optimal_values

UNIFORM = torch.full((2, 2, 2, 2), 0.5, dtype=torch.float64)
PAYS = torch.arange(8).view(2, 2, 2) / 8


@pytest.mark.parametrize(
    "world",
    [
        RandomMDP(5, episodes=3),
        RandomMDP(4, 3, 2, 2, episodes=[1, 2, 3, 1], boundary="shown"),
        RandomMDP(5, 2, 2, 3, episodes=2, law="geometric", most_episodes=4),
        RandomMDP(3, 3, 2, 1, episodes=2, boundary="shown"),
        TabularMDP(UNIFORM, PAYS, 6, 2, start=1),
    ],
    ids=repr,
)
def test_tabular_worlds_keep_the_contract(world):
    check_world(world)


def test_gymnasium_makes_a_single_copy_that_passes_its_own_checker():
    check_env(gymnasium.make("wayfare/RandomMDP-v0", disable_env_checker=True).unwrapped, skip_render_check=True)


def test_states_follow_the_documented_draws():
    """A textbook loop over copies and clocks."""
    world = RandomMDP(2, 4, 2, 3, episodes=5)
    _, info = world.reset(seed=[8, 9], options={"copy": [4, 1]})
    tables, pays, state = world.transitions, world.rewards, info["state"]
    for clock in range(12):
        action = torch.tensor([clock % 2, (clock // 2) % 2])
        expected = []
        for i, (seed, copy) in enumerate([(8, 4), (9, 1)]):
            edges = np.cumsum(tables[i, clock % 3, state[i], action[i]].numpy())
            expected.append(int((Stream(seed, "transition").uniform(copy, clock) >= edges).sum()))
        paid = [float(pays[i, clock % 3, state[i], action[i]]) for i in range(2)]
        obs, reward, *_, info = world.step(action)
        assert info["state"].tolist() == expected
        assert reward.tolist() == pytest.approx(paid, abs=1e-6)
        over = clock % 3 == 2
        assert info["boundary"].tolist() == [Boundary.EPISODE_TERMINATED if over else Boundary.RUNNING] * 2
        state = torch.zeros(2, dtype=torch.int64) if over else info["state"]
        assert obs[:, :4].argmax(1).tolist() == state.tolist()
        assert obs[:, 4:].argmax(1).tolist() == [(clock + 1) % 3] * 2


def test_frequencies_match_the_tables():
    world = RandomMDP(4000, 3, 2, 2, episodes=4)
    world.reset(seed=[5] * 4000, options={"copy": list(range(4000))})
    one = TabularMDP(world.transitions[0], world.rewards[0], 4000, 1)
    one.reset(seed=5)
    reached = one.step(torch.ones(4000, dtype=torch.int64))[-1]["state"]
    share = torch.bincount(reached, minlength=3) / 4000
    assert (share - world.transitions[0, 0, 0, 1]).abs().max() < 0.03


def test_simulated_returns_have_the_exact_value_for_their_mean():
    many = 20_000
    drawn = RandomMDP(1, episodes=1)
    drawn.reset(seed=3)
    world = TabularMDP(drawn.transitions[0], drawn.rewards[0], many, 1)
    world.reset(seed=4)
    best = greedy_policy(optimal_values(drawn.transitions[0], drawn.rewards[0])[0]).argmax(-1)
    total = torch.zeros(many)
    for h in range(4):
        total += world.step(best[h, world.state])[1]
    assert float(total.mean()) == pytest.approx(float(drawn.optimal_value()), abs=4 * float(total.std()) / many**0.5)


def test_actions_are_numbered_from_the_worst_and_that_changes_no_optimum():
    sorted_, drawn = RandomMDP(6, episodes=2), RandomMDP(6, episodes=2, worst_first=False)
    sorted_.reset(seed=1), drawn.reset(seed=1)
    assert (optimal_values(sorted_.transitions, sorted_.rewards)[0].diff(dim=-1) >= 0).all()
    assert torch.allclose(sorted_.optimal_value(), drawn.optimal_value(), atol=1e-12)
    assert (optimal_values(drawn.transitions, drawn.rewards)[0].diff(dim=-1) < 0).any()


def test_a_process_stays_for_its_block_and_then_changes():
    world = RandomMDP(3, episodes=[1, 2, 2])
    world.reset(seed=0)
    before = world.transitions
    for _ in range(4):
        world.step(torch.zeros(3, dtype=torch.int64))
    after = world.transitions
    assert not torch.equal(before[0], after[0]) and torch.equal(before[1:], after[1:])


def test_what_has_no_chance_is_never_reached():
    transitions = torch.zeros(1, 3, 1, 3, dtype=torch.float64)
    transitions[..., 0], transitions[..., 1] = 0.1 + 0.2, 0.7  # rounds past 1
    world = TabularMDP(transitions, torch.zeros(1, 3, 1), 5000, 1)
    world.reset(seed=2)
    assert world.step(torch.zeros(5000, dtype=torch.int64))[-1]["state"].max() == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"transitions": UNIFORM * 0.9}, "transitions[0, 0, 0]"),
        ({"rewards": PAYS * 2}, "rewards[1, 0, 1]"),
        ({"rewards": PAYS * torch.nan}, "rewards[0, 0, 0]"),
        ({"transitions": UNIFORM[:, :, :, :1]}, "transitions"),
        ({"start": 2}, "start"),
    ],
)
def test_tables_that_are_none_are_refused_by_name(arguments, named):
    with pytest.raises(BadValue) as refused:
        TabularMDP(**{"transitions": UNIFORM, "rewards": PAYS, **arguments})
    assert refused.value.field == named


def test_an_action_that_is_not_there_is_refused():
    world = RandomMDP(2)
    world.reset(seed=0)
    with pytest.raises(BadValue, match="between 0 and 2"):
        world.step(torch.tensor([0, 3]))
