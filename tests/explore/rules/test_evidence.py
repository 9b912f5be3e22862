from __future__ import annotations

import numpy as np
import pytest
import torch

from wayfare.errors import BadValue
from wayfare.explore.rules import ArmTable


@pytest.mark.parametrize("torched", [False, True])
def test_a_table_sums_what_a_loop_sums(torched: bool) -> None:
    rng = np.random.default_rng(0)
    actions, rewards = rng.integers(0, 3, (20, 4, 2)), rng.normal(size=(20, 4, 2))
    kind = torch.tensor if torched else np.asarray
    table = ArmTable.empty((4, 2, 3), like=kind(rewards))
    for action, reward in zip(actions, rewards, strict=True):
        table = table.updated(kind(action), kind(reward))
    for i in range(4):
        for j in range(2):
            for arm in range(3):
                paid = [float(rewards[t, i, j]) for t in range(20) if actions[t, i, j] == arm]
                assert float(table.counts[i, j, arm]) == len(paid)
                assert float(table.sums[i, j, arm]) == pytest.approx(sum(paid))
                assert float(table.squares[i, j, arm]) == pytest.approx(sum(x * x for x in paid))


def test_an_update_leaves_the_old_table_as_it_was() -> None:
    table = ArmTable.empty((1, 2), like=np.zeros(1))
    later = table.updated(np.array([1]), np.array([3.0]))
    assert table.counts.sum() == 0 and later.counts.tolist() == [[0, 1]]


def test_untried_arms_have_the_mean_they_are_given() -> None:
    table = ArmTable(np.array([2, 0]), np.array([3.0, 0.0]), np.zeros(2))
    assert table.mean().tolist() == [1.5, 0.0]
    assert table.mean(float("inf")).tolist() == [1.5, float("inf")]


def test_actions_that_are_no_arms_are_refused() -> None:
    table = ArmTable.empty((2, 2), like=np.zeros(1))
    for action in (-1, 2):
        with pytest.raises(BadValue, match=f"action must be from 0 to 1, got {action}"):
            table.updated(np.array([0, action]), np.zeros(2))
    with pytest.raises(BadValue, match="action must be of integers"):
        table.updated(np.array([0.5, 1.0]), np.zeros(2))
