"""Requests that succeed or fail: the contract of worlds, the documented draws, and waves equal to stepping."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds import ActionSets, SuccessBandit, check_world


@pytest.mark.parametrize(
    "world",
    [
        SuccessBandit(4, 3, 2, episodes=3),
        SuccessBandit(3, 2, 1, episodes=[1, 2, 3], hidden=4, boundary="shown"),
        ActionSets(SuccessBandit(4, episodes=3), 0.7, forbidden="redrawn"),
    ],
    ids=repr,
)
def test_it_keeps_the_contract(world) -> None:
    check_world(world)


def test_chances_are_the_documented_network_of_the_documented_draws() -> None:
    world = SuccessBandit(2, 3, 2, hidden=4, offset=1.0, spread=2.0)
    obs, _ = world.reset(seed=[8, 9], options={"copy": [4, 1]})
    for i, (seed, copy) in enumerate([(8, 4), (9, 1)]):
        drawn = Stream(seed, "task").normal(copy, 0, np.arange((2 + 1 + 3) * 4))
        inside, bias, out = drawn[:8].reshape(2, 4), drawn[8:12], drawn[12:].reshape(4, 3)
        x = Stream(seed, "context").normal(copy, 0, np.arange(2))
        net = np.tanh(x @ inside * 2 / np.sqrt(2) + bias) @ out / np.sqrt(4)
        assert obs[i].numpy() == pytest.approx(x, abs=1e-6)
        assert world.means[i].numpy() == pytest.approx(1 / (1 + np.exp(-(1.0 + 2.0 * net))), abs=1e-6)


def test_a_wave_is_what_stepping_would_show() -> None:
    world, inner = ActionSets(SuccessBandit(3, episodes=50), 0.5), SuccessBandit(3, episodes=50)
    seeds = {"seed": [3, 4, 5], "options": {"copy": [0, 0, 7]}}
    inner.reset(**seeds)
    wave = inner.wave(0, 12, [1.0] + [0.5] * 5)
    obs, info = world.reset(**seeds)
    for t in range(12):
        assert torch.equal(obs[:, :8], wave.contexts[:, t]) and torch.equal(info["allowed"], wave.allowed[:, t])
        actions = torch.full((3,), 0)
        obs, reward, *_, info = world.step(actions)
        assert torch.equal(reward, wave.outcomes(torch.zeros(3, 12, dtype=torch.int64))[:, t])
        assert info["expected_reward"].double() == pytest.approx(wave.chances[:, t, 0], abs=1e-6)
    later = inner.wave(4, 3)
    assert torch.equal(later.contexts, wave.contexts[:, 4:7]) and later.allowed.all()


def test_most_requests_succeed_and_actions_matter() -> None:
    world = SuccessBandit(40)
    world.reset(seed=0)
    assert 0.9 < float(world.oracle_return().mean()) < 1.0
    among = world.oracle_among(torch.tensor([1.0, 0.7, 0.7, 0.7, 0.7, 0.7]))
    wave = world.wave(0, 4000, [1.0] + [0.7] * 5)
    best = wave.chances.masked_fill(~wave.allowed, 0.0).max(dim=2)[0].mean(dim=1)
    assert among.double() == pytest.approx(best, abs=0.01)
    share = wave.allowed.double() / wave.allowed.sum(dim=2, keepdim=True)
    assert 0.68 < float((share * wave.chances).sum(dim=2).mean()) < 0.76 and 0.92 < float(best.mean()) < 0.96


def test_impossible_arguments_are_refused_by_name() -> None:
    for field, value in (("hidden", 0), ("dimension", 0), ("spread", -1.0), ("arms", 0)):
        with pytest.raises(BadValue, match=field):
            SuccessBandit(1, **{field: value})
    world = SuccessBandit(1)
    world.reset(seed=0)
    with pytest.raises(BadValue, match="count"):
        world.wave(0, 0)
