from __future__ import annotations

from typing import Any

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.worlds.replicas import BanditReplicas


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_replicas_share_arms_and_luck_in_whatever_order_they_pull(family: Any) -> None:
    world = BanditReplicas(3, 2, 4, family, seed=5)
    assert torch.equal(world.means[0::2], world.means[1::2])
    paid: dict[tuple[int, int], list[float]] = {}
    orders = ([0, 1, 1, 2, 0, 3], [1, 0, 3, 1, 0, 2])
    for t in range(6):
        actions = torch.tensor([orders[row % 2][t] for row in range(6)])
        for row, reward in enumerate(world.pull(actions).tolist()):
            paid.setdefault((row, int(actions[row])), []).append(reward)
    for row in (0, 2, 4):
        for arm in range(4):
            assert paid[row, arm] == paid[row + 1, arm]


def test_an_instance_is_the_same_among_others() -> None:
    many, one = BanditReplicas(5, 1, seed=3), BanditReplicas(1, 1, seed=3, first=2)
    assert torch.equal(many.means[2], one.means[0]) and many.group_id.tolist() == [0, 1, 2, 3, 4]
    arms = torch.tensor([0, 1, 2, 3, 4])
    assert many.pull(arms)[2] == one.pull(arms[2:3])[0]


def test_rewards_have_the_means_of_their_arms() -> None:
    for family in ("gaussian", "bernoulli"):
        world = BanditReplicas(4000, 1, 2, family, seed=1)  # type: ignore[arg-type]
        total = sum(world.pull(torch.zeros(4000, dtype=torch.int64)) for _ in range(20))
        error = total / 20 - world.means[:, 0]
        assert abs(float(error.mean())) < 0.02
        if family == "gaussian":
            assert float(error.std()) == pytest.approx(20**-0.5, rel=0.05)
            assert float(world.means.std()) == pytest.approx(1.0, rel=0.05)
        else:
            assert float(world.means.mean()) == pytest.approx(0.5, abs=0.02)


def test_what_is_no_arm_or_no_family_is_refused() -> None:
    with pytest.raises(BadValue, match="family"):
        BanditReplicas(1, family="poisson")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="instances"):
        BanditReplicas(0)
    with pytest.raises(BadValue, match="actions"):
        BanditReplicas(2).pull(torch.tensor([0, 5]))
