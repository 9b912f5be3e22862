"""Any gymnasium environment, repeated."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Sequence

from wayfare.errors import BadValue
from wayfare.worlds import Boundary, RepeatTask, SingleCopy, check_world


class Count(gymnasium.Env):
    """Shows the steps since its reset, pays them plus a tenth of the last digit of its seed, ends after 3 or 4."""

    observation_space = MultiDiscrete([10, 10])
    action_space = Discrete(2, start=5)

    def __init__(self):
        self.resets = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.resets.append(seed)
        self.digit, self.t = seed % 10, 0
        return np.array([0, self.digit]), {}

    def step(self, action):
        assert action in self.action_space
        self.t += 1
        return np.array([self.t, self.digit]), self.t + self.digit / 10, action == 6 and self.t == 3, self.t == 4, {}


def test_a_block_is_the_same_task_with_reset_frames_in_between():
    made = []
    world = RepeatTask(lambda: made.append(Count()) or made[-1], episodes=2)
    obs, _ = world.reset(seed=3)
    task = int(world.task)
    digit = task % 10

    def shown(t, code):
        assert obs[0, :20].view(2, 10).argmax(1).tolist() == [t, digit]
        assert obs[0, 20:].argmax() == code

    shown(0, Boundary.RUNNING)
    # Two episodes, the first cut at 4, the second ended at 3; the step between them is the reset frame.
    rows = [(0, 1, 0), (0, 2, 0), (0, 3, 0), (0, 4, 2), (1, 0, 0), (1, 1, 0), (1, 2, 0)]
    for action, (episode, t, code) in zip([0, 0, 0, 0, 1, 1, 1], rows, strict=True):
        obs, reward, terminated, truncated, info = world.step(torch.tensor([action]))
        assert (int(info["inner_episode"]), int(info["boundary"])) == (episode, code)
        assert float(reward) == pytest.approx(t + digit / 10 if t else 0.0)
        assert not terminated and not truncated
        shown(t, code)
    obs, _, terminated, truncated, info = world.step(torch.tensor([1]))
    assert terminated and not truncated and int(info["boundary"]) == Boundary.TASK_TERMINATED
    assert info["final_obs"][0, :10].argmax() == 3 and info["final_obs"][0, 20:].argmax() == Boundary.TASK_TERMINATED
    assert made[0].resets == [task, task, int(world.task)] and int(world.task) != task
    digit = int(world.task) % 10
    shown(0, Boundary.RUNNING)


def test_all_five_codes_come_from_ends_and_cuts():
    world = RepeatTask(Count, episodes=2, boundary="hidden")
    seen = set()
    for action in (0, 1):
        world.reset(seed=0)
        for _ in range(9):
            seen.add(int(world.step(torch.tensor([action]))[4]["boundary"]))
    assert seen == set(Boundary)


def test_steps_cut_inner_episodes():
    world = RepeatTask(Count, episodes=3, steps=2)
    assert world.block_steps == 3 * 2 + 2
    world.reset(seed=0)
    codes = [int(world.step(torch.tensor([0]))[4]["boundary"]) for _ in range(8)]
    assert codes == [0, 2, 0, 0, 2, 0, 0, 4]


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        ("FrozenLake-v1", {}),
        ("CartPole-v1", {"boundary": "hidden"}),
        ("Taxi-v4", {"steps": 5, "law": "geometric", "most_episodes": 3}),
        ("Pendulum-v1", {"steps": 4}),
        (Count, {"episodes": [1, 2, 3]}),
    ],
)
def test_stock_environments_keep_the_contract(make, arguments):
    check_world(RepeatTask(make, **{"episodes": 2, "num_envs": 3, **arguments}), 60)


def test_the_same_actions_meet_the_same_fate_in_every_episode_of_a_block():
    """FrozenLake slips by chance; the chance is part of the task."""
    world = RepeatTask("FrozenLake-v1", episodes=3, num_envs=8, boundary="hidden")
    obs, _ = world.reset(seed=1)
    walks = [[[int(o.argmax())]] for o in obs]
    step = np.zeros(8, dtype=int)
    for _ in range(60):
        obs, _, _, _, info = world.step(torch.from_numpy(np.array([1, 2, 2, 1, 0, 3])[step % 6]))
        for i in range(8):
            if len(walks[i]) > 3:
                continue
            if int(info["inner_episode"][i]) == len(walks[i]):
                walks[i].append([int(obs[i].argmax())])
                step[i] = 0
                continue
            step[i] += 1
            shown = info["final_obs"] if int(info["boundary"][i]) >= 3 else obs
            walks[i][-1].append(int(shown[i].argmax()))
            if int(info["boundary"][i]) >= 3:
                walks[i] += [None, None]
    whole = [walk[:3] for walk in walks if len(walk) > 3]
    assert len(whole) >= 4
    assert all(walk[0] == walk[1] == walk[2] for walk in whole)
    assert len({tuple(walk[0]) for walk in whole}) > 1


def test_a_user_plays_her_own_environment_through_a_single_copy():
    env = SingleCopy(RepeatTask(Count(), episodes=2))
    obs, _ = env.reset(seed=1)
    done, steps = False, 0
    while not done:
        obs, _, terminated, truncated, _ = env.step(0)
        done, steps = terminated or truncated, steps + 1
    assert steps == 4 + 1 + 4
    assert obs.shape == (25,)
    env.close()


def test_nested_observations_are_flattened():
    class Nested(Count):
        observation_space = Dict({"a": Box(-1, 1, (2, 2)), "b": Discrete(3)})

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return {"a": np.full((2, 2), 0.5), "b": 1}, {}

        def step(self, action):
            return {"a": np.full((2, 2), -0.5), "b": 2}, *super().step(action)[1:]

    world = RepeatTask(Nested, boundary="hidden", steps=4)
    assert world.reset(seed=0)[0].tolist() == [[0.5, 0.5, 0.5, 0.5, 0.0, 1.0, 0.0]]
    assert world.step(torch.tensor([0]))[0].tolist() == [[-0.5, -0.5, -0.5, -0.5, 0.0, 0.0, 1.0]]


def _spaced(**spaces):
    return type("Odd", (Count,), spaces)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"make_env": "NoSuchEnv-v7"}, "make_env"),
        ({"make_env": 3}, "make_env"),
        ({"make_env": lambda: 3}, "make_env"),
        ({"make_env": Count(), "num_envs": 2}, "make_env"),
        ({"make_env": lambda env=Count(): env, "num_envs": 2}, "make_env"),  # noqa: B008
        ({"make_env": Count, "episodes": 0}, "episodes"),
        ({"make_env": Count, "steps": 0}, "steps"),
        ({"make_env": Count, "num_envs": 0}, "num_envs"),
        ({"make_env": Count, "reward_bound": -1.0}, "reward_bound"),
        ({"make_env": _spaced(action_space=MultiDiscrete([2, 2]))}, "action_space"),
        ({"make_env": _spaced(observation_space=Sequence(Discrete(2)))}, "observation_space"),
    ],
)
def test_impossible_arguments_are_refused_by_name(arguments, field):
    with pytest.raises(BadValue) as refused:
        RepeatTask(**arguments)
    assert refused.value.field == field


def test_what_is_not_known_is_asked_for_or_refused():
    world = RepeatTask(Count)
    world.reset(seed=0)
    with pytest.raises(BadValue, match="steps must be given"):
        _ = world.block_steps
    with pytest.raises(BadValue, match="optimum is known"):
        world.oracle_return()
    with pytest.raises(BadValue, match="prior is known"):
        world.bayes_return()
    with pytest.raises(BadValue, match="actions must be between 0 and 1"):
        world.step(torch.tensor([2]))
    box = RepeatTask("Pendulum-v1")
    box.reset(seed=0)
    with pytest.raises(BadValue, match="actions must be of shape"):
        box.step(torch.zeros(2, 1))
    with pytest.raises(BadValue, match="discrete"):
        _ = box.num_actions


def test_frames_are_those_of_the_environment():
    world = RepeatTask(lambda: gymnasium.make("FrozenLake-v1", render_mode="ansi"), num_envs=2)
    world.reset(seed=0)
    assert [type(frame) for frame in world.render()] == [str, str]
    assert RepeatTask(Count).render() is None
    world.close()
