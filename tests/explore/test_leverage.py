"""Ridge leverage of groups: bounds, saturation, ragged groups, gates and projections."""

from __future__ import annotations

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.explore.leverage import gated, leverage, random_projection


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def halves(width, scale):
    """Eight features, the first half nearly alike."""
    x = normal(8, width)
    x[:4] = x[0] + 0.1 * x[:4]
    return scale * x


def exact(x, ridge, centre=True, leave_one_out=False):
    h = x - x.mean(dim=0) if centre else x
    found = []
    for i in range(len(h)):
        rest = torch.cat([h[:i], h[i + 1 :]]) if leave_one_out else h
        found.append(h[i] @ torch.linalg.solve(ridge * torch.eye(h.shape[1], dtype=h.dtype) + rest.T @ rest, h[i]))
    return torch.stack(found)


@pytest.mark.parametrize("shape", [(5, 9), (9, 4)])
@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("leave_one_out", [True, False])
def test_it_is_the_quadratic_form_under_the_inverse(shape, centre, leave_one_out):
    x = normal(*shape)
    got = leverage(x, 0.3, centre=centre, leave_one_out=leave_one_out)
    torch.testing.assert_close(got, exact(x, 0.3, centre, leave_one_out), rtol=1e-9, atol=0)


def test_leave_one_out_does_not_cancel_where_a_feature_stands_alone():
    turn = torch.linalg.qr(normal(3, 3))[0]
    x = torch.diag(torch.tensor([1e4, 1.0, 1.0], dtype=torch.float64)) @ turn
    got = leverage(x, 1e-8, centre=False, leave_one_out=True)
    assert got.tolist() == pytest.approx([1e16, 1e8, 1e8], rel=1e-6)


def test_ragged_groups_in_any_order_equal_a_loop_over_them():
    group = torch.tensor([7, 3, 7, 7, 9, 3, 7, 3, 7, 7])
    x = normal(10, 5)
    got = leverage(x, 0.1, group)
    for name in (3, 7, 9):
        torch.testing.assert_close(got[group == name], leverage(x[group == name], 0.1))
    assert got[4] == 0
    order = torch.randperm(10, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(leverage(x[order], 0.1, group[order]), got[order])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("width", [3, 32])
def test_it_lies_below_one_and_sums_to_at_most_the_rank(scale, width):
    b = leverage(halves(width, scale), 1e-8)
    assert (b >= 0).all()
    assert (b < 1).all()
    assert b.sum() <= min(width, 7) + 1e-9
    assert (leverage(halves(width, scale), 1e-300, centre=False) < 1).all()


def test_a_small_ridge_saturates_at_seven_eighths_unless_the_width_is_below_the_group():
    b = leverage(halves(32, 10.0), 0.01)
    assert b.tolist() == pytest.approx([0.875] * 8, abs=0.01)
    small = leverage(halves(32, 0.1), 0.01)
    assert small[:4].mean() < 0.3
    assert small[4:].mean() > 0.7
    for scale in (10.0, 1000.0):
        narrow = leverage(halves(4, scale), 0.01)
        assert narrow[:4].mean() < 0.6 * narrow[4:].mean()


def test_an_adaptive_ridge_tells_novel_from_alike_at_any_scale():
    b = leverage(halves(32, 1.0), 0.1, adaptive=True)
    assert b[:4].mean() < 0.5 * b[4:].mean()
    torch.testing.assert_close(leverage(halves(32, 1e5), 0.1, adaptive=True), b)
    h = halves(32, 1.0) - halves(32, 1.0).mean(dim=0)
    torch.testing.assert_close(b, exact(h, 0.1 * float(h.square().sum()) / 7))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("adaptive", [True, False])
def test_a_collapsed_group_has_no_bonus_rounding_included(dtype, adaptive):
    x = normal(1, 16).to(dtype).repeat(6, 1)
    x[1:] *= 1 + torch.finfo(dtype).eps
    assert (leverage(x, 0.01, adaptive=adaptive) == 0).all()
    assert (leverage(torch.zeros(4, 3), 0.01, adaptive=adaptive) == 0).all()
    assert leverage(torch.zeros(0, 3)).shape == (0,)


def test_gates_close_to_groups_by_how_many_are_right():
    group = torch.tensor([0, 0, 1, 1, 2, 2])
    right = torch.tensor([False, False, True, False, True, True])
    one = torch.ones(6)
    assert gated(one, right, group).tolist() == [0, 0, 1, 1, 1, 1]
    assert gated(one, right, group, ()).tolist() == [1] * 6
    assert gated(one, right, group, ("some right",)).tolist() == [1, 1, 0, 0, 1, 1]
    assert gated(one, right, group, ("all right", "wrong")).tolist() == [0, 0, 1, 0, 0, 0]
    with pytest.raises(BadValue, match="closed"):
        gated(one, right, group, ("right",))


def test_a_sparse_projection_keeps_lengths_in_mean_and_is_drawn_anew_each_step():
    x = normal(20, 400)
    p = random_projection(x, 64, seed=0)
    assert ((p.square().sum(dim=1) / x.square().sum(dim=1)).mean() - 1).abs() < 0.1
    assert torch.equal(p, random_projection(x, 64, seed=0))
    assert not torch.equal(p, random_projection(x, 64, seed=0, step=1))
    torch.testing.assert_close(random_projection(x[3:5], 64, seed=0), p[3:5])
    entries = random_projection(torch.eye(400), 64, seed=0)
    assert ((entries != 0).double().mean() - 1 / 20).abs() < 0.005
    assert entries.abs().max() == pytest.approx((20 / 64) ** 0.5)
    assert entries.sign().sum().abs() < 120
