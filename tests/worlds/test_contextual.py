"""Contextual bandits: linear ones, and what all have in common."""

import math

import numpy as np
import pytest
import torch

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds import Boundary, LinearBandit, check_world
from wayfare.worlds.contextual import expected_best


def unit(x):
    return x / np.linalg.norm(x)


@pytest.mark.parametrize(
    "world",
    [
        LinearBandit(5, episodes=3),
        LinearBandit(4, 3, 1, episodes=2, features="context", boundary="shown", family="bernoulli"),
        LinearBandit(6, 3, 2, episodes=[1, 2, 3, 1, 2, 3], boundary="shown", noise_sd=0.0),
        LinearBandit(5, 2, episodes=3, law="geometric", most_episodes=6),
        LinearBandit(300, 8, 6, episodes=2),
    ],
    ids=repr,
)
def test_linear_bandits_keep_the_contract(world):
    check_world(world)


@pytest.mark.parametrize("features", ["action", "context"])
@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_contexts_and_rewards_are_the_documented_draws(features, family):
    """A textbook loop over copies and clocks."""
    arms, size, blocks = 3, 2, 4
    world = LinearBandit(2, arms, size, blocks, features=features, family=family, scale=1.5, noise_sd=0.3)
    obs, _ = world.reset(seed=[8, 9], options={"copy": [4, 1]})
    thetas, shown = (1, arms) if features == "action" else (arms, 1)
    for clock in range(7):
        action = clock % arms
        seen = obs
        obs, reward, *_, info = world.step(torch.full((2,), action))
        for i, (seed, copy) in enumerate([(8, 4), (9, 1)]):
            begun = clock - clock % blocks
            theta = Stream(seed, "task").normal(copy, begun, np.arange(thetas * size)).reshape(thetas, size)
            x = Stream(seed, "context").normal(copy, clock, np.arange(shown * size)).reshape(shown, size)
            context = unit(x[action if features == "action" else 0])
            value = 1.5 * unit(theta[0 if features == "action" else action]) @ context
            mean = value if family == "gaussian" else 1 / (1 + math.exp(-value))
            noise = Stream(seed, "reward noise")
            paid = mean + 0.3 * noise.normal(copy, clock) if family == "gaussian" else noise.uniform(copy, clock) < mean
            place = action * size if features == "action" else 0
            assert seen[i, place : place + size].numpy() == pytest.approx(context, abs=1e-6)
            assert float(info["expected_reward"][i]) == pytest.approx(mean, abs=1e-6)
            assert float(reward[i]) == pytest.approx(float(paid), abs=1e-6)


@pytest.mark.parametrize("features", ["action", "context"])
def test_what_is_shown_and_the_truth_give_the_means(features):
    world = LinearBandit(7, 4, 3, features=features, noise_sd=0.0)
    obs, _ = world.reset(seed=2)
    theta = world.theta
    if features == "action":
        expected = torch.einsum("nkd,nd->nk", obs.view(7, 4, 3), theta)
    else:
        expected = torch.einsum("nd,nkd->nk", obs, theta)
    torch.testing.assert_close(world.means, expected)
    means = world.means
    _, reward, *_ = world.step(torch.full((7,), 2))
    assert torch.equal(reward, means[:, 2]), "no noise"


@pytest.mark.parametrize("dimension", [1, 2, 3, 8])
@pytest.mark.parametrize("features", ["action", "context"])
@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_the_oracle_gets_what_the_best_arms_pay_on_average(dimension, features, family):
    world = LinearBandit(2, 3, dimension, 40_000, features=features, family=family, scale=2.0)
    world.reset(seed=[5] * 2, options={"copy": [0, 0]})  # one task
    chance = torch.tensor([1.0, 0.5, 0.2])
    oracle, among = world.oracle_return(), world.oracle_among(chance)
    theta = world._thetas[:1]
    x = torch.randn(100_000, 3 if features == "action" else 1, dimension, generator=torch.Generator().manual_seed(0))
    value = (x / x.norm(dim=2, keepdim=True) * theta).sum(2)
    value = value.sigmoid() if family == "bernoulli" else value
    there = torch.rand(value.shape, generator=torch.Generator().manual_seed(1)) < chance
    assert oracle.tolist() == pytest.approx([float(value.max(1).values.mean())] * 2, abs=0.02)
    best = value.masked_fill(~there, -9.0).max(1).values.mean()
    assert among.tolist() == pytest.approx([float(best)] * 2, abs=0.02)


def test_the_best_of_two_on_a_circle_has_a_known_mean():
    """E max(sin a, sin b) for two independent uniform angles is 4 / pi^2."""
    world = LinearBandit(1, 2, 2)
    world.reset(seed=0)
    assert float(world.oracle_return()) == pytest.approx(4 / math.pi**2, abs=1e-6)
    line = LinearBandit(1, 3, 1)
    line.reset(seed=0)
    assert float(line.oracle_return()) == pytest.approx(1 - 2 / 8), "three coins, all tails with chance 1/8"


def test_the_best_arm_that_may_be_pulled_by_hand():
    means, chance = torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0.5, 1.0, 0.1])
    assert float(expected_best(means, chance)) == pytest.approx(0.5 * 3 + 0.5 * 0.1 * 2 + 0.5 * 0.9 * 1)


def test_after_the_last_pull_no_context_is_shown():
    world = LinearBandit(3, 2, 2, episodes=2, boundary="shown")
    world.reset(seed=0)
    world.step(torch.zeros(3, dtype=torch.int64))
    obs, *_, info = world.step(torch.zeros(3, dtype=torch.int64))
    assert (info["final_obs"][:, :4] == 0).all() and (obs[:, :4] != 0).all()
    assert (info["final_obs"][:, 4:].argmax(1) == Boundary.TASK_TERMINATED).all()


def test_a_block_keeps_its_theta_and_changes_its_contexts():
    world = LinearBandit(3, 2, 2, episodes=3)
    first, _ = world.reset(seed=0)
    theta = world.theta
    for t in range(3):
        assert torch.equal(world.theta, theta)
        obs, *_ = world.step(torch.zeros(3, dtype=torch.int64))
        assert not torch.equal(obs, first), t
    assert not torch.equal(world.theta, theta)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"arms": 0}, "arms"),
        ({"dimension": 0}, "dimension"),
        ({"features": "both"}, "features"),
        ({"family": "poisson"}, "family"),
        ({"scale": 0.0}, "scale"),
        ({"noise_sd": -1.0}, "noise_sd"),
        ({"episodes": 0}, "episodes"),
    ],
)
def test_impossible_linear_bandits_are_refused_by_name(arguments, field):
    with pytest.raises(BadValue) as refused:
        LinearBandit(2, **arguments)
    assert refused.value.field == field


@pytest.mark.parametrize("actions", [[0, 9], [0, -1], [0], [0.0, 1.0]])
def test_an_impossible_arm_is_refused_and_changes_nothing(actions):
    world = LinearBandit(2)
    world.reset(seed=1)
    before = world.means
    with pytest.raises(BadValue, match="actions"):
        world.step(torch.tensor(actions))
    assert world._clock == 0 and torch.equal(world.means, before)
