"""A prompt that rows share is read once, and nothing is another number for it: states, log-probabilities, gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("transformers")

from tests.language.families import FAMILIES, fresh
from wayfare.language.local import TransformersModel
from wayfare.language.scoring import score
from wayfare.language.shared_prompts import shared_prompts

PROMPTS = ([5, 6, 7, 8, 9, 10, 11, 12], [9, 8, 7], [3])
"""Of unequal length: two are padded."""


def rows(order: tuple[int, ...], new: int = 4, *, padded: bool = True) -> tuple[Tensor, Tensor]:
    """Prompts in that order with other answers behind each, the second of two tokens [B, N], and what is valid."""
    width = 8 if padded else 3
    given = PROMPTS if padded else [each * (3 // len(each)) for each in ([4, 5, 6], [9, 8, 7], [3])]
    ids = torch.zeros(len(order), width + new, dtype=torch.int64)
    valid = torch.ones_like(ids, dtype=torch.bool)
    for row, number in enumerate(order):
        told = given[number]
        ids[row, width - len(told) : width] = torch.tensor(told)
        valid[row, : width - len(told)] = False
        ids[row, width:] = torch.arange(new) + 3 + row
    if new > 2:
        valid[1, width + 2 :] = False
    return ids, valid


def read(model: TransformersModel) -> list[int]:
    """Grows by the tokens of each pass."""
    score(model, *rows((0, 0)), 1)  # the first time more is read, to know the model's head
    seen: list[int] = []
    decoder: Any = model.causal.get_decoder()
    decoder.register_forward_pre_hook(
        lambda _, given, named: seen.append(named["input_ids"].numel()), with_kwargs=True
    )  # fmt: skip
    return seen


def scored(model: TransformersModel, ids: Tensor, valid: Tensor, keep: int, once: bool) -> tuple[Tensor, list[Tensor]]:
    """Log-probabilities of valid tokens, and the gradient of their weighted sum."""
    model.reads_prompts_once = once
    model.module.zero_grad()
    logps = score(model, ids, valid, keep).logps.masked_fill(~valid[:, -keep:], 0.0)
    (logps * torch.linspace(0.5, 1.5, logps.numel(), dtype=logps.dtype).view_as(logps)).sum().backward()
    return logps.detach(), [each.grad.clone() for each in model.module.parameters() if each.grad is not None]


@pytest.mark.parametrize("order", [(0, 0, 0, 1, 1, 1, 2, 2, 2), (0, 1, 0, 2, 1, 0, 1, 0)], ids=["even", "mixed"])
@pytest.mark.parametrize("new", [4, 1])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("name", [*(name for name in FAMILIES if name != "gemma3"), "llama+lora"])
def test_prompts_read_once_give_the_same_numbers_and_gradients(
    name: str, padded: bool, new: int, order: tuple[int, ...]
) -> None:
    model = fresh(name)
    model.module.double()
    ids, valid = rows(order, new, padded=padded)
    expected, gradients = scored(model, ids, valid, new, False)
    seen = read(model)
    found, own = scored(model, ids, valid, new, True)
    width = ids.shape[1] - new
    assert sum(seen) == len(set(order)) * width + len(order) * (new - 1)  # each prompt once, and answers
    near = 1e-9 if name == "gpt2" else 1e-5  # the others' norms are float32 whatever the weights
    torch.testing.assert_close(found, expected, atol=near, rtol=0)
    assert len(own) == len(gradients) > 0
    for one, two in zip(own, gradients, strict=True):
        torch.testing.assert_close(one, two, atol=near, rtol=0)


def test_who_keeps_no_cache_or_saves_little_reads_every_row_whole() -> None:
    ids, valid = rows((0, 0, 0, 0))
    windowed = fresh("gemma3")
    seen = read(windowed)
    expected = score(windowed, ids, valid, 4).logps
    assert seen == [4 * 11]
    windowed.reads_prompts_once = False
    torch.testing.assert_close(score(windowed, ids, valid, 4).logps, expected)
    model = fresh("llama")
    seen = read(model)
    score(model, *rows((0, 1, 2, 0)), 4)  # three of four differ
    score(model, ids, valid, 11)  # one token of eleven is the prompt
    assert seen == [4 * 11, 4 * 11]
    model.causal.gradient_checkpointing_enable({"use_reentrant": False})
    score(model, ids, valid, 4).logps.sum().backward()
    assert seen[2] == 4 * 11
    with torch.no_grad():
        score(model, ids, valid, 4)
    assert seen[-2:] == [8, 4 * 3]  # nothing is recomputed where there is no gradient


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_rows_go_to_the_first_that_begins_alike(order: list[int]) -> None:
    ids, valid = torch.tensor([[number // 2, 7] for number in order]), torch.tensor([[n % 2 == 0, True] for n in order])
    told = [(int(a), bool(b)) for a, b in zip(ids[:, 0] + 1, valid[:, 0], strict=True)]
    told = [(number if there else 0, there) for number, there in told]  # padding is the same whatever stands there
    alike = shared_prompts(ids.where(valid, 0), valid)
    if 2 * len(set(told)) > len(told):
        assert alike is None
        return
    assert alike is not None
    assert alike.first.tolist() == [told.index(each) for each in dict.fromkeys(told)]
    assert [told[int(alike.first[back])] for back in alike.back] == told
    each = torch.arange(len(alike.first) * 2).view(-1, 2).double().requires_grad_()
    assert torch.equal(alike.spread(each), each[alike.back])
    alike.spread(each).sum().backward()
    assert each.grad is not None and each.grad[:, 0].tolist() == [told.count(one) for one in dict.fromkeys(told)]
