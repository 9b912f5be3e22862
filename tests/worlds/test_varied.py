"""Arms of a set gap, arms that change, and EVOLvE's grid."""

import math

import numpy as np
import pytest
import torch

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds import RecurringBandit, VariedBandit, check_world, evolve_bandit


def pull(world, arm=0):
    return world.step(torch.full((world.num_envs,), arm))


@pytest.mark.parametrize(
    "world",
    [
        evolve_bandit(num_envs=5, episodes=3),
        VariedBandit(5, episodes=6, gap=0.2, change_every=2, boundary="shown"),
        VariedBandit(6, 4, [1, 2, 3, 4, 5, 6], change_chance=0.3, drift=0.1),
        VariedBandit(5, 3, 4, "gaussian", drift=0.3, keep=0.9, safe=0.2, law="geometric", most_episodes=8),
        VariedBandit(3000, 3, 4, "gaussian", drift=0.3, change_chance=0.1),
    ],
    ids=repr,
)
def test_varied_bandits_keep_the_contract(world):
    check_world(world)


@pytest.mark.parametrize("family", ["bernoulli", "gaussian"])
def test_one_arm_is_best_by_the_gap_and_every_arm_is_it_equally_often(family):
    world = VariedBandit(20_000, 4, 1, family, gap=0.2, prior_mean=3.0)
    world.reset(seed=0)
    middle = 0.5 if family == "bernoulli" else 3.0
    ordered = world.means.sort(dim=1).values
    torch.testing.assert_close(ordered[:, -1], torch.full((20_000,), middle + 0.1))
    torch.testing.assert_close(ordered[:, :-1], torch.full((20_000, 3), middle - 0.1))
    assert torch.bincount(world.means.argmax(dim=1)).tolist() == pytest.approx([5000] * 4, rel=0.06)
    best = world.means.argmax(dim=1)
    assert best[:50].tolist() == [int(Stream(0, "task").integers(4, i, 0)) for i in range(50)]


@pytest.mark.parametrize(("difficulty", "gap", "horizon"), [("easy", 0.5, 300), ("hard", 0.2, 1000)])
@pytest.mark.parametrize("arms", [5, 20])
def test_bernoulli_cells_of_evolves_grid(difficulty, gap, horizon, arms):
    world = evolve_bandit("bernoulli", arms, difficulty, 7)
    world.reset(seed=0)
    assert world.block_steps == horizon and world.num_actions == arms
    assert world.oracle_return().tolist() == pytest.approx([0.5 + gap / 2] * 7)
    assert (world.means.amax(1) - world.means.amin(1)).tolist() == pytest.approx([gap] * 7)


@pytest.mark.parametrize(("difficulty", "size"), [("easy", 1.0), ("hard", 3.0)])
def test_gaussian_cells_have_means_and_noise_of_one_deviation(difficulty, size):
    world = evolve_bandit("gaussian", 5, difficulty, 20_000, episodes=2)
    world.reset(seed=0)
    assert float(world.means.std()) == pytest.approx(size, rel=0.02)
    _, reward, *_, info = pull(world)
    assert float((reward - info["expected_reward"]).std()) == pytest.approx(size, rel=0.02)


def test_without_variation_it_is_the_recurring_bandit():
    varied, plain = VariedBandit(4, 3, 2, "gaussian"), RecurringBandit(4, 3, 2, "gaussian")
    varied.reset(seed=1)
    plain.reset(seed=1)
    for _ in range(5):
        assert torch.equal(varied.means, plain.means) and torch.equal(varied.oracle_return(), plain.oracle_return())
        assert torch.equal(pull(varied)[1], pull(plain)[1])
    assert varied.stationary


def test_arms_change_abruptly_every_so_many_pulls_of_a_block():
    world = VariedBandit(6, 3, [7, 7, 7, 5, 5, 5], change_every=3)
    world.reset(seed=2)
    age = torch.zeros(6, dtype=torch.int64)
    for clock in range(1, 30):
        before = world.means
        ended = pull(world)[2]
        age = torch.where(ended, 0, age + 1)
        changed = (world.means != before).all(dim=1)
        assert changed.tolist() == ((age % 3) == 0).tolist()
        for i in changed.nonzero().squeeze(1).tolist():
            expected = Stream(2, "task").uniform(i, clock, np.arange(3))
            assert world.means[i].numpy() == pytest.approx(expected, abs=1e-6), "as those of a block that begins here"


def test_arms_change_by_chance_as_often_as_it_says():
    world = VariedBandit(5000, 2, 50, change_chance=0.2)
    world.reset(seed=0)
    times = 0.0
    for _ in range(20):
        before = world.means
        pull(world)
        changed = (world.means != before).any(dim=1)
        assert torch.equal(changed, (world.means != before).all(dim=1)), "all arms or none"
        times += float(changed.float().mean())
    assert times / 20 == pytest.approx(0.2, abs=0.01)


def test_gaussian_arms_drift_by_documented_steps_towards_their_prior():
    world = VariedBandit(3, 2, 9, "gaussian", prior_mean=1.0, drift=0.5, keep=0.8, safe=0.3)
    world.reset(seed=4)
    mean = world.means.double().numpy()
    for clock in range(1, 6):
        pull(world)
        for i in range(3):
            step = 0.5 * Stream(4, "drift").normal(i, clock, np.arange(2))
            mean[i] = 1.0 + 0.8 * (mean[i] - 1.0) + step
        mean[:, 0] = 0.3
        assert world.means.numpy() == pytest.approx(mean, abs=1e-5)


def test_bernoulli_arms_are_reflected_at_their_bounds_and_stay_uniform():
    world = VariedBandit(20_000, 1, 40, drift=0.4)
    world.reset(seed=4)
    before = world.means
    pull(world)
    walk = 0.4 * Stream(4, "drift").normal(np.arange(20_000), 1)
    there = before.squeeze(1).double().numpy() + walk
    expected = np.where(there < 0, -there, np.where(there > 1, 2 - there, there))
    inside = (there > -1) & (there < 2)
    assert world.means.squeeze(1).numpy()[inside] == pytest.approx(expected[inside], abs=1e-6)
    for _ in range(30):
        pull(world)
        assert ((world.means >= 0) & (world.means <= 1)).all()
    assert float(world.means.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(world.means.var()) == pytest.approx(1 / 12, abs=0.003)


@pytest.mark.parametrize(
    "changes", [{"drift": 0.2}, {"change_every": 3}, {"change_chance": 0.3}, {"drift": 0.1, "change_chance": 0.2}]
)
@pytest.mark.parametrize("law", ["fixed", "geometric"])
def test_the_oracle_of_changing_arms_is_what_knowing_them_pays_and_asking_disturbs_nothing(changes, law):
    def made():
        world = VariedBandit(4, 3, [3, 8, 6, 1], law=law, most_episodes=12 if law == "geometric" else None, **changes)
        world.reset(seed=9)
        return world

    asked, plain = made(), made()
    length, first = plain._length.clone(), asked.oracle_return()
    total, going = torch.zeros(4), torch.ones(4, dtype=torch.bool)
    for _ in range(int(length.max())):
        total += plain.means.amax(dim=1) * going
        torch.testing.assert_close(asked.oracle_return()[going], first[going])
        one, two = pull(asked), pull(plain)
        assert all(torch.equal(x, y) for x, y in zip(one[:4], two[:4], strict=True))
        assert torch.equal(asked.means, plain.means)
        going &= ~two[2]
    torch.testing.assert_close(first, total / length)


def test_what_is_not_known_is_refused():
    for world in (VariedBandit(1, gap=0.2), VariedBandit(1, drift=0.1)):
        with pytest.raises(BadValue, match="world"):
            world.bayes_return()
    assert math.isfinite(VariedBandit(1, 2, 3).bayes_return().value)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"gap": 0.0}, "gap"),
        ({"gap": 1.1}, "gap"),
        ({"gap": 0.5, "safe": 0.1}, "safe"),
        ({"change_every": 0}, "change_every"),
        ({"change_chance": 1.0}, "change_chance"),
        ({"change_chance": -0.1}, "change_chance"),
        ({"drift": -1.0}, "drift"),
        ({"keep": 1.5}, "keep"),
        ({"keep": 0.5}, "keep"),
        ({"arms": 0}, "arms"),
    ],
)
def test_impossible_variations_are_refused_by_name(arguments, field):
    with pytest.raises(BadValue) as refused:
        VariedBandit(2, **arguments)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("arguments", "field"), [({"difficulty": "middling"}, "difficulty"), ({"family": "x"}, "family")]
)
def test_cells_that_the_grid_has_not_are_refused(arguments, field):
    with pytest.raises(BadValue, match=field):
        evolve_bandit(**arguments)
