import copy
from dataclasses import replace

import gymnasium
import numpy
import pytest
import torch
from gymnasium.wrappers.vector import ArrayConversion

from wayfare.draws import Stream
from wayfare.errors import BadValue, Diverged
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.play import Player, Rollout
from wayfare.learn.policy_network import PolicyNetwork
from wayfare.learn.ppo import PPO, PPOConfig
from wayfare.learn.tokens import Tokens
from wayfare.networks import memory_network
from wayfare.networks.recurrent import RecurrentState
from wayfare.worlds import RecurringBandit

TABLE = DiscountTable(0.9, 0.8, 0.8, 0.0, 0.9)
TENSORS = [name for name in Rollout.__dataclass_fields__ if name != "memory"]


def network(seeds, kind="gru", observations=1, actions=3, width=8, reward_scale=1.0):
    tokens = Tokens(observations, actions, (False,) * len(seeds), reward_scale=reward_scale)
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


def slow_advantages(batch, reward, table, trace):
    """[T, B] by the recursion, one copy of the first row at a time."""
    result = torch.zeros_like(reward[0])
    for b in range(reward.shape[2]):
        later = 0.0
        for t in reversed(range(reward.shape[1])):
            g = table[int(batch.boundary[0, t, b])]
            error = reward[0, t, b] + g * batch.next_value[0, t, b] - batch.value[0, t, b]
            later = error + (trace * g * later if batch.joined[0, t, b] else 0.0)
            result[t, b] = later
    return result


@pytest.mark.parametrize("value_clip", [None, 0.05])
@pytest.mark.parametrize("anneal", [True, False])
def test_updates_equal_a_slow_textbook_loop(value_clip, anneal):
    config = PPOConfig(
        learning_rate=0.03,
        anneal=anneal,
        epochs=3,
        minibatches=2,
        range=0.1,
        trace=0.7,
        value_weight=0.3,
        entropy_weight=0.05,
        value_clip=value_clip,
        clip=0.05,
        weight_decay=0.01,
    )
    table = DiscountTable(0.9, 0.8, 0.7, 0.0, 0.6)
    net, twin = network([7], reward_scale=3.0), network([7], reward_scale=3.0)
    learns = PPO(net, table, [7], total=4, config=config)
    peer = torch.optim.AdamW(twin.parameters(), lr=1.0, eps=1e-5, weight_decay=0.01)
    player = bandit_player(net, [7], copies=5)
    generator = torch.Generator().manual_seed(0)
    for update in range(3):
        batch = player.rollout()
        # Any boundary, any join and any gap may stand anywhere as far as learning is concerned.
        boundary = torch.randint(0, 5, batch.boundary.shape, generator=generator).to(torch.int8)
        counted, joined = (torch.rand(boundary.shape, generator=generator) < 0.7 for _ in range(2))
        batch = replace(batch, boundary=boundary, counted=counted, joined=joined)
        metrics = learns.update(batch)
        advantage = slow_advantages(batch, batch.reward * 3.0, table.rows[0].tolist(), 0.7)
        factor = 1.0 - update / 4 if anneal else 1.0
        want = dict.fromkeys(metrics, 0.0)
        for epoch in range(3):
            draws = Stream(7, "minibatches").uniform(torch.arange(5), 3 * update + epoch)
            for pick in draws.argsort().tensor_split(2):
                places = [(t, int(b)) for b in pick for t in range(5) if counted[0, t, b]]
                gains = torch.stack([advantage[place] for place in places])
                mean, deviation = gains.mean(), gains.std(correction=0)
                found = {}
                for b in pick.tolist():
                    lane = slice(b, b + 1)
                    memory = RecurrentState(batch.memory.hidden[:, :, lane], batch.memory.cell)
                    found[b] = twin(batch.token[:, :, lane], memory, batch.start[:, :, lane])[:2]
                sums = dict.fromkeys(metrics, torch.tensor(0.0))
                for (t, b), gain in zip(places, gains, strict=True):
                    logs, value = found[b][0][0, t, 0], found[b][1][0, t, 0]
                    action, old = int(batch.action[0, t, b]), batch.value[0, t, b]
                    ratio = (logs[action] - batch.log_probability[0, t, b]).exp()
                    better = (gain - mean) / (deviation + 1e-8)
                    if better > 0:
                        surrogate = min(ratio, torch.tensor(1.1)) * better
                    else:
                        surrogate = max(ratio, torch.tensor(0.9)) * better
                    error = (value - (gain + old)) ** 2
                    if value_clip is not None:
                        near = min(max(value, old - value_clip), old + value_clip)
                        error = max(error, (near - (gain + old)) ** 2)
                    sums["policy_loss"] = sums["policy_loss"] - surrogate / len(places)
                    sums["value_loss"] = sums["value_loss"] + error / 2 / len(places)
                    sums["entropy"] = sums["entropy"] - sum(p.exp() * p for p in logs) / len(places)
                    sums["divergence"] = sums["divergence"] + (ratio - 1 - ratio.log()) / len(places)
                    sums["clipped"] = sums["clipped"] + (not 0.9 <= ratio <= 1.1) / len(places)
                peer.zero_grad()
                (sums["policy_loss"] + 0.3 * sums["value_loss"] - 0.05 * factor * sums["entropy"]).backward()
                sums["gradient_norm"] = torch.nn.utils.clip_grad_norm_(twin.parameters(), 0.05)
                assert sums["gradient_norm"] > 0.05  # so that clipping is at work
                peer.param_groups[0]["lr"] = 0.03 * factor
                peer.step()
                want = {name: total + float(sums[name].detach()) / 6 for name, total in want.items()}
        assert 0.0 < want["clipped"] < 1.0
        assert {name: float(value) for name, value in metrics.items()} == pytest.approx(want, rel=1e-3, abs=1e-5)
        for name, parameter in net.named_parameters():
            torch.testing.assert_close(parameter, twin.get_parameter(name), rtol=1e-3, atol=1e-4)


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
    seeds = [0, 1, 2]
    net = network(seeds, kind)
    learns, plays = learner(net, seeds), bandit_player(net, seeds, steps=4)
    for _ in range(3):
        batch = plays.rollout()
        batch.reward[2] = float("nan")  # the third row has stopped by then
        learns.update(batch)
    saved = copy.deepcopy(learns.state_dict())
    batches = []
    for _ in range(3):
        batches.append(plays.rollout())
        learns.update(batches[-1])
    other = network([8, 9, 10], kind)
    resumed = learner(other, seeds)
    resumed.load_state_dict(saved)
    for batch in batches:
        resumed.update(batch)
    assert resumed.done == learns.done == 6
    assert [str(error) for error in resumed.errors] == [str(error) for error in learns.errors]
    assert resumed.errors[2] is not None
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, other.get_parameter(name))


def test_a_state_of_another_run_is_refused():
    net = network([0])
    state = learner(net, [0]).state_dict()
    with pytest.raises(BadValue, match="total"):
        PPO(network([0]), TABLE, [0], total=7).load_state_dict(state)
    with pytest.raises(BadValue, match="network"):
        learner(network([0], width=4), [0]).load_state_dict(state)


def test_minibatches_hold_every_copy_once_with_its_own_memory():
    net = network([0, 1])
    learns, plays = learner(net, [0, 1], minibatches=3), bandit_player(net, [0, 1], copies=7, steps=6)
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


def test_steps_that_were_no_decision_count_in_nothing():
    plays = Player(
        ArrayConversion(gymnasium.make_vec("CartPole-v1", 4, vectorization_mode="sync"), numpy, torch),
        network([0], observations=4, actions=2),
        [0],
        60,
    )
    plays.begin(seed=0)
    batch = plays.rollout()
    assert not batch.counted.all()

    def garbled(batch):
        noise = torch.where(batch.counted, 0.0, 1e3)
        token = batch.token.clone()
        token += noise.unsqueeze(-1)
        return replace(
            batch,
            token=token,
            reward=batch.reward + noise,
            value=batch.value + noise,
            log_probability=batch.log_probability - noise / 100,
        )

    results = []
    for each in (batch, garbled(batch)):
        fresh = network([0], observations=4, actions=2)
        metrics = learner(fresh, [0], value_clip=0.2).update(each)
        results.append((torch.cat([p.detach().flatten() for p in fresh.parameters()]), metrics["policy_loss"]))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_minibatches_are_no_more_than_copies_and_epochs_at_least_one():
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
