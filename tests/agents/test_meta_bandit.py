from __future__ import annotations

import math

import pytest
import torch

from wayfare.agents.meta_bandit import (
    History,
    MetaBandit,
    Training,
    gradient_variance,
    imitate,
    mediocre,
    play,
    reinforce,
    turn_rewards,
)
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules import UCB1, Uniform
from wayfare.worlds.replicas import BanditReplicas

torch.set_num_threads(1)


def small(seed: int = 0) -> MetaBandit:
    return MetaBandit(3, seed, width=16, layers=2, context=41)


def test_acting_step_by_step_is_reading_the_whole_history() -> None:
    policy = small()
    history = policy.act(BanditReplicas(4, 2, 3, seed=1), 12, Stream(0, "policy"))
    logits = policy(history.actions, history.rewards).detach()
    chances, stream, rows = logits.double().softmax(dim=2), Stream(0, "policy"), torch.arange(8)
    for t in range(12):
        assert torch.equal(stream.categorical(chances[t], rows, t), history.actions[t])


def test_a_decision_sees_what_was_before_it_and_nothing_after() -> None:
    policy = small()
    actions = torch.tensor([[0, 1], [1, 2], [2, 0], [0, 0]])
    rewards = torch.randn(4, 2, dtype=torch.float64)
    before = policy(actions, rewards)
    changed = rewards.clone()
    changed[2, 0] += 5.0
    after = policy(actions, changed)
    assert torch.allclose(before[:3], after[:3]) and torch.allclose(before[:, 1], after[:, 1])
    assert not torch.allclose(before[3, 0], after[3, 0])


def test_a_row_acts_alike_in_any_company_and_beyond_its_training_length() -> None:
    policy = small()
    many = policy.act(BanditReplicas(5, 1, 3, seed=2), 40, Stream(3, "policy"))
    few = policy.act(BanditReplicas(2, 1, 3, seed=2), 40, Stream(3, "policy"))
    assert torch.equal(many.actions[:, :2], few.actions)


def test_turn_rewards_by_hand() -> None:
    history = History(
        torch.tensor([[0], [2], [1], [0]]),
        torch.tensor([[1.0], [0.0], [3.0], [9.0]], dtype=torch.float64),
        torch.tensor([[0.5, 1.5, -0.5]], dtype=torch.float64),
    )
    assert turn_rewards(history, "original", UCB1())[:, 0].tolist() == [1.0, 0.0, 3.0, 9.0]
    assert turn_rewards(history, "strategic", UCB1())[:, 0].tolist() == [0.5, 0.0, 1.0, 0.5]
    # untried arms are all right; after the sweep UCB(0) takes the best mean, arm 1
    assert turn_rewards(history, "algorithmic", UCB1(0.0))[:, 0].tolist() == [1.0, 1.0, 1.0, 0.0]
    level = History(history.actions, history.rewards, torch.ones(1, 3, dtype=torch.float64))
    assert turn_rewards(level, "strategic", UCB1())[:, 0].tolist() == [1.0] * 4
    with pytest.raises(BadValue, match="reward"):
        turn_rewards(history, "regret", UCB1())  # type: ignore[arg-type]


def test_imitation_learns_a_teacher_and_goes_on_the_same_from_the_same_seed() -> None:
    def teach(world: BanditReplicas, turns: int, draws: Stream, first: int) -> History:
        always = Uniform()
        history = play(always, world, turns, draws, first)
        return History(torch.zeros_like(history.actions), history.rewards, history.means)

    first, again = small(1), small(1)
    losses = imitate(first, teach, Training(30, 16, 1, 6, 1e-2))
    assert losses[0] == pytest.approx(math.log(3), abs=0.4) and losses[-1] < 0.1
    assert imitate(again, teach, Training(30, 16, 1, 6, 1e-2)) == losses
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_reinforcement_finds_the_better_arms() -> None:
    policy = small(2)
    earned = reinforce(policy, "strategic", 0.0, Training(80, 8, 8, 10, 1e-2))
    assert sum(earned[-10:]) / 10 > sum(earned[:10]) / 10 + 0.25


def test_the_noise_free_reward_is_the_quieter_one() -> None:
    policy, training = small(3), Training(1, 8, 8, 10)
    ratio = gradient_variance(policy, "strategic", 1.0, training, UCB1(), 8) / gradient_variance(
        policy, "original", 1.0, training, UCB1(), 8
    )
    assert 0 < ratio < 1.5


def test_mediocre_players_are_four_kinds() -> None:
    history = mediocre(BanditReplicas(400, 1, 5, seed=4), 60, Stream(0, "policy"))
    repeats = (history.actions[1:] == history.actions[:-1]).double().mean(dim=0)
    kinds = [float(repeats[k::4].mean()) for k in range(4)]
    assert kinds[0] == pytest.approx(0.2, abs=0.02) and kinds[2] == pytest.approx(0.84, abs=0.02)
    best = history.means.argmax(dim=1)
    right = (history.actions == best).double().mean(dim=0)
    assert min(float(right[1::4].mean()), float(right[3::4].mean())) > float(right[0::4].mean()) + 0.1
