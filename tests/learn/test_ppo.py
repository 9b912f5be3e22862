import copy
from dataclasses import replace

import gymnasium
import numpy
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import ArrayConversion

from wayfare.agents.conditions import Row
from wayfare.agents.in_context_ppo import PPOAgentConfig, Training
from wayfare.errors import BadValue, Diverged
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.play import Player, Rollout
from wayfare.learn.policy_network import PolicyNetwork
from wayfare.learn.ppo import PPO, PPOConfig
from wayfare.learn.tokens import Tokens
from wayfare.networks import memory_network
from wayfare.worlds import HiddenGoal, RecurringBandit
from wayfare.worlds.boundary import Boundary

TABLE = DiscountTable(0.9, 0.8, 0.8, 0.0, 0.9)
TENSORS = [name for name in Rollout.__dataclass_fields__ if name != "memory"]


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


def network(seeds, kind="gru", observations=1, actions=3, width=8):
    tokens = Tokens(observations, actions, (False,) * len(seeds))
    memory = memory_network(kind, tokens.width, width, seeds, context=16)
    return PolicyNetwork(tokens, memory, width, seeds)


def learner(net, seeds, **options):
    config = PPOConfig(**({"learning_rate": 3e-3, "epochs": 2, "minibatches": 2} | options))
    return PPO(net, TABLE, seeds, total=20, config=config)


def row(batch, s):
    memory = copy.deepcopy(batch.memory)
    memory.hidden, memory.cell = memory.hidden[:, s : s + 1], memory.cell[:, s : s + 1]
    return replace(batch, memory=memory, **{name: getattr(batch, name)[s : s + 1] for name in TENSORS})


def bandit_player(net, seeds, copies=6, steps=5):
    world = RecurringBandit(copies * len(seeds), arms=3, episodes=4)
    player = Player(world, net, seeds, steps)
    repeated = [seed for seed in seeds for _ in range(copies)]
    player.begin(seed=repeated, options={"copy": torch.arange(copies).repeat(len(seeds))})
    return player


def test_three_rows_equal_three_single_runs_though_one_of_them_diverges():
    seeds = [3, 4, 5]
    stacked = network(seeds)
    learns, plays = learner(stacked, seeds), bandit_player(stacked, seeds)
    singles = [network([seed]) for seed in seeds]
    alone = [learner(net, [seed]) for net, seed in zip(singles, seeds, strict=True)]
    played = [bandit_player(net, [seed]) for net, seed in zip(singles, seeds, strict=True)]

    def broken(batch, s):
        reward = batch.reward.clone()
        reward[s, 0, 0] = float("nan")
        return replace(batch, reward=reward)

    for update in range(20):
        batch = plays.rollout()
        learns.update(broken(batch, 1) if update == 7 else batch)
        for s in range(3):
            single = played[s].rollout()
            alone[s].update(broken(single, 0) if update == 7 and s == 1 else single)
    assert [error is None for error in learns.errors] == [True, False, True]
    assert isinstance(learns.errors[1], Diverged) and "update 7" in str(learns.errors[1])
    for name, whole in stacked.named_parameters():
        assert whole.isfinite().all()
        for s, net in enumerate(singles):
            torch.testing.assert_close(whole[s : s + 1], net.get_parameter(name), rtol=0, atol=1e-5)


def test_a_stopped_row_stays_as_it_was():
    seeds = [0, 1]
    net = network(seeds)
    learns, plays = learner(net, seeds), bandit_player(net, seeds)
    batch = plays.rollout()
    reward = batch.reward.clone()
    reward[0] = float("inf")
    before = net.actor.weight.detach().clone()
    learns.update(replace(batch, reward=reward))
    learns.update(batch)
    assert torch.equal(net.actor.weight[0], before[0])
    assert not torch.equal(net.actor.weight[1], before[1])


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(kind):
    seeds = [0, 1]
    net = network(seeds, kind)
    learns, plays = learner(net, seeds), bandit_player(net, seeds, steps=4)
    for _ in range(3):
        learns.update(plays.rollout())
    saved = copy.deepcopy(learns.state_dict())
    batches = []
    for _ in range(3):
        batches.append(plays.rollout())
        learns.update(batches[-1])
    other = network([8, 9], kind)
    resumed = learner(other, seeds)
    resumed.load_state_dict(saved)
    for batch in batches:
        resumed.update(batch)
    assert resumed.done == learns.done
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, other.get_parameter(name))


def test_a_state_of_another_run_is_refused():
    net = network([0])
    state = learner(net, [0]).state_dict()
    with pytest.raises(BadValue, match="total"):
        PPO(network([0]), TABLE, [0], total=7).load_state_dict(state)
    with pytest.raises(BadValue, match="network"):
        learner(network([0], width=4), [0]).load_state_dict(state)


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


def test_minibatches_hold_every_copy_once_with_its_own_memory():
    net = network([0, 1])
    learns, plays = learner(net, [0, 1], minibatches=3), bandit_player(net, [0, 1], copies=7)
    plays.rollout()
    batch = plays.rollout()
    pieces = learns._minibatches(batch, batch.reward, 0)
    assert sum(piece.action.shape[2] for piece, _ in pieces) == 7
    for s in range(2):
        rewards = torch.cat([gain[s] for _, gain in pieces], dim=1).T.tolist()
        assert sorted(rewards) == sorted(batch.reward[s].T.tolist())
    for piece, _ in pieces:
        again = net(piece.token, piece.memory, piece.start)[1]
        torch.testing.assert_close(again, piece.value, rtol=0, atol=1e-5)


def test_dummy_steps_of_a_late_reset_count_in_nothing_and_memory_begins_after_them():
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

    def garbled(batch):
        noise = torch.where(batch.counted, 0.0, 1e3)
        token = batch.token.clone()
        token[..., 0] += noise
        return replace(
            batch,
            token=token,
            reward=batch.reward + noise,
            value=batch.value + noise,
            log_probability=batch.log_probability - noise / 100,
        )

    results = []
    for each in (batch, garbled(batch)):
        fresh = network([0], actions=2)
        metrics = learner(fresh, [0], value_clip=0.2).update(each)
        results.append((torch.cat([p.detach().flatten() for p in fresh.parameters()]), metrics["policy_loss"]))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_a_cut_task_is_valued_by_its_final_observation_where_the_reset_is_in_the_same_step():
    class Cut(Recall):
        def step(self, actions):
            obs, reward, ended, _, info = super().step(actions)
            if ended.all():
                info["final_obs"] = torch.full((self.num_envs, 2), 0.5)
            return obs, reward, torch.zeros_like(ended), ended, info

    net = network([0], observations=2, actions=2)
    plays = Player(Cut(3, length=2), net, [0], 4)
    batch = plays.rollout()
    assert batch.boundary[0, :, 0].tolist() == [0, Boundary.TASK_TRUNCATED, 0, Boundary.TASK_TRUNCATED]
    token = net.tokens.step(torch.full((1, 3, 2), 0.5), batch.action[:, 1], batch.reward[:, 1], batch.start[:, 1])
    whole = torch.cat([batch.token[:, :2], token], dim=1)
    value = net(whole, net.initial_state(3), batch.start[:, :1].expand(1, 3, 3) & (torch.arange(3) == 0).view(1, 3, 1))
    torch.testing.assert_close(batch.next_value[:, 1], value[1][:, 2], rtol=0, atol=1e-6)
    assert not batch.joined[:, 1].any() and batch.start[:, 2].all()


def test_a_late_reset_cannot_span_tasks_and_copies_must_fit():
    with pytest.raises(BadValue, match="spans_tasks"):
        Player(counting([2, 2]), network([0], actions=2), [0], 4, [True])
    with pytest.raises(BadValue, match="num_envs"):
        Player(counting([2, 2, 2]), network([0, 1], actions=2), [0, 1], 4)
    net = network([0])
    with pytest.raises(BadValue, match="minibatches"):
        learner(net, [0], minibatches=8).update(bandit_player(net, [0]).rollout())
    with pytest.raises(BadValue, match="epochs"):
        PPOConfig(epochs=0)


def test_the_clipped_objective_by_hand():
    class Fixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = Tokens(1, 2, (False,))
            self.logit = torch.nn.Parameter(torch.zeros(1, 2))

        def forward(self, token, state, start):
            logs = self.logit.log_softmax(-1).view(1, 1, 1, 2).expand(*start.shape, 2)
            return logs, logs[..., 0] * 0.0 + self.logit.sum() * 0.0, state

    def batch(played):
        zeros = torch.zeros(1, 1, 2)
        return Rollout(
            token=torch.zeros(1, 1, 2, 4),
            start=zeros == 0,
            memory=None,
            action=torch.tensor([[[0, 1]]]),
            log_probability=torch.tensor([[played]]).log(),
            value=zeros,
            reward=torch.tensor([[[1.0, -1.0]]]),
            boundary=torch.full((1, 1, 2), 3, dtype=torch.int8),
            next_value=zeros,
            joined=zeros > 0,
            counted=zeros == 0,
        )

    # Now both have 0.5. Good action, once 0.25: ratio 2, held at 1.2. Bad action, once 0.75: ratio 2/3, held at 0.8.
    metrics = learner(Fixed(), [0], epochs=1, minibatches=1, entropy_weight=0.0).update(batch([0.25, 0.75]))
    assert metrics["policy_loss"].item() == pytest.approx(-(1.2 - 0.8) / 2)
    assert metrics["gradient_norm"].item() == pytest.approx(0.0, abs=1e-7)  # both are where no gradient flows
    assert metrics["clipped"].item() == 1.0
    metrics = learner(Fixed(), [0], epochs=1, minibatches=1, entropy_weight=0.0).update(batch([0.5, 0.5]))
    assert metrics["gradient_norm"].item() > 0.1


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
