from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.learn.credit import SMALL, Estimator, group_advantages, normalise_then_sum, returns_to_go, turn_advantages


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


NOTHING = float("nan")
rewards_of_tries = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.1, 0.3, 1.0, -2.0, 7.5, NOTHING])), min_size=2, max_size=14
)
"""(group, reward) of each row: ragged, in any order, with lone groups, equal ones and rows without a score."""


def by_loops(rewards: list[float], group_id: list[int], estimator: str) -> list[float]:
    """The same from the definitions, one row after another."""
    scored = [r for r in rewards if r == r]
    spread = float(torch.tensor(scored, dtype=torch.float64).std()) if len(scored) > 1 else 0.0
    found = []
    for reward, group in zip(rewards, group_id, strict=True):
        own = torch.tensor([r for r, g in zip(rewards, group_id, strict=True) if g == group and r == r]).double()
        if reward != reward or len(own) < 2 or len(set(own.tolist())) == 1:
            found.append(0.0)
            continue
        centred = float(torch.tensor(reward).double() - own.mean())
        scale = {"grpo": own.std() + SMALL, "batch": spread + SMALL, "rloo": (len(own) - 1) / len(own)}
        synonyms = {"group": "grpo", "none": "dr_grpo"}
        found.append(centred / float(scale.get(synonyms.get(estimator, estimator), 1.0)))
    return found


@pytest.mark.parametrize("estimator", get_args(Estimator))
@given(rows=rewards_of_tries)
@settings(max_examples=25)
def test_estimators_are_loops_over_ragged_groups(estimator: Any, rows: list[tuple[int, float]]) -> None:
    group_id, rewards = [g for g, _ in rows], [r for _, r in rows]
    found = group_advantages(torch.tensor(rewards).double(), torch.tensor(group_id), estimator, lone="zero")
    assert found.tolist() == pytest.approx(by_loops(rewards, group_id, estimator), rel=1e-6, abs=1e-9)


@given(rows=rewards_of_tries, seed=st.integers(0, 99))
@settings(max_examples=25)
def test_neither_the_order_of_rows_nor_other_groups_matter(rows: list[tuple[int, float]], seed: int) -> None:
    group_id, rewards = torch.tensor([g for g, _ in rows]), torch.tensor([r for _, r in rows]).double()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    both = torch.stack([rewards, rewards.flip(0)], dim=1)
    weights = torch.tensor([1.0, 0.5])
    for estimator in get_args(Estimator):
        told = group_advantages(rewards, group_id, estimator, lone="zero")
        torch.testing.assert_close(
            group_advantages(rewards[order], group_id[order], estimator, lone="zero"), told[order]
        )
        if estimator != "batch":
            own = group_id == group_id[0]
            alone = group_advantages(rewards[own], group_id[own], estimator, lone="zero")
            torch.testing.assert_close(alone, told[own])
    torch.testing.assert_close(
        normalise_then_sum(both[order], weights, group_id[order], lone="zero"),
        normalise_then_sum(both, weights, group_id, lone="zero")[order],
    )


def test_each_reward_is_brought_to_one_scale_before_they_are_added() -> None:
    group_id = torch.tensor([0, 1, 0, 1, 0, 1, 0])
    rewards = torch.tensor(
        [[1.0, NOTHING], [0.3, 100.0], [0.0, 50.0], [0.3, 300.0], [1.0, 20.0], [0.3, 200.0], [NOTHING, NOTHING]]
    ).double()
    weights = torch.tensor([2.0, 1.0]).double()
    scaled = [torch.tensor(by_loops(rewards[:, f].tolist(), group_id.tolist(), "grpo")).double() for f in range(2)]
    total = 2.0 * scaled[0] + scaled[1]
    assert float(total[:6].mean()) == pytest.approx(0.0, abs=1e-12)
    wanted = total / (total[:6].std() + SMALL)
    torch.testing.assert_close(normalise_then_sum(rewards, weights, group_id), wanted)
    tenfold = normalise_then_sum(10 * rewards, weights, group_id)
    torch.testing.assert_close(tenfold, wanted, rtol=1e-3, atol=1e-3)  # but for the 1e-4


def test_equal_rewards_give_exactly_nothing_though_their_mean_is_rounded() -> None:
    n = next(n for n in range(2, 50) if float(torch.full((n,), 0.1).sum() / n - torch.tensor(0.1)) != 0.0)
    rewards, group_id = torch.full((n,), 0.1), torch.zeros(n, dtype=torch.int64)  # whose deviation would not be 0
    for estimator in get_args(Estimator):
        assert group_advantages(rewards, group_id, estimator).tolist() == [0.0] * n
    both = normalise_then_sum(torch.stack([rewards, rewards], dim=1), torch.ones(2), group_id)
    assert both.tolist() == [0.0] * n
    beside = torch.cat([rewards, torch.tensor([0.0, 1.0, NOTHING])]), torch.cat([group_id, torch.ones(3).long()])
    for estimator in get_args(Estimator):
        assert group_advantages(*beside, estimator)[:n].tolist() == [0.0] * n
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
    with pytest.raises(BadValue, match="lone"):
        group_advantages(torch.zeros(2), torch.zeros(2, dtype=torch.int64), lone="keep")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="rewards must be finite, or NaN"):
        group_advantages(torch.tensor([float("inf"), 0.0]), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(BadValue, match="group 1"):
        normalise_then_sum(torch.zeros(3, 2), torch.ones(2), torch.tensor([0, 0, 1]))
    with pytest.raises(BadValue, match="weights"):
        normalise_then_sum(torch.zeros(2, 2), torch.ones(3), torch.zeros(2, dtype=torch.int64))
