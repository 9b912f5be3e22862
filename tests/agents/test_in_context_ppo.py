from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import ArrayConversion

from wayfare.agents.conditions import Row
from wayfare.agents.in_context_ppo import PPOAgentConfig, Training
from wayfare.errors import BadValue
from wayfare.learn.ppo import PPOConfig
from wayfare.worlds import HiddenGoal, RecurringBandit


class Recall:
    """A cue at the first of `length` steps; the last action earns 1 if it repeats the cue and all before it were 0.

    So the previous action, which every policy reads, cannot carry the cue. Two cues, two actions: 1/2 by chance.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs, length=4):
        self.num_envs, self.length = num_envs, length
        self.single_observation_space, self.single_action_space = Box(-1, 1, (2,)), Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.generator = torch.Generator().manual_seed(seed[0] if seed else 0)
        self.clock = 0
        return self._begin(), {}

    def _begin(self):
        self.cue = torch.randint(0, 2, (self.num_envs,), generator=self.generator)
        self.silent = torch.ones(self.num_envs, dtype=torch.bool)
        return torch.stack([self.cue * 2.0 - 1.0, torch.ones(self.num_envs)], dim=1)

    def step(self, actions):
        self.clock += 1
        ends = self.clock % self.length == 0
        reward = ((actions == self.cue) & self.silent & ends).float()
        self.silent &= actions == 0
        obs = self._begin() if ends else torch.zeros(self.num_envs, 2)
        ended = torch.full((self.num_envs,), ends)
        return obs, reward, ended, torch.zeros_like(ended), {}


SMALL = PPOAgentConfig(width=8, steps=6, ppo=PPOConfig(learning_rate=1e-2, epochs=2, minibatches=2))


def cart_pole(copies):
    return ArrayConversion(gymnasium.make_vec("CartPole-v1", copies, vectorization_mode="sync"), numpy, torch)


def test_each_row_trains_as_it_would_alone_under_its_own_condition():
    rows = [Row(3, 0.97), Row(4, 0.5, memory=2), Row(3, 0.9, memory=0), Row(5, 0.9, spans_tasks=True)]
    config = replace(SMALL, network="transformer", reward_scale=2.0)
    world = {"arms": 3, "episodes": 4, "boundary": "shown"}

    def trained(rows):
        training = Training(RecurringBandit(4 * len(rows), **world), config, rows, decisions=6 * 4 * 5)
        training.run()
        return training

    together = trained(rows)
    played = together.evaluate(RecurringBandit(8 * len(rows), **world), steps=10, greedy=False)
    for s, row in enumerate(rows):
        alone = trained([row])
        for name, whole in together.network.named_parameters():
            torch.testing.assert_close(whole[s : s + 1], alone.network.get_parameter(name), rtol=0, atol=1e-5)
        again = alone.evaluate(RecurringBandit(8, **world), steps=10, greedy=False)
        assert torch.equal(again.action[0], played.action[s]) and torch.equal(again.reward[0], played.reward[s])


def test_the_row_says_how_episodes_are_discounted_and_whether_memory_spans_tasks_and_what_it_sees():
    rows = [Row(0, 0.5), Row(0, 0.8, memory=0, spans_tasks=True), Row(1, 0.8, memory=2)]
    config = replace(SMALL, network="transformer", step_discount=0.9, reward_scale=2.0)
    training = Training(RecurringBandit(12, arms=3, episodes=3, boundary="shown"), config, rows, decisions=48)
    table = training.learner.discounts.rows
    torch.testing.assert_close(table, torch.tensor([[0.9, g, g, 0.0, 0.0] for g in (0.5, 0.8, 0.8)]))
    assert training.learner.config == SMALL.ppo and training.learner.total == 48 // (4 * 6)
    batch = training.player.rollout()
    assert batch.start[:, 3].all(dim=1).tolist() == [True, False, True]
    seen = batch.token[:, 1, :, :6].abs().sum(dim=-1)  # the last action and what it paid
    assert (seen[0] > 0).all() and (seen[1] == 0).all()
    code = batch.token[:, 1, :, -5:].argmax(dim=-1), batch.token[:, 1, :, -5:].sum(dim=-1)
    assert (code[0][0] == 1).all() and code[1][:, 0].tolist() == [1.0, 0.0, 1.0]
    paid = batch.reward[0, 0]
    torch.testing.assert_close(batch.token[0, 1, :, 3:6].sum(dim=-1), 2.0 * paid)
    with torch.no_grad():
        whole = training.network(batch.token, batch.memory, batch.start)[1]
        blurred = batch.token.clone()
        blurred[:, 0] += 1.0
        other = training.network(blurred, batch.memory, batch.start)[1]
    changed = ((whole - other).abs() > 1e-6).any(dim=-1)  # [S, T]; the second block begins with step 3
    assert changed.tolist() == [[True] * 3 + [False] * 3, [True] + [False] * 5, [True] * 2 + [False] * 4]


def test_beyond_a_cut_task_lies_nothing_in_worlds_of_blocks_and_the_future_where_an_episode_is_a_task():
    config = replace(SMALL, network="none", step_discount=0.9)
    row = [Row(0, 0.5)]
    blocks = Training(HiddenGoal(4), config, row, 24)
    episodes = Training(cart_pole(4), config, row, 24)
    told = Training(cart_pole(4), replace(config, task_discount=0.25), row, 24)
    assert [float(each.learner.discounts.rows[0, 4]) for each in (blocks, episodes, told)] == pytest.approx(
        [0.0, 0.9, 0.25]
    )
    assert all(float(each.learner.discounts.rows[0, 3]) == 0.0 for each in (blocks, episodes, told))


def test_the_reward_of_an_update_is_the_mean_of_decisions_alone():
    training = Training(cart_pole(4), replace(SMALL, network="none", steps=40), [Row(0)], decisions=320)
    for _ in range(2):
        assert float(training.update()["reward"]) == 1.0  # CartPole pays 1 a step and 0 for a reset
    assert training.decisions == 320


def test_copies_of_a_vector_environment_begin_apart_and_a_row_begins_as_it_would_alone():
    both = Training(cart_pole(8), SMALL, [Row(3), Row(4)], decisions=24).player._obs
    assert both is not None and len(both.view(8, 4).unique(dim=0)) == 8
    alone = Training(cart_pole(4), SMALL, [Row(4)], decisions=24).player._obs
    assert alone is not None and torch.equal(both[1], alone[0])


def test_tests_are_played_on_tasks_that_training_never_met_unless_seeds_are_given():
    training = Training(RecurringBandit(8, arms=3, episodes=4), SMALL, [Row(2), Row(3)], decisions=24)

    def means(**how):
        world = RecurringBandit(8, arms=3, episodes=4)
        batch = training.evaluate(world, 3, **how)
        return world.means.view(2, 4, 3), batch

    trained = RecurringBandit(8, arms=3, episodes=4)
    trained.reset(seed=[2] * 4 + [3] * 4)
    fresh, batch = means()
    assert not torch.isin(fresh, trained.means).any()
    assert len(fresh.view(8, 3).unique(dim=0)) == 8
    assert torch.equal(means(seeds=[2, 3])[0].view(8, 3), trained.means)
    assert torch.equal(means(seeds=[3, 2])[0], trained.means.view(2, 4, 3).flip(0))
    logs = training.network(batch.token, batch.memory, batch.start)[0]
    assert torch.equal(batch.action, logs.argmax(dim=-1))
    drawn = means(greedy=False)[1].action
    assert not torch.equal(batch.action, drawn)
    whole = training.evaluate(RecurringBandit(8, arms=3, episodes=4))
    assert whole.action.shape == (2, 4, 4)


def test_what_does_not_fit_is_refused_by_name():
    world = RecurringBandit(4, arms=3, episodes=4)
    with pytest.raises(BadValue, match="steps"):
        PPOAgentConfig(steps=0)
    with pytest.raises(BadValue, match="width"):
        PPOAgentConfig(width=0)
    with pytest.raises(BadValue, match="reward_scale"):
        PPOAgentConfig(reward_scale=0.0)
    with pytest.raises(BadValue, match="rows"):
        Training(world, SMALL, [])
    with pytest.raises(BadValue, match="decisions"):
        Training(world, SMALL, [Row(0)], decisions=23)
    shifted = Recall(4)
    shifted.single_action_space = Discrete(2, start=1)
    with pytest.raises(BadValue, match="action_space"):
        Training(shifted, SMALL, [Row(0)], decisions=24)
    training = Training(world, SMALL, [Row(0)], decisions=24)
    with pytest.raises(BadValue, match="steps"):
        training.evaluate(world, steps=0)
    with pytest.raises(BadValue, match="seeds"):
        training.evaluate(world, steps=4, seeds=[1, 2])
    with pytest.raises(BadValue, match="steps"):
        Training(Recall(4), SMALL, [Row(0)], decisions=24).evaluate(Recall(4))


@pytest.mark.parametrize("form", ["sync", "vector_entry_point"])
def test_gymnasiums_own_vector_environments_train_by_array_conversion(form):
    environments = ArrayConversion(gymnasium.make_vec("CartPole-v1", 8, vectorization_mode=form), numpy, torch)
    training = Training(environments, PPOAgentConfig(steps=16), [Row(seed=0), Row(seed=1)], decisions=128)
    training.run()
    assert training.decisions == 128
    assert training.learner.errors == (None, None)
    counted = training.evaluate(environments, steps=40).counted
    assert counted.any(dim=1).all() and not counted.all()


def test_a_recurrent_policy_recalls_the_cue_and_one_without_memory_cannot():
    def success(kind):
        config = PPOAgentConfig(
            network=kind, width=16, steps=8, step_discount=1.0, ppo=PPOConfig(learning_rate=1e-2, minibatches=2)
        )
        training = Training(Recall(64), config, [Row(seed=0)], decisions=64 * 8 * 60)
        training.run()
        return training.evaluate(Recall(256), steps=4).reward.sum(dim=1).mean().item()

    assert success("gru") > 0.95
    assert success("none") < 0.65
