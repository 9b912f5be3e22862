"""Distances between policies: estimates against exact sums, their slopes, and reshaped references."""

from __future__ import annotations

import math

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.explore import divergences as d


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities [3, 7] of a policy's logits and of a reference."""
    draw = torch.Generator().manual_seed(0)
    return (
        torch.randn(3, 7, generator=draw, dtype=torch.float64),
        torch.randn(3, 7, generator=draw, dtype=torch.float64).log_softmax(dim=-1),
    )


def expected(values: torch.Tensor, logps: torch.Tensor) -> torch.Tensor:
    """The mean over the vocabulary under the policy: what samples estimate."""
    return (logps.exp() * values).sum(dim=-1)


@pytest.mark.parametrize("kind", ["k1", "k3"])
def test_k1_and_k3_have_the_mean_of_the_reverse_divergence(pair, kind):
    logps, ref = pair[0].log_softmax(dim=-1), pair[1]
    torch.testing.assert_close(expected(d.estimate(logps, ref, kind), logps), d.reverse_kl(logps, ref))


def test_the_slope_of_k2_over_samples_is_that_of_the_reverse_divergence(pair):
    z, ref = pair[0].requires_grad_(), pair[1]
    logps = z.log_softmax(dim=-1)
    (exact,) = torch.autograd.grad(d.reverse_kl(logps, ref).sum(), z, retain_graph=True)
    (sampled,) = torch.autograd.grad(expected(d.estimate(logps, ref, "k2"), logps.detach()).sum(), z)
    torch.testing.assert_close(sampled, exact)


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_estimates_keep_the_dtype_and_vanish_at_equality(kind, dtype):
    logp = torch.tensor([-0.5, -3.0], dtype=dtype, requires_grad=True)
    value = d.estimate(logp, logp.detach(), kind)
    assert value.dtype == dtype
    assert value.tolist() == [0.0, 0.0]


def test_a_bound_clamps_the_value_and_ends_the_gradient():
    logp = torch.tensor([-1.0, -9.0], requires_grad=True)
    value = d.estimate(logp, torch.tensor([-0.9, -0.1]), "k3", bound=10.0)
    value.sum().backward()
    assert value[1] == 10.0
    assert logp.grad[0] != 0
    assert logp.grad[1] == 0


@pytest.mark.parametrize("kind", ["sampled-loss", "score"])
def test_both_forward_losses_have_the_mean_of_the_forward_divergence(pair, kind):
    logps, ref = pair[0].log_softmax(dim=-1), pair[1]
    value = d.estimate_forward(logps, ref, kind, cap=1e9)
    assert (value >= 0).all()
    torch.testing.assert_close(expected(value, logps), d.forward_kl(logps, ref))


def test_only_the_score_form_has_the_slope_of_the_forward_divergence(pair):
    z, ref = pair[0].requires_grad_(), pair[1]
    logps = z.log_softmax(dim=-1)
    (exact,) = torch.autograd.grad(d.forward_kl(logps, ref).sum(), z, retain_graph=True)
    slopes = [
        torch.autograd.grad(
            expected(d.estimate_forward(logps, ref, k, cap=1e9), logps.detach()).sum(), z, retain_graph=True
        )[0]
        for k in ("score", "sampled-loss")
    ]
    torch.testing.assert_close(slopes[0], exact)
    assert (slopes[1] - exact).abs().max() > 0.01
    u = (ref - logps).detach().exp()
    leaf = logps.detach().requires_grad_()
    (own,) = torch.autograd.grad(d.estimate_forward(leaf, ref, "sampled-loss", cap=1e9).sum(), leaf)
    torch.testing.assert_close(own, -u * u.log())


@pytest.mark.parametrize("kind", ["sampled-loss", "score"])
def test_a_token_that_the_policy_dropped_pulls_no_harder_than_the_cap(kind):
    logp = torch.tensor([-12.0, -1.0], requires_grad=True)
    ref = torch.tensor([-0.1, -math.inf])
    d.estimate_forward(logp, ref, kind, cap=20.0).sum().backward()
    assert logp.grad.tolist() == pytest.approx([-20.0 if kind == "score" else -20.0 * math.log(20.0), 0.0])
    assert d.beyond(logp, ref, 20.0).tolist() == [True, False]


def test_exact_divergences_take_zero_mass_and_keep_finite_gradients():
    z = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64, requires_grad=True)
    hole = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64).log()
    d.forward_kl(z.log_softmax(dim=-1), hole).backward()
    torch.testing.assert_close(z.grad, z.detach().softmax(dim=-1) - hole.exp())
    assert d.reverse_kl(z.log_softmax(dim=-1), hole) == math.inf
    assert d.forward_kl(hole, z.log_softmax(dim=-1)) == math.inf


def test_phi_rises_with_the_reward_and_refuses_what_lies_outside():
    assert d.reward_phi(torch.tensor([0.0, 0.5, 1.0]), 0.0, 1.0).tolist() == [0.5, 0.75, 1.0]
    assert d.reward_phi(torch.tensor([-1.0]), -1.0, 1.0, floor=0.3).tolist() == pytest.approx([0.3])
    for wrong in (1.5, math.nan):
        with pytest.raises(BadValue, match="reward must be between 0 and 1"):
            d.reward_phi(torch.tensor([wrong]), 0.0, 1.0)
    with pytest.raises(BadValue, match="low"):
        d.reward_phi(torch.tensor([0.0]), 1.0, 1.0)


def test_tempering_goes_from_the_reference_to_uniform_and_leaves_holes(pair):
    ref = pair[1].clone()
    ref[0, 3] = -math.inf
    ref = ref.log_softmax(dim=-1)
    torch.testing.assert_close(d.tempered(ref, 1.0), ref)
    flat = d.tempered(ref, torch.tensor([0.0, 0.5, 0.0]))
    assert flat[0, 3] == -math.inf
    torch.testing.assert_close(flat[0].exp()[[0, 1, 2, 4, 5, 6]], torch.full((6,), 1 / 6, dtype=torch.float64))
    torch.testing.assert_close(flat[1].exp(), ref[1].exp().sqrt() / ref[1].exp().sqrt().sum())
    with pytest.raises(BadValue, match="phi"):
        d.tempered(ref, 1.2)


def test_tempering_within_the_likeliest_leaves_the_tail_alone():
    ref = torch.tensor([0.6, 0.3, 0.06, 0.04], dtype=torch.float64).log()
    got = d.tempered(ref, 0.0, top_p=0.85).exp()
    assert got.tolist() == pytest.approx([0.45, 0.45, 0.06, 0.04])


def test_the_proxy_keeps_the_mass_above_the_threshold():
    p = torch.tensor([[0.7, 0.2, 0.09, 0.01]], dtype=torch.float64)
    assert d.min_p(p.log(), 0.1).exp()[0].tolist() == pytest.approx([0.7 / 0.99, 0.2 / 0.99, 0.09 / 0.99, 0.0])
    got = d.min_p_proxy(p.log().expand(2, 4), torch.tensor([2, 3]), 0.1)
    assert got.kept.tolist() == [True, False]
    assert got.logq[0].exp() == pytest.approx(0.09 / 0.99)
    assert got.logq[1] == -math.inf
    assert got.log_z.exp().tolist() == pytest.approx([0.99, 0.99])


def test_kappa_zero_is_the_policy_itself_and_kappa_one_its_likeliest_token(pair):
    logps = pair[0].log_softmax(dim=-1)
    torch.testing.assert_close(d.min_p(logps, 0.0), logps)
    q = d.min_p(logps, 1.0).exp()
    assert torch.equal(q, torch.nn.functional.one_hot(logps.argmax(dim=-1), 7).double())


def test_half_precision_moves_the_threshold_so_it_is_refused():
    logps = torch.tensor([0.66, 0.3333, 0.0067]).log()
    with pytest.raises(BadValue, match="float32"):
        d.min_p(logps.bfloat16(), 0.01)
