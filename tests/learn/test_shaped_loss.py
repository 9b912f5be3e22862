"""Shaped next-token loss: its gradient is the policy gradient of the reward that it stands for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.learn.shaped_loss import ShapedTokenLoss, smoothed
from wayfare.learn.supervised import Supervised, cross_entropy


def drawn(rows: int = 6, words: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(rows, 3, words, generator=generator, dtype=torch.float64)
    targets = torch.randint(words, (rows, 3), generator=generator)
    return logits, targets, torch.rand(rows, 3, generator=generator) < 0.7


def gradient(loss: ShapedTokenLoss, logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_(True)
    loss(logits, targets, mask).sum().backward()
    assert logits.grad is not None
    return logits.grad


def test_without_a_shape_it_is_cross_entropy() -> None:
    logits, targets, mask = drawn()
    assert torch.equal(ShapedTokenLoss()(logits, targets, mask), cross_entropy(logits, targets, mask))


@pytest.mark.parametrize("beta", [-0.5, -0.25, 0.5, 1.0])
def test_the_gradient_of_the_token_that_stands_there_is_scaled_by_how_sure_it_is(beta: float) -> None:
    logits, targets, mask = drawn()
    pi, onehot = logits.softmax(-1), torch.nn.functional.one_hot(targets, logits.shape[-1]).double()
    missing = 1 - (pi * onehot).sum(-1, keepdim=True)
    wanted = missing**beta * (pi - onehot) * mask.unsqueeze(-1)
    torch.testing.assert_close(gradient(ShapedTokenLoss(beta), logits, targets, mask), wanted)


@pytest.mark.parametrize(("beta", "high", "low"), [(0.0, 0.1, 0.0), (0.0, 0.0, -0.1), (-0.25, 0.3, -0.7)])
def test_the_gradient_is_the_expected_policy_gradient_of_the_reward(beta: float, high: float, low: float) -> None:
    logits, targets, mask = drawn()
    words, k = logits.shape[-1], 3
    pi = logits.softmax(-1)
    wanted = torch.zeros_like(logits)
    for row, place in mask.nonzero().tolist():
        p, x = pi[row, place], int(targets[row, place])
        near = set(p.argsort(descending=True)[:k].tolist())
        for a in range(words):
            reward = (1 - p[x]) ** beta / p[x] if a == x else high if a in near else low
            score = torch.nn.functional.one_hot(torch.tensor(a), words) - p  # of log pi(a)
            wanted[row, place] -= p[a] * reward * score
    found = gradient(ShapedTokenLoss(beta, high=high, low=low, k=k), logits, targets, mask)
    torch.testing.assert_close(found, wanted)
    assert not found[~mask].any()


def test_a_sure_token_gives_a_gradient_that_is_finite_and_small() -> None:
    logits = torch.tensor([[[60.0, 0.0, -60.0]]])
    found = gradient(ShapedTokenLoss(-0.9, low=-0.1, k=1), logits, torch.zeros(1, 1, dtype=torch.int64),
                     torch.ones(1, 1, dtype=torch.bool))  # fmt: skip
    assert bool(found.isfinite().all()) and float(found.abs().max()) < 1e-3


def test_of_equally_likely_tokens_those_of_lower_number_are_near() -> None:
    logits, targets, mask = torch.zeros(1, 1, 5), torch.tensor([[1]]), torch.ones(1, 1, dtype=torch.bool)
    # K = {0, 1}: token 0 is near, 2 to 4 are the tail
    value = ShapedTokenLoss(high=1.0, low=-1.0, k=2)(logits, targets, mask) - cross_entropy(logits, targets, mask)
    assert float(value) == pytest.approx(-0.2 + 0.6)


def test_a_negative_beta_makes_a_sharper_model_of_the_same_data_and_a_positive_one_a_broader() -> None:
    ids = torch.tensor([[0, 1]] * 7 + [[0, 2]] * 2 + [[0, 3]])
    labelled = torch.ones_like(ids, dtype=torch.bool)
    entropies = []
    for beta in (-0.5, 0.0, 1.0):
        torch.manual_seed(0)
        net = torch.nn.Embedding(4, 4)
        Supervised(net, 0.1, loss=ShapedTokenLoss(beta)).fit(lambda _: (ids, labelled), 150)
        pi = net.weight[0].detach().softmax(-1)
        entropies.append(float(-(pi * pi.log()).sum()))
    assert entropies == sorted(entropies) and entropies[2] - entropies[0] > 0.1


@pytest.mark.parametrize(
    ("field", "told"), [("beta", {"beta": -1.0}), ("high", {"high": float("nan")}), ("k", {"k": 0})]
)
def test_impossible_values_are_refused_by_name(field: str, told: dict[str, float]) -> None:
    with pytest.raises(BadValue) as refused:
        ShapedTokenLoss(**told)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_smoothed_labels_are_those_of_torch() -> None:
    logits, targets, mask = drawn()
    wanted = torch.nn.functional.cross_entropy(logits[mask], targets[mask], label_smoothing=0.2, reduction="none")
    found = smoothed(logits, targets, mask, smoothing=0.2)
    torch.testing.assert_close(found[mask], wanted)
    assert not found[~mask].any()
    with pytest.raises(BadValue, match="smoothing"):
        smoothed(logits, targets, mask, smoothing=1.0)
