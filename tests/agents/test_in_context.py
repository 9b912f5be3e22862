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


@pytest.mark.parametrize("network", ["transformer", "gru"])
def test_one_state_can_be_gone_on_from_twice(network):
    agent = Agent.train(bandit(boundary="shown"), replace(SMALL, network=network), updates=2)
    obs = np.eye(5)
    state = agent.initial_state()
    for t in range(3):
        _, state = agent.act(obs[t], state, 0.5 * t)
    alone = agent.act(obs[4], agent.act(obs[3], state, 1.0)[1], 2.0)[1]
    branch = agent.act(obs[3], state, 1.0)[1]
    agent.act(obs[0], state, -1.0)  # another future of the same past
    after = agent.act(obs[4], branch, 2.0)[1]

    def values(end):
        token = agent.network.tokens.step(end.obs, end.action, torch.ones(1, 1), end.start, end.obs)
        return agent.network(token, end.memory, end.start.unsqueeze(1))[0]

    assert torch.equal(values(after), values(alone))


def test_a_world_that_does_not_fit_is_refused_by_name():
    agent = Agent.train(bandit(boundary="shown"), SMALL, updates=1)
    for world in (bandit(boundary="hidden"), bandit(arms=2, boundary="shown"), HiddenGoal(4)):
        with pytest.raises(BadValue, match="world must be one like that of training"):
            agent.evaluate(world)
    for steps in (0, -4):
        with pytest.raises(BadValue, match="steps must be at least 1"):
            agent.evaluate(bandit(boundary="shown"), steps=steps)
    for raw in (Lock(), Lock, gym.make_vec("CartPole-v1")):
        with pytest.raises(BadValue, match=r"world must be a wayfare World: RepeatTask\(make_env, episodes=...\)"):
            Agent.train(raw, SMALL, updates=1)


def test_rewards_that_are_no_numbers_are_warned_of():
    class Broken(Lock):
        def step(self, action):
            return np.zeros(1, np.float32), float("nan"), True, False, {}

    with pytest.warns(UserWarning, match="1 of 1 rows stopped learning"):
        agent = Agent.train(RepeatTask(Broken, episodes=4, steps=1, num_envs=4), SMALL, updates=2)
    assert agent.errors[0] is not None


@pytest.mark.parametrize(
    ("obs", "state", "reward", "message"),
    [
        ([0.0, 1.0], True, 0.0, "obs must be 5 numbers"),
        ("abc", True, 0.0, "obs and reward must be numbers"),
        ([0.0, 1.0, 0.0, 0.0, np.nan], True, 0.0, "obs and reward must be finite"),
        ([0.0] * 5, True, None, "obs and reward must be numbers"),
        ([0.0] * 5, False, 0.0, "state must be from initial_state"),
    ],
)
def test_what_cannot_be_acted_on_is_refused_by_name(obs, state, reward, message):
    agent = Agent.train(bandit(boundary="shown"), SMALL, updates=1)
    with pytest.raises(BadValue, match=message):
        agent.act(obs, agent.initial_state() if state else None, reward)


def test_a_file_cut_short_or_saved_nowhere_is_refused(tmp_path):
    agent = Agent.train(bandit(), SMALL, updates=1)
    agent.save(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    for size in (len(content) // 2, 10, 0):
        (tmp_path / "cut").write_bytes(content[:size])
        with pytest.raises(BadValue, match=r"path must be a file that Agent\.save wrote"):
            Agent.load(tmp_path / "cut")
    kept = torch.load(tmp_path / "whole", weights_only=True)
    for name in ("rows", "parameters", "config"):
        torch.save({each: value for each, value in kept.items() if each != name}, tmp_path / "less")
        with pytest.raises(BadValue, match="path must be a whole file"):
            Agent.load(tmp_path / "less")
    for path in (tmp_path / "none" / "agent", ""):
        with pytest.raises(FileNotFoundError, match="no folder to write the agent to"):
            agent.save(path)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Row(episode_discount=1.5), "episode_discount must be between 0 and 1, got 1.5"),
        (lambda: Row(memory=-1), "memory must be an integer of at least 0, or None for all, got -1"),
        (lambda: Row(memory=1.5), "memory must be an integer of at least 0, or None for all, got 1.5"),
        (lambda: Row(seed=-1), "seed must be an integer from 0"),
        (lambda: AgentConfig(width=0), "width must be an integer of at least 1, got 0"),
        (lambda: AgentConfig(width=8.5), "width must be an integer"),
        (lambda: AgentConfig(width=33), "heads must be a divisor of the width 33, got 2"),
        (lambda: AgentConfig(network="rnn"), "network must be one of none, gru, lstm, transformer"),
        (lambda: AgentConfig(positions="foo"), "positions must be one of"),
        (lambda: AgentConfig(tau=2), "tau must be above 0 and at most 1"),
        (lambda: AgentConfig(weight_decay=-1), "weight_decay must be at least 0"),
        (lambda: AgentConfig(learning_rate=float("inf")), "learning_rate must be above 0 and finite"),
        (
            lambda: Agent.train(bandit(), SMALL, [Row()], seed=3, updates=1),
            "seed must be left out where rows are given",
        ),
        (lambda: Agent.train(bandit(), SMALL, updates=2.5), "updates must be an integer"),
        (lambda: AgentConfig(learning_rate=0), "learning_rate must be above 0 and finite, got 0"),
        (lambda: AgentConfig(scripted=2), "scripted must be between 0 and 1, got 2"),
        (lambda: Agent.train(bandit(), SMALL, updates=0), "updates must be an integer of at least 1, got 0"),
        (lambda: Agent.train(bandit(), SMALL, [], updates=1), r"rows must be at least one row, got \(\)"),
        (lambda: Agent.train(bandit(5), SMALL, [Row(), Row()], updates=1), "num_envs must be a multiple of the 2 rows"),
    ],
)
def test_what_cannot_be_is_refused_by_name(build, message):
    with pytest.raises(BadValue, match=message):
        build()
