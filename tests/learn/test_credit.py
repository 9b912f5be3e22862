from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.learn.credit import group_advantages, returns_to_go, turn_advantages


def test_returns_by_hand() -> None:
    rewards = torch.tensor([[1.0, 0.0], [2.0, 0.0], [4.0, 8.0]])
    assert returns_to_go(rewards, 0.5).tolist() == [[3.0, 2.0], [4.0, 4.0], [4.0, 8.0]]
    assert torch.equal(returns_to_go(rewards, 0.0), rewards)
    with pytest.raises(BadValue, match="gamma"):
        returns_to_go(rewards, 1.5)


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_ragged_groups_in_any_order_are_a_loop_over_groups(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    group_id = torch.tensor([2, 0, 1, 0, 2, 2, 1, 0, 2])
    returns = torch.randn(4, 9, generator=generator, dtype=torch.float64)
    active = torch.rand(4, 9, generator=generator) < 0.8
    found = turn_advantages(returns, group_id, active)
    for g in range(3):
        members = (group_id == g).nonzero().squeeze(1).tolist()
        centred: dict[tuple[int, int], float] = {}
        degrees = 0
        for t in range(4):
            there = [b for b in members if active[t, b]]
            mean = sum(float(returns[t, b]) for b in there) / max(len(there), 1)
            degrees += len(there) - (1 if there else 0)
            for b in there:
                centred[t, b] = float(returns[t, b]) - mean if len(there) > 1 else 0.0
        deviation = (sum(x * x for x in centred.values()) / max(degrees, 1)) ** 0.5
        for t in range(4):
            for b in members:
                wanted = centred.get((t, b), 0.0) / deviation if deviation > 0 else 0.0
                assert float(found[t, b]) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("estimator", ["grpo", "dr-grpo", "rloo"])
def test_estimators_are_a_loop_over_groups(estimator: str) -> None:
    group_id = torch.tensor([1, 0, 0, 1, 1, 0, 1])
    rewards = torch.tensor([0.1, 1.0, 0.4, 0.9, 0.3, 0.2, 0.0], dtype=torch.float64)
    found = group_advantages(rewards, group_id, estimator)  # type: ignore[arg-type]
    for g in range(2):
        own = rewards[group_id == g]
        for b in (group_id == g).nonzero().squeeze(1).tolist():
            if estimator == "rloo":
                wanted = rewards[b] - (own.sum() - rewards[b]) / (len(own) - 1)
            else:
                wanted = rewards[b] - own.mean()
                wanted = wanted / (own.std() + 1e-4) if estimator == "grpo" else wanted
            assert float(found[b]) == pytest.approx(float(wanted))


def test_equal_rewards_give_exactly_nothing_though_their_mean_is_rounded() -> None:
    n = next(n for n in range(2, 50) if float(torch.full((n,), 0.1).sum() / n - torch.tensor(0.1)) != 0.0)
    rewards, group_id = torch.full((n,), 0.1), torch.zeros(n, dtype=torch.int64)  # whose deviation would not be 0
    for estimator in ("grpo", "dr-grpo", "rloo"):
        assert group_advantages(rewards, group_id, estimator).tolist() == [0.0] * n  # type: ignore[arg-type]
    assert turn_advantages(rewards.expand(2, n), group_id).tolist() == [[0.0] * n] * 2


def test_what_has_no_baseline_is_refused() -> None:
    with pytest.raises(BadValue, match="group 1 must be at least two"):
        group_advantages(torch.zeros(3), torch.tensor([0, 0, 1]))
    with pytest.raises(BadValue, match="finite"):
        turn_advantages(torch.tensor([[float("nan"), 1.0]]), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(BadValue, match="group_id"):
        turn_advantages(torch.zeros(1, 2), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(BadValue, match="estimator"):
        group_advantages(torch.zeros(2), torch.zeros(2, dtype=torch.int64), "mean")  # type: ignore[arg-type]
