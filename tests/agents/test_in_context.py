from __future__ import annotations

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch

from wayfare.agents import Agent, AgentConfig, Row
from wayfare.errors import BadValue
from wayfare.learn.sequences import TASK_ENDED, Sequences
from wayfare.worlds import HiddenGoal, RecurringBandit, RepeatTask

SMALL = AgentConfig(width=8, blocks=4, replay=2)


def bandit(copies=4, **options):
    return RecurringBandit(copies, **({"episodes": 5} | options))


def parameters(agent):
    return torch.cat([each.flatten(1) for each in agent.network.parameters()], dim=1)


def test_the_same_seed_gives_the_same_bits():
    one, two = (Agent.train(bandit(), SMALL, updates=6, seed=3) for _ in range(2))
    assert torch.equal(parameters(one), parameters(two))


def test_a_row_learns_in_a_stack_what_it_learns_alone():
    rows = [Row(seed=1), Row(seed=1, episode_discount=0.0), Row(seed=2, memory=0)]
    stack = Agent.train(bandit(12), SMALL, rows, updates=20)
    for index, row in enumerate(rows):
        alone = Agent.train(bandit(4), SMALL, [row], updates=20)
        torch.testing.assert_close(parameters(stack)[index], parameters(alone)[0], rtol=0, atol=1e-5)


def test_conditions_of_one_seed_are_tested_on_the_same_tasks():
    agent = Agent.train(bandit(8), SMALL, [Row(seed=1), Row(seed=1)], updates=2)
    played = agent.evaluate(bandit(8))
    assert np.array_equal(played.reward[0], played.reward[1])
    assert not np.array_equal(played.reward[0, :, 0], played.reward[0, :, 1])


def test_progress_is_told_to_the_end():
    told = []
    Agent.train(bandit(), SMALL, updates=12, progress=lambda done, total, **more: told.append((done, total, set(more))))
    assert told == [(10, 12, {"loss", "reward"}), (12, 12, {"loss", "reward"})]


def test_training_ends_when_it_is_told_to_and_asking_changes_nothing():
    asked = []

    def until(agent, done):
        agent.evaluate(bandit(8))
        asked.append(done)
        return done >= 4

    stopped = Agent.train(bandit(), SMALL, updates=20, until=until)
    assert asked == [0, 4]
    unasked = Agent.train(bandit(), SMALL, updates=20, until=lambda agent, done: done >= 4)
    assert torch.equal(parameters(stopped), parameters(unasked))


def test_a_trajectory_speaks_of_every_step():
    agent = Agent.train(bandit(), SMALL, updates=2)
    played = agent.evaluate(bandit(6), steps=10)
    assert (
        played.action.shape
        == played.reward.shape
        == played.boundary.shape
        == played.expected_reward.shape
        == (1, 10, 6)
    )
    assert np.array_equal(played.episode[0, :, 0], [0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
    assert (played.boundary[:, 4::5] >= TASK_ENDED).all()
    assert abs(played.expected_reward - played.reward).max() > 0


def test_a_saved_agent_acts_as_before(tmp_path):
    agent = Agent.train(bandit(8), SMALL, [Row(seed=1), Row(seed=2, memory=2)], updates=4)
    agent.save(tmp_path / "agent.pt")
    loaded = Agent.load(tmp_path / "agent.pt")
    assert loaded.rows == agent.rows and loaded.config == agent.config and loaded.errors == agent.errors
    assert np.array_equal(agent.evaluate(bandit(16)).action, loaded.evaluate(bandit(16)).action)
    assert [path.name for path in tmp_path.iterdir()] == ["agent.pt"]


def test_a_file_that_is_no_agent_is_refused(tmp_path):
    path = tmp_path / "agent.pt"
    path.write_text("hello")
    with pytest.raises(BadValue, match=r"path must be a file that Agent\.save wrote"):
        Agent.load(path)
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(BadValue, match=r"path must be a file that Agent\.save wrote"):
        Agent.load(path)
    agent = Agent.train(bandit(), SMALL, updates=1)
    agent.save(path)
    content = torch.load(path, weights_only=True)
    torch.save({**content, "version": 99}, path)
    with pytest.raises(BadValue, match="version must be 1: the file is from another release of Wayfare, got 99"):
        Agent.load(path)


@pytest.mark.parametrize("network", ["transformer", "gru", "none"])
@pytest.mark.parametrize("boundary", ["hidden", "shown"])
def test_acting_in_one_environment_equals_the_batch_step_for_step(network, boundary):
    config = AgentConfig(network=network, width=8, blocks=4, replay=2)
    world = HiddenGoal(1, size=3, episodes=2, steps=3, boundary=boundary)
    agent = Agent.train(HiddenGoal(4, size=3, episodes=2, steps=3, boundary=boundary), config, updates=4)
    batch = agent.evaluate(world, steps=14, seeds=[5])
    obs, _ = world.reset(seed=[5])
    state, reward = agent.initial_state(), 0.0
    for t in range(14):
        action, state = agent.act(obs[0].numpy(), state, reward)
        assert action == batch.action[0, t, 0]
        obs, rewards, terminated, truncated, _ = world.step(torch.tensor([action]))
        reward = float(rewards[0])
        if terminated[0] or truncated[0]:
            state = agent.initial_state()


def test_values_of_given_histories_are_those_that_acting_sees():
    agent = Agent.train(bandit(), SMALL, updates=4)
    played = agent.evaluate(bandit(6))
    histories = Sequences(
        obs=torch.zeros(1, 6, 6, 1),
        action=torch.as_tensor(played.action),
        reward=torch.as_tensor(played.reward),
        boundary=torch.as_tensor(played.boundary),
        start=torch.eye(6, dtype=torch.bool)[:1].unsqueeze(-1).expand(1, 6, 6),
    )
    values = agent.values(histories, chunk=4)
    assert values.shape == (1, 6, 6, 3)
    assert np.array_equal(values[:, :-1].argmax(-1).numpy(), played.action)


def test_one_row_taken_out_acts_as_it_did_in_the_stack():
    agent = Agent.train(bandit(8), SMALL, [Row(seed=1), Row(seed=2)], updates=4)
    alone = agent.row(1).evaluate(bandit(5))
    assert np.array_equal(alone.action[0], agent.evaluate(bandit(10)).action[1])
    with pytest.raises(BadValue, match="row must be between 0 and 1, got 2"):
        agent.row(2)
    with pytest.raises(BadValue, match="rows must be 1 to act in one environment"):
        agent.act([0.0], agent.initial_state())


def test_a_row_that_diverges_keeps_its_error_and_the_others_go_on():
    world = bandit(8)
    world.reward_bound = 1e-6
    agent = Agent.train(world, SMALL, [Row(seed=1), Row(seed=2)], updates=3)
    assert "row 0 left the range of its returns at update 0" in agent.errors[0]
    assert "row 1" in agent.errors[1]


class Lock(gym.Env):
    """Four keys, one opens; which one is the task. Nothing is seen but whether it opened."""

    observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.key = int(self.np_random.integers(4))
        return np.zeros(1, np.float32), {}

    def step(self, action):
        opened = action == self.key
        return np.array([opened], np.float32), float(opened), True, False, {}


def test_sequences_that_nothing_bounds_are_warned_of_and_bounded_ones_are_not(recwarn):
    Agent.train(RepeatTask("MountainCar-v0", episodes=1, num_envs=2), replace(SMALL, steps=3), updates=1)
    Agent.train(bandit(), SMALL, updates=1)
    assert not recwarn
    endless = RepeatTask(lambda: gym.make("CartPole-v1").unwrapped, episodes=2, num_envs=2)
    with pytest.warns(UserWarning, match="sequences of 256 decisions"):
        Agent.train(endless, replace(SMALL, blocks=2), updates=1)


def test_an_agent_learns_to_find_out_and_remember_in_an_environment_of_ones_own():
    env = RepeatTask(Lock, episodes=8, num_envs=32, steps=1)
    agent = Agent.train(env, updates=300, seed=1)
    played = agent.evaluate(RepeatTask(Lock, episodes=8, num_envs=64, steps=1))
    pays = [played.reward[played.episode == episode].sum() / 64 for episode in range(8)]
    assert pays[0] < 0.5
    assert min(pays[4:]) > 0.9


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Row(episode_discount=1.5), "episode_discount must be between 0 and 1, got 1.5"),
        (lambda: Row(memory=-1), "memory must be at least 0, or None for all, got -1"),
        (lambda: AgentConfig(width=0), "width must be at least 1, got 0"),
        (lambda: AgentConfig(learning_rate=0), "learning_rate must be above 0, got 0"),
        (lambda: AgentConfig(scripted=2), "scripted must be between 0 and 1, got 2"),
        (lambda: Agent.train(bandit(), SMALL, updates=0), "updates must be at least 1, got 0"),
        (lambda: Agent.train(bandit(), SMALL, [], updates=1), r"rows must be at least one row, got \(\)"),
        (lambda: Agent.train(bandit(5), SMALL, [Row(), Row()], updates=1), "num_envs must be a multiple of the 2 rows"),
    ],
)
def test_what_cannot_be_is_refused_by_name(build, message):
    with pytest.raises(BadValue, match=message):
        build()
