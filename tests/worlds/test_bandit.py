"""The recurring bandit."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds import Boundary, RecurringBandit


def pull(world, arm):
    return world.step(torch.full((world.num_envs,), arm))


def test_a_block_of_n_one_pull_episodes_takes_exactly_n_steps():
    world = RecurringBandit(3, episodes=4, boundary="shown")
    world.reset(seed=0)
    before = world.means
    for t in range(12):
        obs, _, terminated, truncated, info = pull(world, t % 3)
        last = t % 4 == 3
        assert (info["boundary"] == (Boundary.TASK_TERMINATED if last else Boundary.EPISODE_TERMINATED)).all()
        assert terminated.all() == last and not truncated.any()
        assert (info["inner_episode"] == t % 4).all()
        assert ("final_obs" in info) == last
        shown = Boundary.RUNNING if last else Boundary.EPISODE_TERMINATED
        assert (obs.argmax(1) == shown).all() and (obs.sum(1) == 1).all()
        if last:
            assert (info["final_obs"].argmax(1) == Boundary.TASK_TERMINATED).all()
        assert torch.equal(world.means, before) != last
        before = world.means


def test_a_hidden_boundary_leaves_one_zero_column():
    world = RecurringBandit(3, episodes=2)
    obs, _ = world.reset(seed=0)
    assert not world.boundary_shown
    for _ in range(3):
        assert torch.equal(obs, torch.zeros(3, 1))
        obs, *_ = pull(world, 0)


def test_rewards_are_the_documented_draws():
    """A textbook loop over copies and clocks, from the addresses that `world` documents."""
    world = RecurringBandit(4, arms=2, episodes=2, prior_mean=1.0, prior_sd=2.0, noise_sd=0.5)
    world.reset(seed=[8, 8, 9, 9])
    for clock in range(5):
        _, reward, *_, info = pull(world, 1)
        for i, (seed, copy) in enumerate([(8, 0), (8, 1), (9, 0), (9, 1)]):
            mean = 1.0 + 2.0 * float(Stream(seed, "task").normal(copy, clock - clock % 2, 1))
            noise = 0.5 * float(Stream(seed, "reward noise").normal(copy, clock))
            assert float(info["expected_reward"][i]) == pytest.approx(mean, rel=1e-6)
            assert float(reward[i]) == pytest.approx(mean + noise, rel=1e-5)


@pytest.mark.parametrize("copies", [500, 50_000])
def test_means_and_rewards_have_their_distributions(copies):
    blocks = 100_000 // copies
    world = RecurringBandit(copies, episodes=1, prior_mean=0.5, prior_sd=2.0, noise_sd=0.7)
    world.reset(seed=1)
    means, noise = [], []
    for _ in range(blocks):
        means.append(world.means)
        _, reward, *_, info = pull(world, 2)
        noise.append(reward - info["expected_reward"])
    mean, noise = torch.cat(means), torch.cat(noise)
    assert torch.allclose(mean.mean(0), torch.tensor(0.5), atol=0.03)
    assert torch.allclose(mean.std(0), torch.tensor(2.0), atol=0.03)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert float(noise.std()) == pytest.approx(0.7, abs=0.01)
    assert abs(float(torch.corrcoef(torch.stack([noise, mean[:, 2]]))[0, 1])) < 0.02


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (2.0, 5.0), (0.5, 0.5)])
def test_bernoulli_arms_pay_as_often_as_their_means_say(alpha, beta):
    world = RecurringBandit(20_000, arms=2, episodes=9, family="bernoulli", alpha=alpha, beta=beta)
    world.reset(seed=4)
    means = world.means
    total = alpha + beta
    assert float(means.mean()) == pytest.approx(alpha / total, abs=0.01)
    assert float(means.var()) == pytest.approx(alpha * beta / total**2 / (total + 1), abs=0.005)
    rewards = torch.stack([pull(world, 0)[1] for _ in range(9)])
    assert set(rewards.unique().tolist()) == {0.0, 1.0}
    for low in (0.0, 0.25, 0.5, 0.75):
        here = (means[:, 0] >= low) & (means[:, 0] < low + 0.25)
        error = 4 * 0.5 / float(rewards[:, here].numel()) ** 0.5
        assert float(rewards[:, here].mean()) == pytest.approx(float(means[here, 0].mean()), abs=error)


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_the_safe_arm_always_pays_the_same(family):
    world = RecurringBandit(50, episodes=3, safe=0.5, family=family)
    world.reset(seed=1)
    for _ in range(7):
        assert (world.means[:, 0] == 0.5).all()
        assert (world.means[:, 1:] != 0.5).all()
        _, reward, *_, info = pull(world, 0)
        assert (reward == 0.5).all() and (info["expected_reward"] == 0.5).all()
    assert pull(world, 1)[1].unique().numel() > 1


def test_the_other_arms_are_those_of_the_world_without_a_safe_arm():
    safe, plain = RecurringBandit(5, safe=0.5), RecurringBandit(5)
    safe.reset(seed=1)
    plain.reset(seed=1)
    assert torch.equal(safe.means[:, 1:], plain.means[:, 1:])


def test_sure_bernoulli_arms_stay_sure():
    world = RecurringBandit(1000, arms=2, family="bernoulli", episodes=50)
    world.reset(seed=0)
    for sure in (0.0, 1.0):
        world._arms = torch.full((2, 1000), sure)
        assert all((pull(world, 1)[1] == sure).all() for _ in range(20))

    class Extreme:
        def uniform(self, *address):
            return torch.tensor([2.0**-53, 1 - 2.0**-53], dtype=torch.float64)

    noise = world._draw_noise(Extreme(), None, 0, None)
    assert noise[0] > 0 and noise[1] < 1, "also where float32 rounds up"


def test_one_arm_is_allowed_and_has_no_regret():
    world = RecurringBandit(3, arms=1, episodes=2)
    world.reset(seed=0)
    oracle = world.oracle_return()
    assert torch.equal(pull(world, 0)[4]["expected_reward"], oracle)


def test_the_oracle_pulls_the_best_arm():
    world = RecurringBandit(4)
    world.reset(seed=0)
    assert torch.equal(world.oracle_return(), world.means.max(dim=1).values)


def test_block_lengths_stack():
    world = RecurringBandit(6, episodes=torch.tensor([1, 1, 3, 3, 2, 2]))
    world.reset(seed=5)
    ends = torch.stack([pull(world, 0)[2] for _ in range(6)])
    assert ends.sum(0).tolist() == [6, 6, 2, 2, 3, 3]
    assert ends[2].tolist() == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"arms": 0}, "arms"),
        ({"arms": 2.5}, "arms"),
        ({"family": "poisson"}, "family"),
        ({"noise_sd": -1.0}, "noise_sd"),
        ({"noise_sd": float("nan")}, "noise_sd"),
        ({"prior_sd": -0.1}, "prior_sd"),
        ({"prior_mean": float("inf")}, "prior_mean"),
        ({"alpha": 0.0}, "alpha"),
        ({"beta": -1.0}, "beta"),
        ({"safe": float("nan")}, "safe"),
        ({"safe": 1.5, "family": "bernoulli"}, "safe"),
        ({"safe": -0.1, "family": "bernoulli"}, "safe"),
    ],
)
def test_impossible_bandits_are_refused_by_name(arguments, field):
    with pytest.raises(BadValue) as refused:
        RecurringBandit(2, **arguments)
    assert refused.value.field == field


def test_a_frame_shows_each_pull_and_stays_with_the_block_just_ended():
    world = RecurringBandit(2, episodes=3, render_mode="rgb_array")
    world.reset(seed=1)
    frames = [world.render()[0]]
    for t in range(4):
        pull(world, t % 3)
        frames.append(world.frame(0))
    assert all(f.dtype == np.uint8 and f.ndim == 3 and f.shape[2] == 3 for f in frames)
    assert all(not np.array_equal(a, b) for a, b in pairwise(frames))
    assert len(world._block(0)) == 1
    with pytest.raises(BadValue, match="render_mode"):
        RecurringBandit(1).frame()
    assert RecurringBandit(1).render() is None
