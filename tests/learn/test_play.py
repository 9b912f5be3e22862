from __future__ import annotations

import gymnasium
import numpy
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import ArrayConversion

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.learn.play import Player, _sample
from wayfare.learn.policy_network import PolicyNetwork
from wayfare.learn.tokens import Tokens
from wayfare.networks import memory_network
from wayfare.worlds import HiddenGoal, RecurringBandit
from wayfare.worlds.boundary import Boundary


class Counting(gymnasium.Env):
    """Observes 100 * episode + step; episodes of `length` steps, the odd ones truncated, the even ones terminated."""

    observation_space, action_space = Box(0, 1e6, (1,)), Discrete(2)

    def __init__(self, length):
        self.length, self.episode = length, -1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.clock = self.episode + 1, 0
        return self._obs(), {}

    def step(self, action):
        self.clock += 1
        ends, odd = self.clock == self.length, self.episode % 2 == 1
        return self._obs(), 1.0, ends and not odd, ends and odd, {}

    def _obs(self):
        return numpy.array([100.0 * self.episode + self.clock], dtype=numpy.float32)


def counting(lengths, mode=AutoresetMode.NEXT_STEP):
    makers = [lambda length=length: Counting(length) for length in lengths]
    return ArrayConversion(SyncVectorEnv(makers, autoreset_mode=mode), numpy, torch)


class Cut:
    """Episodes of `length` steps, all truncated by a reset in the same step; the last observation is 0.5 throughout."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, num_envs, length):
        self.num_envs, self.length, self.clock = num_envs, length, 0

    def reset(self, *, seed=None, options=None):
        return torch.ones(self.num_envs, 2), {}

    def step(self, actions):
        self.clock += 1
        ends = self.clock % self.length == 0
        cut = torch.full((self.num_envs,), ends)
        info = {"final_obs": torch.full((self.num_envs, 2), 0.5)} if ends else {}
        return torch.full((self.num_envs, 2), float(ends)), actions.float(), torch.zeros_like(cut), cut, info


class Torch:
    """A vector environment that resets in the same step, as torch tensors; its final observations stay as they come.

    (gymnasium 1.4's `ArrayConversion` fails on these, an array of objects with gaps.)
    """

    def __init__(self, lengths):
        makers = [lambda length=length: Counting(length) for length in lengths]
        self.inner = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
        self.num_envs, self.metadata = self.inner.num_envs, self.inner.metadata

    def reset(self, **how):
        obs, info = self.inner.reset(**how)
        return torch.tensor(obs), info

    def step(self, actions):
        *answer, info = self.inner.step(actions.numpy())
        return (*map(torch.tensor, answer), info)


def network(seeds, kind="gru", observations=1, actions=3, width=8):
    tokens = Tokens(observations, actions, (False,) * len(seeds))
    memory = memory_network(kind, tokens.width, width, seeds, context=16)
    net = PolicyNetwork(tokens, memory, width, seeds)
    with torch.no_grad():
        net.actor.weight.mul_(100.0)  # far from uniform, so that actions depend on what was seen
    return net


def bandit(net, seeds, steps, copies=3, spans_tasks=None, greedy=False):
    """Tasks of four pulls."""
    player = Player(RecurringBandit(copies * len(seeds), arms=3, episodes=4), net, seeds, steps, spans_tasks, greedy)
    repeated = [seed for seed in seeds for _ in range(copies)]
    player.begin(seed=repeated, options={"copy": torch.arange(copies).repeat(len(seeds))})
    return player


@pytest.mark.parametrize("kind", ["gru", "lstm", "transformer", "none"])
def test_learning_reruns_what_was_played_from_the_stored_memory(kind):
    net = network([0, 1], kind, observations=9, actions=4)
    plays = Player(HiddenGoal(10, size=3, episodes=2, steps=3), net, [0, 1], 4)
    plays.begin(seed=0)
    for _ in range(3):
        batch = plays.rollout()
        logs, value, _ = net(batch.token, batch.memory, batch.start)
        again = logs.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)
        torch.testing.assert_close(again, batch.log_probability, rtol=0, atol=1e-5)
        torch.testing.assert_close(value, batch.value, rtol=0, atol=1e-5)
        joined = batch.joined[:, :-1]
        torch.testing.assert_close(batch.next_value[:, :-1][joined], batch.value[:, 1:][joined], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_two_short_rollouts_equal_one_long_one(kind):
    seeds, spans = [0, 1], [False, True]
    whole = bandit(network(seeds, kind), seeds, 10, spans_tasks=spans).rollout()
    player = bandit(network(seeds, kind), seeds, 5, spans_tasks=spans)
    first, second = player.rollout(), player.rollout()
    for name in ("token", "start", "action", "log_probability", "value", "reward", "boundary", "next_value", "joined"):
        halves = torch.cat([getattr(first, name), getattr(second, name)], dim=1)
        torch.testing.assert_close(halves, getattr(whole, name), rtol=0, atol=1e-6)
    again = player.network(first.token, first.memory, first.start)[1]  # the stored memory is that of before
    torch.testing.assert_close(again, first.value, rtol=0, atol=1e-6)


def test_the_value_after_a_rollout_is_that_of_the_next_one_also_where_it_begins_a_block():
    for steps in (3, 4):
        player = bandit(network([0]), [0], steps)
        first, second = player.rollout(), player.rollout()
        torch.testing.assert_close(first.next_value[:, -1], second.value[:, 0], rtol=0, atol=1e-6)
        assert second.start[:, 0].all() == (steps == 4)


def test_memory_outlives_episodes_and_ends_with_the_task_unless_told_to_span():
    net = network([0, 0])
    batch = bandit(net, [0, 0], 8, spans_tasks=[False, True]).rollout()
    assert batch.boundary[0, :, 0].tolist() == [1, 1, 1, 3] * 2
    assert batch.start[:, :, 0].tolist() == [[True, False, False, False] * 2, [True] + [False] * 7]
    assert batch.joined[:, :, 0].tolist() == [[True, True, True, False] * 2, [True] * 8]
    start = torch.zeros_like(batch.start)
    whole = net(batch.token, net.initial_state(3), start)[1]
    late = net(batch.token[:, 4:], net.initial_state(3), start[:, 4:])[1]
    torch.testing.assert_close(batch.value[:, :4], whole[:, :4], rtol=0, atol=1e-6)
    torch.testing.assert_close(batch.value[0, 4:], late[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(batch.value[1, 4:], whole[1, 4:], rtol=0, atol=1e-6)
    assert not torch.allclose(whole[0, 4:], late[0], atol=1e-3)


def test_a_token_holds_the_last_action_and_what_it_paid_but_for_the_first_of_a_memory():
    batch = bandit(network([0, 1]), [0, 1], 6).rollout()
    one_hot = torch.nn.functional.one_hot(batch.action, 3).float()
    last = torch.cat([one_hot, one_hot * batch.reward.unsqueeze(-1)], dim=-1)[:, :-1]
    last[:, 3] = 0.0  # step 4 is the first of the second block
    assert torch.equal(batch.token[:, 1:, :, :6], last)
    assert not batch.token[:, 0, :, :6].any()


def test_actions_are_drawn_by_the_inverse_distribution_function_from_draws_of_row_copy_and_step():
    probability = torch.tensor([0.2, 0.0, 0.5, 0.3]).expand(7, 4)
    uniform = torch.tensor([0.0, 0.19, 0.21, 0.69, 0.71, 0.999, 1.0])
    assert _sample(probability, uniform).tolist() == [0, 0, 2, 2, 3, 3, 3]
    net = network([5, 6])
    player = bandit(net, [5, 6], 4)
    for rollout in range(2):
        batch = player.rollout()
        logs = net(batch.token, batch.memory, batch.start)[0]
        for s, seed in enumerate((5, 6)):
            steps = torch.arange(4 * rollout, 4 * rollout + 4).unsqueeze(1)
            draws = Stream(seed, "policy").uniform(torch.arange(3).unsqueeze(0), steps).float()
            assert torch.equal(_sample(logs[s].exp(), draws), batch.action[s])
        taken = logs.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)
        torch.testing.assert_close(taken, batch.log_probability, rtol=0, atol=1e-6)


def test_a_greedy_player_takes_the_likeliest_action():
    net = network([0])
    batch = bandit(net, [0], 8, copies=16, greedy=True).rollout()
    logs = net(batch.token, batch.memory, batch.start)[0]
    assert torch.equal(batch.action, logs.argmax(dim=-1))


def test_each_copy_that_was_cut_is_valued_by_its_own_final_observation():
    net = network([0], actions=2)
    plays = Player(Torch([2, 3, 4]), net, [0], 12)
    plays.begin()
    batch = plays.rollout()
    assert batch.counted.all()
    for copy, length in enumerate((2, 3, 4)):
        ends = list(range(length - 1, 12, length))
        assert batch.boundary[0, ends, copy].tolist() == ([3, 4] * 6)[: len(ends)]
        for cut in ends[1::2]:
            token = net.tokens.step(
                torch.full((1, 1, 1), 100.0 * (cut // length) + length),
                batch.action[:, cut, copy : copy + 1],
                batch.reward[:, cut, copy : copy + 1],
                torch.zeros(1, 1, dtype=torch.bool),
            )
            begun = cut - length + 1
            episode = torch.cat([batch.token[:, begun : cut + 1, copy : copy + 1], token], dim=1)
            value = net(episode, net.initial_state(1), torch.zeros(1, length + 1, 1, dtype=torch.bool))[1]
            torch.testing.assert_close(batch.next_value[0, cut, copy], value[0, -1, 0], rtol=0, atol=1e-6)
            assert not batch.joined[0, cut, copy]


def test_an_end_that_is_both_terminated_and_truncated_is_terminated():
    class Both(Cut):
        def step(self, actions):
            obs, reward, _, cut, info = super().step(actions)
            return obs, reward, cut, cut, info

    batch = Player(Both(3, 2), network([0], observations=2, actions=2), [0], 2).rollout()
    assert batch.boundary[0, :, 0].tolist() == [Boundary.RUNNING, Boundary.TASK_TERMINATED]


def test_dummy_steps_of_a_late_reset_are_no_decisions_and_memory_begins_after_them():
    net = network([0], actions=2)
    plays = Player(counting([2, 3]), net, [0], 9)
    plays.begin()
    batch = plays.rollout()
    seen = batch.token[0, :, :, -1]
    assert seen[:, 0].tolist() == [0, 1, 2, 100, 101, 102, 200, 201, 202]
    assert batch.counted[0, :, 0].tolist() == [True, True, False] * 3
    assert batch.start[0, :, 0].tolist() == [True, False, False] * 3
    assert batch.counted[0, :, 1].tolist() == [True, True, True, False, True, True, True, False, True]
    assert batch.boundary[0, :, 0].tolist()[1::3] == [3, 4, 3]
    # The step before bootstraps from the final observation, which the dummy step shows.
    assert batch.next_value[0, 4, 0] == batch.value[0, 5, 0]
    assert not batch.joined[0, 4, 0]


def test_a_cut_task_is_valued_by_its_final_observation_where_the_reset_is_in_the_same_step():
    net = network([0], observations=2, actions=2)
    plays = Player(Cut(3, length=2), net, [0], 4)
    batch = plays.rollout()
    assert batch.boundary[0, :, 0].tolist() == [0, Boundary.TASK_TRUNCATED, 0, Boundary.TASK_TRUNCATED]
    token = net.tokens.step(torch.full((1, 3, 2), 0.5), batch.action[:, 1], batch.reward[:, 1], batch.start[:, 1])
    whole = torch.cat([batch.token[:, :2], token], dim=1)
    value = net(whole, net.initial_state(3), batch.start[:, :1].expand(1, 3, 3) & (torch.arange(3) == 0).view(1, 3, 1))
    torch.testing.assert_close(batch.next_value[:, 1], value[1][:, 2], rtol=0, atol=1e-6)
    assert not batch.joined[:, 1].any() and batch.start[:, 2].all()


def test_a_cut_task_without_its_final_observation_is_refused():
    class Silent(Cut):
        def step(self, actions):
            return (*super().step(actions)[:4], {})

    with pytest.raises(BadValue, match="final_obs"):
        Player(Silent(3, 2), network([0], observations=2, actions=2), [0], 2).rollout()


def test_a_world_that_writes_over_its_observations_is_played_the_same():
    def played(copy):
        plays = Player(HiddenGoal(6, size=3, episodes=2, steps=3, copy=copy), net, [0], 4)
        plays.begin(seed=0)
        return [plays.rollout() for _ in range(3)]

    net = network([0], observations=9, actions=4)
    for kept, written in zip(played(True), played(False), strict=True):
        assert torch.equal(kept.token, written.token)
        assert torch.equal(kept.next_value, written.next_value)


def test_a_late_reset_cannot_span_tasks_and_copies_must_fit():
    with pytest.raises(BadValue, match="spans_tasks"):
        Player(counting([2, 2]), network([0], actions=2), [0], 4, [True])
    with pytest.raises(BadValue, match="spans_tasks"):
        Player(Cut(2, 2), network([0], observations=2, actions=2), [0], 4, [True, False])
    with pytest.raises(BadValue, match="num_envs"):
        Player(counting([2, 2, 2]), network([0, 1], actions=2), [0, 1], 4)
    with pytest.raises(BadValue, match="steps"):
        Player(counting([2]), network([0], actions=2), [0], 0)
    with pytest.raises(BadValue, match="autoreset_mode"):
        Player(counting([2], AutoresetMode.DISABLED), network([0], actions=2), [0], 4)
