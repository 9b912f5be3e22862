"""Soft values by hand, at their limits, and learned ones against exact iteration."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.learn.soft_values import soft_backup, soft_policy, soft_value, soft_value_iteration

rows = st.lists(st.sampled_from([-1.0, 0.0, 0.25, 2.0]), min_size=1, max_size=6).map(
    lambda x: torch.tensor(x, dtype=torch.float64)
)


@given(rows, st.floats(0.05, 20))
def test_value_and_policy_are_the_two_halves_of_one_identity(q, alpha) -> None:
    """V = E_mu Q + alpha H(mu), which is what (1) asks for."""
    mu = soft_policy(q, alpha)
    entropy = -(mu * mu.clamp_min(1e-300).log()).sum()
    assert float(soft_value(q, alpha)) == pytest.approx(float((mu * q).sum() + alpha * entropy), abs=1e-9)
    assert float(mu.sum()) == pytest.approx(1)


@given(rows)
def test_the_limits_are_the_best_with_ties_shared_and_the_uniform(q) -> None:
    best = (q == q.max()).double()
    for alpha in (0.0, 1e-12):
        assert soft_policy(q, alpha).tolist() == pytest.approx((best / best.sum()).tolist(), abs=1e-9)
        assert float(soft_value(q, alpha)) == pytest.approx(float(q.max()), abs=1e-9)
    assert soft_policy(q, 1e9).tolist() == pytest.approx([1 / len(q)] * len(q), abs=1e-6)
    assert soft_policy(1e6 * q, 1e-3).isfinite().all() and soft_value(1e6 * q, 1e-3).isfinite()


def test_an_empty_bank_is_worth_nothing_and_chooses_nothing_and_has_no_gradient_of_nan() -> None:
    q = torch.ones(2, 3, requires_grad=True)
    allowed = torch.tensor([[True, False, True], [False, False, False]])
    value = soft_value(q, 0.5, allowed)
    assert value.tolist() == pytest.approx([1 + 0.5 * math.log(2), 0])
    value.sum().backward()
    assert q.grad is not None and q.grad.tolist() == [[0.5, 0, 0.5], [0, 0, 0]]
    assert soft_policy(q, 0.5, allowed)[1].tolist() == [0, 0, 0] == soft_policy(q, 0.0, allowed)[1].tolist()
    assert soft_value(torch.zeros(2, 0), 0.5).tolist() == [0, 0]


def test_a_backup_by_hand_and_at_an_end() -> None:
    reward, ends = torch.tensor([1.0, 1.0]), torch.tensor([False, True])
    y = soft_backup(reward, ends, torch.zeros(2, 4), discount=0.5, temperature=0.2)
    assert y.tolist() == pytest.approx([1 + 0.5 * 0.2 * math.log(4), 1.0])


def test_iteration_by_hand() -> None:
    """Two states: the first goes on to the second with either choice, the second ends."""
    reward = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    transition = torch.zeros(2, 2, 2, dtype=torch.float64)
    transition[0, :, 1] = 1
    q = soft_value_iteration(reward, transition, discount=1.0, temperature=0.5)
    ahead = 0.5 * math.log(math.exp(2) + 1)
    assert q.tolist() == [pytest.approx([ahead, 1 + ahead]), pytest.approx([1, 0])]


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(BadValue, match="temperature"):
        soft_value(torch.zeros(2), -1.0)
    with pytest.raises(BadValue, match="allowed"):
        soft_value(torch.zeros(2), 1.0, torch.ones(2))
    with pytest.raises(BadValue, match="discount"):
        soft_backup(torch.zeros(1), torch.zeros(1, dtype=torch.bool), torch.zeros(1, 2), discount=2, temperature=1)
    with pytest.raises(BadValue, match="transition"):
        soft_value_iteration(torch.zeros(2, 2), torch.ones(2, 2, 2), discount=1, temperature=1)
    with pytest.raises(BadValue, match="settle"):
        loop = torch.eye(1).view(1, 1, 1)
        soft_value_iteration(torch.ones(1, 1), loop, discount=1, temperature=1, most=50)
