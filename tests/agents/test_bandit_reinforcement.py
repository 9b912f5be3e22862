"""A causal model that is taught bandits by reward: what a rollout holds, what it is paid, and that it learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from wayfare.agents.bandit_lessons import study
from wayfare.agents.bandit_player import Telling
from wayfare.agents.bandit_reinforcement import Trials, credited, gradient_variance, reinforce, rollout, settings
from wayfare.errors import BadValue
from wayfare.explore.rules import UCB1
from wayfare.language.adapters import add_adapters
from wayfare.language.interface import Sampling
from wayfare.language.local import TransformersModel
from wayfare.worlds.bandit_text import Scenario
from wayfare.worlds.replicas import BanditReplicas

TRIALS = Trials(instances=2, replicas=3, turns=3, arms=2)
SAYS = Sampling(max_tokens=2)
LETTERS = Scenario("letters", "Choose {names}. {close}", "", ("x", "y"), "points", "?")
TELLING = Telling(LETTERS, "SH", aloud=True)
LEARNING = settings(TRIALS, SAYS, 2e-2, beta=1e-3)


def adapted() -> TransformersModel:
    return add_adapters(TransformersModel("tiny-random"), rank=4)


def test_a_rollout_has_a_row_a_turn_and_replicas_share_arms_noise_and_names() -> None:
    played, history, batch = rollout(adapted(), TELLING, SAYS, TRIALS, seed=1, number=0)
    assert len(batch) == 18 and batch.turn.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert batch.trajectory.tolist() == [0, 1, 2, 3, 4, 5] * 3
    assert batch.group_id.tolist() == [0, 0, 0, 1, 1, 1] * 3
    assert played.names[0] == played.names[2] and history.means.shape == (6, 2)
    assert torch.equal(history.means[0], history.means[2])
    again = rollout(adapted(), TELLING, SAYS, TRIALS, seed=1, number=0)
    assert np.array_equal(played.actions, again[0].actions)
    other = rollout(adapted(), TELLING, SAYS, TRIALS, seed=1, number=1)
    assert not torch.equal(other[1].means, history.means)


def test_credit_of_a_turn_is_that_of_all_its_tokens() -> None:
    _, history, batch = rollout(adapted(), TELLING, SAYS, TRIALS, seed=1, number=0)
    group = TRIALS.world(1, 0).group_id
    paid = credited(batch, history, group, "strategic", 1.0, UCB1())
    assert paid.advantages is not None and paid.reward is not None
    assert paid.advantages.shape == (18,)
    reward = paid.reward.reshape(3, 6).double()
    togo = reward.flip(0).cumsum(0).flip(0)
    centred = togo - togo.reshape(3, 2, 3).mean(dim=2, keepdim=True).expand(3, 2, 3).reshape(3, 6)
    signs = paid.advantages.reshape(3, 6).sign()
    assert torch.equal(signs, torch.where(centred.abs() < 1e-9, 0.0, centred).sign().float())


class SameOrder(Telling):
    """Names that stand for the same arms in every task."""

    def names(self, arms: int, copies: Any, seed: int) -> list[tuple[str, ...]]:
        return [self.dress.named(arms)] * len(copies)


class FirstPays(Trials):
    """The first arm is the better one in every task."""

    def world(self, seed: int, number: int) -> BanditReplicas:
        made = super().world(seed, number)
        made.means = torch.tensor([[1.0, 0.0]]).double().repeat(len(made.instance), 1)
        return made


def test_it_learns_to_name_the_arm_that_pays_from_what_it_was_paid() -> None:
    model, telling = TransformersModel("tiny-random"), SameOrder(LETTERS, "SH", aloud=True)
    model.causal.requires_grad_(True)
    asked = telling.prompt(("x", "y"), 1, telling.history(("x", "y"), [], []))
    study(model, [(asked, "x"), (asked, "y")], 20, learning_rate=1e-2)  # a model that names arms, either one
    trials, once = FirstPays(4, 8, 1, 2), Sampling(max_tokens=1)

    def share() -> float:
        return float((rollout(model, telling, once, trials, 4, 0)[0].actions == 0).mean())

    before = share()
    told = reinforce(model, settings(trials, once, 3e-3), telling, once, "strategic", 1.0, trials, 10, UCB1(), seed=3)
    assert len(told) == 10 and np.isfinite([each["grad_norm"] for each in told]).all()
    assert np.mean([each["unmatched"] for each in told]) < 0.3
    assert 0.3 < before < 0.7 and share() > 0.9


def test_the_variance_of_gradients_is_taken_on_the_same_rollouts() -> None:
    twice = gradient_variance(
        adapted(),
        LEARNING,
        TELLING,
        SAYS,
        [("original", 1.0), ("original", 1.0), ("strategic", 1.0)],
        TRIALS,
        UCB1(),
        5,
        3,
    )
    assert twice[0] == twice[1] > 0 and twice[2] > 0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(BadValue, match="replicas"):
        Trials(replicas=1)
    with pytest.raises(BadValue, match="sampling"):
        rollout(adapted(), TELLING, Sampling(temperature=0.5), TRIALS, 1, 0)
    with pytest.raises(BadValue, match="reward"):
        reinforce(adapted(), LEARNING, TELLING, SAYS, "luck", 1.0, TRIALS, 1, UCB1(), 1)  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="generation_batch_size must be 18"):
        reinforce(
            adapted(), settings(Trials(2, 3, 4, 2), SAYS, 1e-2), TELLING, SAYS, "original", 1.0, TRIALS, 1, UCB1(), 1
        )
