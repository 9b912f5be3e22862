from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
import torch

from wayfare.errors import BadValue
from wayfare.learn.credit import returns_to_go
from wayfare.learn.policy_gradient import Aggregation, PolicyGradient, aggregate, means, token_weights


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
    assert set(means(metrics).values()) == {0.0}


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
        "dr_grpo": sum(map(sum, rows)) / 12,
    }
    synonyms = {"grpo": "seq-mean-token-mean", "dapo": "token-mean", "bnpo": "token-mean"}
    assert float(aggregate(loss, mask, how).detach()) == pytest.approx(wanted[synonyms.get(how, how)])
    assert float((loss * token_weights(mask.double(), how)).sum().detach()) == pytest.approx(
        wanted[synonyms.get(how, how)]
    )


def test_a_constant_length_replaces_that_of_the_longest_row() -> None:
    loss, _, mask = batch()
    for how in ("dr_grpo", "seq-mean-token-sum-norm"):
        found = aggregate(loss, mask, how, 8), aggregate(loss, mask, how)  # type: ignore[arg-type]
        assert float(2 * found[0].detach()) == pytest.approx(float(found[1].detach()))
    assert torch.equal(aggregate(loss, mask, "grpo", 8), aggregate(loss, mask, "grpo"))


@pytest.mark.parametrize("how", get_args(Aggregation))
def test_micro_batches_that_take_their_rows_of_the_weights_add_up_to_the_whole(how: Any) -> None:
    logp, advantage, mask = batch()
    rule = PolicyGradient(aggregation=how, kl_weight=0.1, entropy_weight=0.2, importance_sampling_level="sequence")
    others = {name: logp.detach() + shift for name, shift in (("old_logp", 0.3), ("ref_logp", -0.2), ("entropy", 1.0))}
    whole, told = rule.loss(logp, advantage, mask, **others)
    weights = token_weights(mask.double(), how)
    parts = [slice(0, 1), slice(1, 3)]
    found = [
        rule.loss(logp[i], advantage[i], mask[i], weights=weights[i], **{k: v[i] for k, v in others.items()})
        for i in parts
    ]
    torch.testing.assert_close(found[0][0] + found[1][0], whole)
    for name, value in told.items():
        torch.testing.assert_close(found[0][1][name] + found[1][1][name], value)


def test_dapo_alone_divides_by_the_tokens_that_it_is_told() -> None:
    mask = batch()[2]
    assert torch.equal(token_weights(mask, "dapo", tokens=8.0), mask / 8.0)
    assert torch.equal(token_weights(mask, "dapo", tokens=0.0), mask.float()), "no token counts as one"
    for how in get_args(Aggregation):
        assert torch.equal(token_weights(mask, how, tokens=8.0), token_weights(mask, how)) == (how != "dapo")


def test_bnpo_is_the_mean_of_its_micro_batches_means() -> None:
    loss, _, mask = batch()
    wanted = (loss[0, :3].mean() + loss[1, 0]) / 3  # the third row is empty: a mean of 0
    torch.testing.assert_close((loss * token_weights(mask.double(), "bnpo", rows=1)).sum(), wanted)


def test_a_mask_of_fractions_weighs_losses_and_not_ratios() -> None:
    logp, advantage, mask = batch()
    half = torch.where(mask, torch.tensor([1.0, 0.5, 0.25, 1.0], dtype=torch.float64), 0.0)
    assert float(token_weights(half / 4, "token-mean").sum()) == pytest.approx(1.0)  # though less than one token
    rule = PolicyGradient(importance_sampling_level="sequence")
    old = logp.detach() - 0.1
    torch.testing.assert_close(
        rule.token_loss(logp, advantage, half, old_logp=old)[0], rule.token_loss(logp, advantage, mask, old_logp=old)[0]
    )


def test_the_ratio_of_a_sequence_is_the_geometric_mean_of_its_tokens() -> None:
    logp, _, mask = batch()
    old = logp.detach() - torch.tensor([[0.3, -0.1, 0.4, 9.0], [0.05, 9.0, 9.0, 9.0], [9.0] * 4], dtype=torch.float64)
    advantage = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    rule = PolicyGradient(eps_high=0.3, importance_sampling_level="sequence")
    each, metrics = rule.token_loss(logp, advantage, mask, old_logp=old)
    assert each[0].tolist() == pytest.approx([-(2.718281828459045**0.2)] * 3 + [0.0])
    assert each[1].tolist() == pytest.approx([2.718281828459045**0.05, 0.0, 0.0, 0.0])
    assert metrics["clip_ratio/high_mean"].tolist() == [0.0, 2.0]  # of the two rows that have tokens
    (gradient,) = torch.autograd.grad(each[0].sum(), logp)
    assert gradient[0].tolist() == pytest.approx([-(2.718281828459045**0.2)] * 3 + [0.0])


def test_cispo_bounds_the_weight_and_keeps_every_gradient() -> None:
    logp = torch.tensor([[0.0, -1.0, -2.0]], requires_grad=True)
    old = torch.tensor([[0.0, -3.0, -1.0]])
    rule = PolicyGradient(surrogate="cispo", eps_high=5.0, aggregation="seq-mean-token-sum")
    loss, metrics = rule.loss(logp, torch.tensor([2.0]), torch.ones(1, 3), old_logp=old)
    (gradient,) = torch.autograd.grad(loss, logp)
    assert gradient[0].tolist() == pytest.approx([-2.0, -10.0, -2.0 * 2.718281828459045**-1.0])
    assert means(metrics) == {"cispo_clip_ratio": pytest.approx(1 / 3)}


def test_what_the_sampler_drew_otherwise_is_weighed_and_the_weight_has_a_bound_and_no_gradient() -> None:
    logp = torch.tensor([[-1.0, -1.0, -1.0]], requires_grad=True)
    behaviour = torch.tensor([[-1.0, -3.0, -0.5]])
    rule = PolicyGradient(importance_sampling_cap=2.0, aggregation="seq-mean-token-sum")
    loss, metrics = rule.loss(logp, torch.tensor([1.0]), torch.ones(1, 3), behaviour_logp=behaviour)
    (gradient,) = torch.autograd.grad(loss, logp)
    assert gradient[0].tolist() == pytest.approx([-1.0, -2.0, -(2.718281828459045**-0.5)])
    told = means(metrics)["sampling/importance_sampling_ratio/mean"]
    assert told == pytest.approx((1 + 2 + 2.718281828459045**-0.5) / 3)
    with pytest.raises(BadValue, match="behaviour_logp"):
        rule.loss(logp, torch.tensor([1.0]), torch.ones(1, 3))


@pytest.mark.parametrize("options", [{}, {"surrogate": "cispo", "eps_high": 4.0}, {"kl_weight": 0.1}])
def test_what_lies_behind_an_answer_reaches_neither_loss_nor_gradient(options: dict[str, Any]) -> None:
    logp, advantage, mask = batch()
    rule = PolicyGradient(importance_sampling_cap=2.0, **options)

    def told(filler: float) -> tuple[torch.Tensor, torch.Tensor]:
        start = logp.detach() - 0.1
        filled = torch.where(mask, logp, filler)
        others = {name: torch.where(mask, start, filler) for name in ("old_logp", "behaviour_logp", "ref_logp")}
        loss, _ = rule.loss(filled, advantage, mask, **others)
        return loss, torch.autograd.grad(loss, logp)[0]

    for found, wanted in zip(told(-torch.inf), told(0.0), strict=True):
        assert torch.equal(found, wanted)


def test_clips_work_on_their_own_side() -> None:
    logp = torch.tensor([[0.5, -0.5, 0.5, 2.0]], requires_grad=True)
    advantage = torch.tensor([[1.0, -1.0, -1.0, -1.0]])
    rule = PolicyGradient(eps_low=0.2, eps_high=0.28, dual_clip=3.0, aggregation="seq-mean-token-sum")
    loss, metrics = rule.loss(logp, advantage, torch.ones(1, 4), old_logp=torch.zeros(1, 4))
    rho = logp.detach().exp()
    assert float(loss.detach()) == pytest.approx(float(-1.28 + 0.8 + rho[0, 2] + 3.0))
    (gradient,) = torch.autograd.grad(loss, logp)
    assert gradient[0].tolist() == pytest.approx([0.0, 0.0, float(rho[0, 2]), 0.0])
    told = {"clip_ratio/low_mean": 0.25, "clip_ratio/high_mean": 0.25, "clip_ratio/region_mean": 0.5}
    assert means(metrics) == told


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
    assert float((both - plain).detach()) == pytest.approx(0.1 * means(metrics)["kl"] - 0.007)
    assert means(metrics)["entropy"] == pytest.approx(0.7)


def test_k3_times_its_ratio_has_the_gradient_of_the_divergence_whoever_drew() -> None:
    logits = torch.tensor([0.3, -0.2, 0.8], dtype=torch.float64, requires_grad=True)
    ref, drew = (torch.tensor(row, dtype=torch.float64).log() for row in ([0.2, 0.2, 0.6], [0.6, 0.3, 0.1]))
    logp = logits.log_softmax(0)
    (exact,) = torch.autograd.grad((logp.exp() * (logp - ref)).sum(), logits, retain_graph=True)
    for corrected in (True, False):
        rule = PolicyGradient(use_bias_correction_kl=corrected)
        each = rule.divergence(logp[:, None], ref[:, None], torch.ones(3, 1), old_logp=drew[:, None])
        (found,) = torch.autograd.grad((drew.exp() * each[:, 0]).sum(), logits, retain_graph=True)
        assert torch.allclose(found, exact) == corrected


def test_wrong_arguments_are_refused_by_name() -> None:
    logp, advantage, mask = batch()
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("eps_low", {"eps_low": 2.0}), ("eps_high", {"eps_high": 0.0}), ("dual_clip", {"dual_clip": 0.5}),
        ("aggregation", {"aggregation": "mean"}), ("kl", {"kl": "k4"}), ("kl_weight", {"kl_weight": -1.0}),
        ("surrogate", {"surrogate": "ppo"}), ("importance_sampling_level", {"importance_sampling_level": "turn"}),
        ("eps_high", {"surrogate": "cispo"}), ("dual_clip", {"surrogate": "cispo", "eps_high": 5.0, "dual_clip": 3.0}),
        ("importance_sampling_cap", {"importance_sampling_cap": 0.0}), ("length", {"length": 0}),
    ]  # fmt: skip
    for field, options in wrong:
        with pytest.raises(BadValue, match=field):
            PolicyGradient(**options)
    with pytest.raises(BadValue, match="advantage"):
        PolicyGradient().loss(logp, advantage[:, :2], mask)
    with pytest.raises(BadValue, match="mask"):
        PolicyGradient().loss(logp, advantage, mask[:, :2])
    with pytest.raises(BadValue, match="weights"):
        PolicyGradient().loss(logp, advantage, mask, weights=torch.ones(3, 1))
    with pytest.raises(BadValue, match="rows"):
        token_weights(mask, "bnpo", rows=0)
    with pytest.raises(BadValue, match="tokens"):
        token_weights(mask, "dapo", tokens=-1.0)
    with pytest.raises(BadValue, match="ref_logp"):
        PolicyGradient(kl_weight=0.1).loss(logp, advantage, mask)
