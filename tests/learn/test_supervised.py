"""Cross-entropy where there is a label, and a trainer that goes on where it stopped."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from wayfare.errors import BadValue
from wayfare.learn.supervised import Supervised, cross_entropy, next_tokens


def net(seed: int = 0, words: int = 7) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Embedding(words, 8), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, words))


def data(number: int, rows: int = 6, words: int = 7) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(number)
    ids = torch.randint(words, (rows, 5), generator=draw)
    return ids, torch.rand(rows, 5, generator=draw) < 0.5


def test_loss_is_minus_the_log_of_the_softmax_by_a_loop_and_zero_off_the_mask() -> None:
    logits = torch.randn(3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([[0, 1, 2, 3], [4, 4, 0, -7], [1, 99, 2, 2]])
    mask = torch.tensor([[True, False, True, True], [True, True, False, False], [True, False, True, False]])
    found = cross_entropy(logits, targets, mask)
    for b in range(3):
        for t in range(4):
            row = logits[b, t].tolist()
            wanted = math.log(sum(map(math.exp, row))) - row[targets[b, t]] if mask[b, t] else 0.0
            assert float(found[b, t]) == pytest.approx(wanted, abs=1e-12)


def test_masked_places_get_no_gradient_even_where_their_logits_are_not_finite() -> None:
    logits = torch.zeros(1, 3, 4)
    logits[0, 1] = math.inf
    logits.requires_grad_()
    cross_entropy(logits, torch.tensor([[1, 2, 3]]), torch.tensor([[True, False, True]])).sum().backward()
    assert logits.grad is not None and (logits.grad[0, 1] == 0).all()
    assert logits.grad[0, 0].tolist() == pytest.approx([0.25, -0.75, 0.25, 0.25])


def test_half_precision_is_lifted_before_the_softmax() -> None:
    found = cross_entropy(torch.zeros(1, 1, 3, dtype=torch.bfloat16), torch.tensor([[0]]), torch.tensor([[True]]))
    assert found.dtype == torch.float32 and float(found) == pytest.approx(math.log(3), abs=1e-6)


def test_place_t_predicts_token_t_plus_1_in_a_case_of_two_tokens_by_hand() -> None:
    inputs, targets, mask = next_tokens(torch.tensor([[5, 6]]), torch.tensor([[True, True]]))
    assert (inputs.tolist(), targets.tolist(), mask.tolist()) == ([[5]], [[6]], [[True]])


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("targets", {"targets": torch.zeros(2, 2, dtype=torch.int64)}),
        ("targets", {"targets": torch.full((1, 2), 4)}),
        ("mask", {"mask": torch.ones(1, 2)}),
        ("mask", {"mask": torch.ones(2, 2, dtype=torch.bool)}),
    ],
)
def test_what_does_not_fit_is_refused(field: str, change: dict[str, Tensor]) -> None:
    given = {
        "logits": torch.zeros(1, 2, 4), "targets": torch.zeros(1, 2, dtype=torch.int64),
        "mask": torch.ones(1, 2, dtype=torch.bool),
    }  # fmt: skip
    with pytest.raises(BadValue) as refused:
        cross_entropy(**{**given, **change})
    assert refused.value.field == field


def test_micro_batches_leave_the_update_as_it_is() -> None:
    whole, parts = net(), net()
    for module, rows in ((whole, None), (parts, 2)):
        Supervised(module, 1e-2).update(*data(3), rows=rows)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-7)


def test_targets_off_the_mask_do_not_matter_and_labelled_ones_do() -> None:
    ids, labelled = data(4)
    labelled[:, -1] = torch.tensor([True, False, True, False, True, False])
    trainer = Supervised(net())
    loss = trainer.losses(ids, labelled)
    other = ids.clone()
    other[~labelled[:, -1], -1] = (other[~labelled[:, -1], -1] + 1) % 7
    assert torch.equal(trainer.losses(other, labelled), loss)
    other[0, -1] = (other[0, -1] + 1) % 7
    assert not torch.equal(trainer.losses(other, labelled), loss)


def test_a_run_that_was_stopped_ends_where_one_that_was_not_does() -> None:
    straight = Supervised(net(), 1e-2, updates=20)
    losses = straight.fit(data, 20)
    first = Supervised(net(), 1e-2, updates=20)
    begun = first.fit(data, 9)
    state = copy.deepcopy(first.state_dict())
    later = Supervised(net(seed=5), 1e-2, updates=20)
    later.load_state_dict(state)
    assert begun + later.fit(data, 20) == losses
    for a, b in zip(straight.module.parameters(), later.module.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_rate_rises_and_falls_to_a_tenth_or_stays() -> None:
    trainer = Supervised(net(), 1.0, updates=100, warm_up=0.1)
    rates = [trainer.rate(done) for done in range(101)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0) and rates[100] == pytest.approx(0.1)
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert Supervised(net(), 0.5).rate(10**6) == 0.5


def test_it_learns_a_copy_and_leaves_frozen_parameters_alone() -> None:
    module = net()
    module[0].requires_grad_(False)
    before = module[0].weight.clone()

    def batch(number: int) -> tuple[Tensor, Tensor]:
        ids = torch.randint(7, (32, 1), generator=torch.Generator().manual_seed(number)).repeat(1, 2)
        return ids, torch.ones_like(ids, dtype=torch.bool)

    losses = Supervised(module, 3e-2, updates=150).fit(batch, 150)
    assert losses[0] > 1.5 and losses[-1] < 0.1
    assert torch.equal(module[0].weight, before)


def test_a_batch_without_a_label_and_numbers_out_of_range_are_refused() -> None:
    trainer = Supervised(net())
    with pytest.raises(BadValue, match="labelled"):
        trainer.update(torch.zeros(1, 3, dtype=torch.int64), torch.tensor([[True, False, False]]))
    assert trainer.done == 0
    for change in ({"learning_rate": 0.0}, {"warm_up": 1.0}, {"updates": 0}, {"clip": math.inf}):
        with pytest.raises(BadValue, match=next(iter(change))):
            Supervised(net(), **change)
    with pytest.raises(BadValue, match="requires gradients"):
        Supervised(nn.Tanh())
    with pytest.raises(BadValue, match="same parameters"):
        trainer.load_state_dict(Supervised(net(words=9)).state_dict())
