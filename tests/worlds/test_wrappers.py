"""Action sets that change and rewards that come late, around any bandit."""

import warnings

import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds import (
    ActionSets,
    DelayedFeedback,
    HiddenGoal,
    LinearBandit,
    RecurringBandit,
    SingleCopy,
    VariedBandit,
    bundled_bandit,
    check_world,
)


def redrawn(world, chance=0.5, **arguments):
    return ActionSets(world, chance, forbidden="redrawn", **arguments)


@pytest.mark.parametrize(
    "world",
    [
        redrawn(LinearBandit(5, episodes=3)),
        redrawn(RecurringBandit(4, episodes=[1, 2, 3, 2], boundary="shown")),
        redrawn(bundled_bandit("wine", 4, episodes=3, boundary="shown")),
        DelayedFeedback(LinearBandit(5, episodes=9), (1, 3), 2),
        DelayedFeedback(RecurringBandit(5, episodes=[1, 2, 3, 7, 9]), 2),
        DelayedFeedback(HiddenGoal(4, episodes=2, boundary="shown", copy=False), 3),
        DelayedFeedback(RecurringBandit(5, episodes=4, law="geometric", most_episodes=9), 2, 3),
        DelayedFeedback(redrawn(RecurringBandit(5, episodes=9)), (0, 4)),
        redrawn(DelayedFeedback(VariedBandit(5, episodes=9, drift=0.1), 4)),
    ],
    ids=repr,
)
def test_wrapped_worlds_keep_the_contract(world):
    check_world(world, None if world.block_steps < 30 else 40)


def test_sets_are_the_documented_draws_and_shown_in_the_observation():
    world = ActionSets(LinearBandit(2, 3, 2, 4, boundary="shown"), [0.2, 0.5, 0.9], always=[2])
    obs, info = world.reset(seed=[5, 6], options={"copy": [1, 0]})
    for clock in range(6):
        for i, (seed, copy) in enumerate([(5, 1), (6, 0)]):
            u = Stream(seed, "allowed").uniform(copy, clock, np.arange(3))
            assert info["allowed"][i].tolist() == [u[0] < 0.2, u[1] < 0.5, True]
        assert torch.equal(obs[:, 6:9], info["allowed"].float()) and torch.equal(info["allowed"], world.allowed)
        assert obs.shape == (2, 6 + 3 + 5) and obs[:, 9:].sum() == 2
        obs, *_, info = world.step(torch.full((2,), 2))
        if "final_obs" in info:
            assert (info["final_obs"][:, :9] == 0).all()


def test_sets_change_what_may_be_pulled_and_nothing_else():
    plain, masked = RecurringBandit(50, episodes=4), ActionSets(RecurringBandit(50, episodes=4))
    plain.reset(seed=1)
    masked.reset(seed=1)
    for _ in range(9):
        may = masked.allowed
        action = torch.where(may[:, 2], 2, 0)
        seen, expected = masked.step(action), plain.step(action)
        assert torch.equal(seen[1], expected[1]) and torch.equal(seen[2], expected[2])
        assert torch.equal(masked.means, plain.means)


def test_a_forbidden_arm_is_refused_and_changes_nothing():
    world = ActionSets(RecurringBandit(2), 0.0)
    world.reset(seed=0)
    with pytest.raises(BadValue, match=r"actions\[1\] must be one of the arms \[0\]"):
        world.step(torch.tensor([0, 1]))
    with pytest.raises(BadValue, match="actions"):
        world.step(torch.tensor([0, 3]))
    assert world._clock == world.world._clock == 0


def test_a_forbidden_arm_is_redrawn_among_those_that_may_be_pulled_each_as_often():
    world = redrawn(VariedBandit(9000, 4, gap=1.0), [0.0, 1.0, 1.0, 1.0], always=[1])
    world.reset(seed=0)
    means = world.means
    _, _, _, _, info = world.step(torch.zeros(9000, dtype=torch.int64))
    assert info["redrawn"].all()
    best = means.argmax(dim=1)
    assert (info["expected_reward"][best == 0] == 0).all()
    for arm in (1, 2, 3):
        assert float(info["expected_reward"][best == arm].mean()) == pytest.approx(1 / 3, abs=0.03)
    assert not world.step(torch.ones(9000, dtype=torch.int64))[4]["redrawn"].any()


@pytest.mark.parametrize(
    "inner",
    [
        RecurringBandit(3, 4, 40_000),
        LinearBandit(3, 4, 2, 40_000),
        bundled_bandit("iris", 3, episodes=40_000, permuted=True),
        DelayedFeedback(LinearBandit(3, 4, 2, 40_000), 3),
    ],
    ids=repr,
)
def test_the_oracle_among_sets_is_what_the_best_allowed_arm_pays(inner):
    world = ActionSets(inner, 0.4)
    world.reset(seed=0)
    oracle, steps = world.oracle_return(), 3000
    total = torch.zeros(3)
    for _ in range(steps):
        total += world.means.masked_fill(~world.allowed, -9.0).amax(dim=1)
        world.step(torch.zeros(3, dtype=torch.int64))
    assert (total / steps).tolist() == pytest.approx(oracle.tolist(), abs=0.05)


def test_the_oracle_among_sets_of_changing_arms_is_not_known():
    world = ActionSets(VariedBandit(2, drift=0.1))
    world.reset(seed=0)
    with pytest.raises(BadValue, match="stay"):
        world.oracle_return()


def late(world, steps, **reset):
    """[steps, N] rewards, and for each step and copy the arrived {decision: reward}."""
    world.reset(**reset)
    rewards, arrived = [], []
    for _ in range(steps):
        _, reward, *_, info = world.step(torch.zeros(world.num_envs, dtype=torch.int64))
        rewards.append(reward)
        pairs = zip(info["feedback_decision"].tolist(), info["feedback_reward"].tolist(), strict=True)
        arrived.append([{d: r for d, r in zip(ids, paid, strict=True) if d >= 0} for ids, paid in pairs])
    return torch.stack(rewards), arrived


@pytest.mark.parametrize(("delay", "every"), [(0, 1), (3, 1), ((0, 5), 1), (0, 4), (2, 3), ((1, 6), 5), (30, 1)])
@pytest.mark.parametrize("lengths", [[11, 11, 11], [4, 7, 11]])
def test_rewards_arrive_when_a_textbook_queue_says(delay, every, lengths):
    plain = RecurringBandit(3, episodes=lengths)
    plain.reset(seed=7)
    now = torch.stack([plain.step(torch.zeros(3, dtype=torch.int64))[1] for _ in range(30)])
    rewards, arrived = late(DelayedFeedback(RecurringBandit(3, episodes=lengths), delay, every), 30, seed=7)
    least, most = delay if isinstance(delay, tuple) else (delay, delay)
    for i, length in enumerate(lengths):
        queue = []
        for t in range(30):
            pull = t % length
            wait = least + int(Stream(7, "delay").integers(most - least + 1, i, t))
            queue.append((pull + wait, t))
            last = pull == length - 1
            out = [e for e in queue if last or (e[0] <= pull and (pull + 1) % every == 0)]
            queue = [e for e in queue if e not in out]
            assert arrived[t][i] == {d: float(now[d, i]) for _, d in out}
            assert float(rewards[t, i]) == pytest.approx(sum(arrived[t][i].values()), abs=1e-5)


def test_a_block_pays_the_same_in_the_end_and_a_reset_forgets_what_is_outstanding():
    plain, world = RecurringBandit(4, episodes=10), DelayedFeedback(RecurringBandit(4, episodes=10), 7, 3)
    rewards, _ = late(world, 10, seed=1)
    plain.reset(seed=1)
    expected = sum(plain.step(torch.zeros(4, dtype=torch.int64))[1] for _ in range(10))
    torch.testing.assert_close(rewards.sum(0), expected)
    late(world, 4, seed=1)
    _, arrived = late(world, 10, seed=2)
    numbers = sorted(d for row in arrived for d in row[0])
    assert numbers == list(range(10))
    world.reset()
    info = world.step(torch.zeros(4, dtype=torch.int64))[4]
    assert info["decision"].tolist() == [11] * 4, "the clock goes on where no seed is given"


def test_a_wrapper_answers_for_the_world_inside():
    world = DelayedFeedback(ActionSets(VariedBandit(2, gap=0.3)), 2)
    world.reset(seed=0)
    assert world.family == "bernoulli" and world.gap == 0.3 and world.means.shape == (2, 5)
    assert world.allowed.shape == (2, 5) and torch.equal(world.oracle_return(), world.world.oracle_return())
    with pytest.raises(AttributeError):
        _ = world.nothing
    with pytest.raises(BadValue):
        world.bayes_return()


def test_gymnasium_is_content_with_a_single_wrapped_copy():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(SingleCopy(redrawn(DelayedFeedback(LinearBandit(1, episodes=4), 2))), skip_render_check=True)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: ActionSets(RecurringBandit(2), 1.2), "chance"),
        (lambda: ActionSets(RecurringBandit(2), [0.5, 0.5]), "chance"),
        (lambda: ActionSets(RecurringBandit(2), always=()), "always"),
        (lambda: ActionSets(RecurringBandit(2), always=(3,)), "always"),
        (lambda: ActionSets(RecurringBandit(2), forbidden="ignored"), "forbidden"),
        (lambda: ActionSets(HiddenGoal(2)), "world"),
        (lambda: ActionSets(ActionSets(RecurringBandit(2))), "world"),
        (lambda: DelayedFeedback(RecurringBandit(2), -1), "delay"),
        (lambda: DelayedFeedback(RecurringBandit(2), (3, 1)), "delay"),
        (lambda: DelayedFeedback(RecurringBandit(2), 1.5), "delay"),
        (lambda: DelayedFeedback(RecurringBandit(2), 1, 0), "every"),
        (lambda: DelayedFeedback("bandit", 1), "world"),
    ],
)
def test_impossible_wrappings_are_refused_by_name(make, field):
    with pytest.raises(BadValue) as refused:
        make()
    assert refused.value.field == field
