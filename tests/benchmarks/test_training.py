"""The training benchmark says what it does: the same inputs, and as many gradient samples a step as it claims."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from wayfare.agents import Agent, AgentConfig, Row
from wayfare.learn.tokens import Tokens
from wayfare.worlds import HiddenGoal

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import training
from worlds_sync import Grid


def test_targets_are_four_fifths_of_the_exact_optima() -> None:
    world = HiddenGoal(1)
    assert training.TARGETS["ppo"] == pytest.approx(0.8 * world.bayes_return().value)
    assert training.TARGETS["values"] == pytest.approx(0.8 * world.best_single_episode)


def test_the_value_learner_takes_the_gradient_samples_that_are_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    from wayfare.learn.values import ValueLearner

    taken = []
    update = ValueLearner.update
    monkeypatch.setattr(
        ValueLearner, "update", lambda self, batch: taken.append(batch.action.numel()) or update(self, batch)
    )
    world = HiddenGoal(32)
    config = AgentConfig(network="none", width=8, learns=training.SAMPLES, blocks=8)
    played = []
    Agent.train(world, config, [Row(memory=0)], updates=32, until=lambda agent, done: played.append(done) or False)
    steps = 2 * 32 * world.block_steps  # two rollouts feed 32 updates
    assert sum(taken) == training.SAMPLES * steps and played == [0, 16]


def test_a_peer_of_the_recurrent_learner_sees_what_ours_sees() -> None:
    """Cell, last action and last reward; ours has the reward on the action's place, which tells the same."""
    tokens = Tokens(25, 4, (False,))
    grid = Grid()
    grid.reset(seed=0)
    seen, reward, *_ = grid.step(1)
    token = tokens.step(
        torch.tensor(seen).view(1, 1, -1), torch.tensor([[1]]), torch.tensor([[reward]]), torch.tensor([[False]])
    )[0, 0, 0]
    assert token[-25:].tolist() == seen.tolist() and token[:4].tolist() == [0, 1, 0, 0]
    assert token[4:8].tolist() == [0, reward, 0, 0]
