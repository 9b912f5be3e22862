from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.learn.credit import returns_to_go
from wayfare.learn.policy_gradient import Aggregation, PolicyGradient, aggregate, divergence


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logp = -torch.rand(3, 4, generator=generator, dtype=torch.float64)
    advantage = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=torch.bool)
    return logp.requires_grad_(), advantage, mask


def test_on_policy_the_gradient_is_the_advantage_and_masked_tokens_have_none() -> None:
    logp, advantage, mask = batch()
    loss, metrics = PolicyGradient(aggregation="seq-mean-token-sum-norm").loss(logp, advantage, mask)
    (gradient,) = torch.autograd.grad(loss, logp)
    assert torch.allclose(gradient, torch.where(mask, -advantage / 4, 0.0))
    assert metrics["clip_ratio/low"] == metrics["clip_ratio/high"] == 0


@pytest.mark.parametrize("how", get_args(Aggregation))
def test_aggregations_are_loops(how: Any) -> None:
    loss, _, mask = batch()
    rows = [
        [float(x) for x, m in zip(row, keep, strict=True) if m] for row, keep in zip(loss.detach(), mask, strict=True)
    ]
    some = [row for row in rows if row]
    wanted = {
        "token-mean": sum(map(sum, rows)) / sum(map(len, rows)),
        "seq-mean-token-mean": sum(sum(row) / len(row) for row in some) / len(some),
        "seq-mean-token-sum": sum(map(sum, some)) / len(some),
        "seq-mean-token-sum-norm": sum(map(sum, rows)) / 4,
        "dr-grpo": sum(map(sum, rows)) / 12,
    }
    assert float(aggregate(loss, mask, how).detach()) == pytest.approx(wanted[how])


def test_clips_work_on_their_own_side() -> None:
    logp = torch.tensor([[0.5, -0.5, 0.5, 2.0]], requires_grad=True)
    advantage = torch.tensor([[1.0, -1.0, -1.0, -1.0]])
    rule = PolicyGradient(eps_low=0.2, eps_high=0.28, dual_clip=3.0, aggregation="seq-mean-token-sum")
    loss, metrics = rule.loss(logp, advantage, torch.ones(1, 4), old_logp=torch.zeros(1, 4))
    rho = logp.detach().exp()
    assert float(loss.detach()) == pytest.approx(float(-1.28 + 0.8 + rho[0, 2] + 3.0))
    (gradient,) = torch.autograd.grad(loss, logp)
    assert gradient[0].tolist() == pytest.approx([0.0, 0.0, float(rho[0, 2]), 0.0])
    assert float(metrics["clip_ratio/low"]) == 0.25 and float(metrics["clip_ratio/high"]) == 0.25


def test_estimates_of_the_divergence_have_its_mean_where_they_should() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2]).log(), torch.tensor([0.2, 0.2, 0.6]).log()
    exact = float((p.exp() * (p - q)).sum())
    for kind in ("k1", "k3"):
        assert float((p.exp() * divergence(p, q, kind)).sum()) == pytest.approx(exact)  # type: ignore[arg-type]
    assert (divergence(p, q, "k3") >= 0).all() and (divergence(p, q, "k2") >= 0).all()


def test_the_expected_gradient_is_the_exact_one_by_enumeration() -> None:
    """Two turns, two actions; the second turn's logits depend on the first action."""
    logits = torch.tensor([[0.3, -0.2], [0.1, 0.4], [-0.5, 0.2]], dtype=torch.float64, requires_grad=True)
    paid = {(0, 0): (1.0, 0.0), (0, 1): (1.0, 2.0), (1, 0): (0.0, 3.0), (1, 1): (0.0, -1.0)}

    def logp(path: tuple[int, int]) -> torch.Tensor:
        first = logits[0].log_softmax(0)[path[0]]
        return torch.stack([first, logits[1 + path[0]].log_softmax(0)[path[1]]])

    value = sum(logp(p).sum().exp() * sum(paid[p]) for p in itertools.product((0, 1), repeat=2))
    (exact,) = torch.autograd.grad(value, logits)
    rule = PolicyGradient(aggregation="seq-mean-token-sum")
    expected = torch.zeros_like(exact)
    for path in itertools.product((0, 1), repeat=2):
        returns = returns_to_go(torch.tensor(paid[path], dtype=torch.float64).unsqueeze(1), 1.0).t()
        loss, _ = rule.loss(logp(path).unsqueeze(0), returns, torch.ones(1, 2))
        (gradient,) = torch.autograd.grad(loss, logits)
        expected -= logp(path).sum().exp().detach() * gradient
    assert torch.allclose(expected, exact)


def test_divergence_and_entropy_move_the_loss_by_their_weights() -> None:
    logp, advantage, mask = batch()
    ref, entropy = torch.full_like(logp, -0.4).detach(), torch.full_like(logp, 0.7).detach()
    plain, _ = PolicyGradient().loss(logp, advantage, mask)
    both, metrics = PolicyGradient(kl_weight=0.1, entropy_weight=0.01).loss(
        logp, advantage, mask, ref_logp=ref, entropy=entropy
    )
    assert float((both - plain).detach()) == pytest.approx(0.1 * float(metrics["kl"]) - 0.007)


def test_wrong_arguments_are_refused_by_name() -> None:
    logp, advantage, mask = batch()
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("eps_low", {"eps_low": 2.0}), ("eps_high", {"eps_high": 0.0}), ("dual_clip", {"dual_clip": 0.5}),
        ("aggregation", {"aggregation": "mean"}), ("kl", {"kl": "k4"}), ("kl_weight", {"kl_weight": -1.0}),
    ]  # fmt: skip
    for field, options in wrong:
        with pytest.raises(BadValue, match=field):
            PolicyGradient(**options)
    with pytest.raises(BadValue, match="advantage"):
        PolicyGradient().loss(logp, advantage[:, :2], mask)
    with pytest.raises(BadValue, match="ref_logp"):
        PolicyGradient(kl_weight=0.1).loss(logp, advantage, mask)
