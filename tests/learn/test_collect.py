from __future__ import annotations

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.learn.collect import Collector
from wayfare.learn.tokens import Tokens
from wayfare.learn.value_network import ValueNetwork
from wayfare.networks import memory_network
from wayfare.worlds.boundary import Boundary


class Counting:
    """Shows its clock; blocks of `block` steps that are truncated; the reward is the action."""

    def __init__(self, num_envs, block):
        self.num_envs, self.block = num_envs, block

    def reset(self, *, seed=None, options=None):
        self.clock = 0
        return torch.zeros(self.num_envs, 1), {}

    def step(self, actions):
        self.clock += 1
        ends = self.clock % self.block == 0
        code = Boundary.TASK_TRUNCATED if ends else Boundary.EPISODE_TERMINATED
        info = {"boundary": torch.full((self.num_envs,), code, dtype=torch.int8)}
        clock = torch.full((self.num_envs, 1), float(self.clock))
        if ends:
            info["final_obs"] = clock
        never = torch.zeros(self.num_envs, dtype=torch.bool)
        return torch.zeros_like(clock) if ends else clock, actions.float(), never, never | ends, info


def network(seeds, actions=3):
    tokens = Tokens(1, actions, (False,) * len(seeds))
    return ValueNetwork(tokens, memory_network("gru", tokens.width, 4, seeds), 4, seeds)


def collector(seeds, copies=6, block=4, steps=6, **options):
    world = Counting(len(seeds) * copies, block)
    return Collector(world, network(seeds), seeds, options.pop("spans", [False] * len(seeds)), steps, **options)


def test_a_rollout_is_what_happened():
    batch = collector([0]).rollout(progress=0.0)
    assert batch.obs[0, :, 0, 0].tolist() == [0, 1, 2, 3, 0, 5, 6]
    assert batch.start[0, :, 0].tolist() == [True, False, False, False, True, False, False]
    assert torch.equal(batch.reward, batch.action.float())
    assert (batch.boundary == Boundary.TASK_TRUNCATED)[0, :, 0].tolist() == [False, False, False, True, False, False]


def test_a_block_that_is_cut_at_the_last_step_shows_its_final_observation():
    batch = collector([0], steps=4).rollout(progress=0.0)
    assert batch.obs[0, -1, 0, 0] == 4
    assert not batch.start[0, -1].any()


def test_memory_goes_on_over_tasks_where_it_should():
    batch = collector([0, 0], spans=[False, True]).rollout(progress=0.0)
    assert batch.start[0, 4].all() and not batch.start[1, 4].any()


def test_a_row_plays_in_a_stack_as_it_plays_alone():
    stack, alone = collector([4, 7, 9]), collector([7])
    for progress in (0.0, 0.5, 1.0):
        together, single = stack.rollout(progress), alone.rollout(progress)
        assert torch.equal(together.action[1:2], single.action)
        assert not torch.equal(together.action[0], together.action[1])


def test_rollouts_differ_and_start_again_from_the_same_draws():
    first, again = collector([4]), collector([4])
    one, two = first.rollout(0.0), first.rollout(0.0)
    assert not torch.equal(one.action, two.action)
    assert torch.equal(one.action, again.rollout(0.0).action)


def test_followers_of_a_finished_agent_are_mostly_greedy():
    play = collector([0], copies=400, steps=8, block=8, scripted=0.0)
    batch = play.rollout(progress=1.0)
    with torch.no_grad():
        greedy = play.network.sequence(play.network.tokens.sequence(batch), batch.start)[:, :-1].argmax(-1)
    assert (batch.action == greedy).float().mean() > 0.88  # mean epsilon 1/8, a third of it lands on the greedy action
    batch = play.rollout(progress=0.0)
    assert 0.5 < (batch.action == greedy).float().mean() < 0.8


def test_a_world_that_does_not_divide_is_refused():
    with pytest.raises(BadValue, match=r"world\.num_envs must be a multiple of the 2 rows, got 5"):
        Collector(Counting(5, 2), network([0, 1]), [0, 1], [False, False], 3)
