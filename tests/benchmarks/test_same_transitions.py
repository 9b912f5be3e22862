"""The peers of the benchmarks live in the same worlds as ours: same task and actions, same cells, rewards and ends."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from wayfare.worlds import HiddenGoal, RecurringBandit

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(5))
def test_the_plain_grid_walks_as_ours_does(seed: int) -> None:
    peer, ours = load("worlds_sync").Grid(), HiddenGoal(1)
    ours.reset(seed=seed)
    peer.reset(seed=0)
    peer.goal = int(ours.goal)
    rng = np.random.default_rng(seed)
    for _ in range(40):
        action = int(rng.integers(4))
        obs, reward, terminated, truncated, info = ours.step(torch.tensor([action]))
        seen, paid, ended, cut, told = peer.step(action)
        assert (float(reward), bool(terminated), bool(truncated)) == (paid, ended, cut)
        assert int(info["boundary"]) == told["boundary"]
        if ended or cut:
            break
        assert obs[0].tolist() == seen.tolist()
    else:
        raise AssertionError("a block ends within 40 steps")


def test_the_plain_bandit_pays_around_the_same_means_and_ends_with_the_same_pull() -> None:
    peer, ours = load("worlds_sync").Bandit(), RecurringBandit(1)
    ours.reset(seed=0)
    peer.reset(seed=0)
    for t in range(30):
        _, _, terminated, _, info = ours.step(torch.tensor([t % 3]))
        _, _, ended, _, told = peer.step(t % 3)
        assert bool(terminated) == ended == (t == 29)
        assert int(info["boundary"]) == told["boundary"]
    peer.reset(seed=1)
    peer.means = np.array([5.0, 0.0, 0.0])
    paid = []
    for _ in range(29):
        paid.append(peer.step(0)[1])
    assert abs(np.mean(paid) - 5.0) < 1.0 and np.std(paid) > 0.5
