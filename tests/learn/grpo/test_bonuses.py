"""Bonuses within a group: worked by hand, indifferent to the order of rows, and nothing for answers that are alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.learn.grpo.small import drawn_rows, model
from wayfare.errors import BadValue
from wayfare.learn.grpo.advantages import GroupRelative
from wayfare.learn.grpo.bonuses import CopyBonus, EllipticalBonus, RankBonus
from wayfare.learn.rollouts import RolloutBatch

ORDER = torch.tensor([3, 0, 5, 1, 4, 2])
NAN = float("nan")


def told(rewards: list[float], groups: list[int], **others: Any) -> RolloutBatch:
    batch = drawn_rows(model(), len(rewards))
    return replace(batch, extrinsic=torch.tensor(rewards), group_id=torch.tensor(groups), **others)


def spread(rewards: list[float], groups: list[int], seed: int = 0, width: int = 8) -> RolloutBatch:
    draws = torch.Generator().manual_seed(seed)
    return told(rewards, groups, features=torch.randn(len(rewards), width, generator=draws))


def test_leverage_of_two_answers_by_hand() -> None:
    # centred: +-1 along one axis, so K = [[1, -1], [-1, 1]], eigenvalue 2: b = 1/2 x 2 / (2 + ridge)
    batch = told([1.0, 0.0], [0, 0], features=torch.tensor([[3.0, 0.0], [1.0, 0.0]]))
    found = EllipticalBonus(2.0, 0.5, width=None).score(batch)
    assert found.tolist() == pytest.approx([2.0 * 0.4] * 2) and found.dtype == torch.float32
    # adaptive: the mean eigenvalue is 2, over a rank of 1
    found = EllipticalBonus(2.0, 0.5, width=None, adaptive=True).score(batch)
    assert found.tolist() == pytest.approx([2.0 / 3.0] * 2)
    found = EllipticalBonus(2.0, 0.5, width=None, leave_one_out=True).score(batch)
    assert found.tolist() == pytest.approx([2.0 * 0.4 / 0.6] * 2)


@pytest.mark.parametrize(
    "bonus", [EllipticalBonus(1.0, closed=()), EllipticalBonus(1.0, width=2), CopyBonus(1.0), RankBonus(1.0)]
)
def test_the_order_of_rows_does_not_matter_and_groups_are_ragged(bonus: Any) -> None:
    batch = spread([1.0, 0.0, 1.0, 1.0, 1.0, 0.0], [0, 0, 0, 0, 1, 2])
    batch = replace(batch, texts=("a", "a", "a", "b", "a", "c"))
    found = bonus.score(batch)
    assert torch.allclose(bonus.score(batch.rows(ORDER)), found[ORDER], atol=1e-6)
    alone = bonus.score(batch.rows(torch.arange(4)))
    assert torch.allclose(alone, found[:4], atol=1e-6)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("width", [None, 4, 32])
def test_alike_answers_earn_nothing_and_have_no_advantage(adaptive: bool, width: int | None) -> None:
    same = torch.randn(16, generator=torch.Generator().manual_seed(1)).repeat(4, 1)
    batch = told([1.0] * 4, [0] * 4, features=same * (1.0 + 1e-7 * torch.arange(4).unsqueeze(1)))
    found = EllipticalBonus(1.0, width=width, adaptive=adaptive).score(batch)
    assert found.tolist() == [0.0] * 4
    gains = GroupRelative().advantage(torch.ones(4) + found, batch.group_id, 1)
    assert gains.tolist() == [0.0] * 4


def test_with_a_small_ridge_a_copy_is_paid_by_how_often_it_stands_there() -> None:
    """The simple rule that the method must be compared to: 1 / m - 1 / G."""
    kinds = torch.eye(8)[[0, 0, 0, 0, 1, 1, 2, 3]] * 10
    batch = told([1.0] * 8, [0] * 8, features=kinds, texts=tuple("aaaabbcd"))
    leverage = EllipticalBonus(1.0, 1e-6, width=None).score(batch)
    copies = CopyBonus(1.0).score(batch)
    assert copies.tolist() == pytest.approx([0.25] * 4 + [0.5] * 2 + [1.0] * 2)
    assert leverage.tolist() == pytest.approx((copies - 1 / 8).tolist(), abs=1e-4)


def test_unsolved_groups_earn_nothing_unless_the_gate_is_open() -> None:
    batch = spread([0.0, 0.0, NAN, 1.0, 0.0, 0.4], [0, 0, 0, 1, 1, 1])
    batch = replace(batch, texts=tuple("abcdef"))
    for kind in (EllipticalBonus, CopyBonus):
        told = kind(1.0).score(batch)
        assert told[:3].tolist() == [0.0] * 3 and bool((told[3:] > 0).all())
        assert bool((kind(1.0, closed=()).score(batch) > 0).all())
        wrong = kind(1.0, closed=("wrong",)).score(batch)
        assert (wrong > 0).tolist() == [False] * 3 + [True, False, False]
    assert bool((EllipticalBonus(1.0, right=0.4).score(batch)[3:] > 0).all())


def test_a_projection_is_new_each_step_and_a_run_goes_on_with_its_own() -> None:
    batch = spread([1.0] * 6, [0] * 6)
    one, two = EllipticalBonus(1.0, width=3), EllipticalBonus(1.0, width=3)
    first = one.score(batch)
    assert torch.equal(one.score(batch), first), "to score is not to remember"
    one.update(batch)
    second = one.score(batch)
    assert not torch.allclose(first, second, atol=1e-3)
    two.load_state_dict(one.state_dict())
    assert torch.equal(two.score(batch), second)


def test_of_right_answers_the_unlikelier_earn_more_and_alike_ones_the_same() -> None:
    batch = told([1.0, 1.0, 0.0, 1.0, 1.0, NAN], [0, 0, 0, 0, 0, 1])
    logps = torch.zeros_like(batch.old_logps)
    logps[:, 0] = torch.tensor([-1.0, -3.0, -2.0, -3.00001, -9.0, -1.0])
    batch = replace(batch, old_logps=logps, completion_mask=logps < 0)
    assert RankBonus(1.0).score(batch).tolist() == pytest.approx([0.0, 0.5, 0.0, 0.5, 1.0, 0.0])


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BadValue, match="features"):
        EllipticalBonus().score(told([1.0, 0.0], [0, 0]))
    with pytest.raises(BadValue, match="width"):
        EllipticalBonus(width=0)
