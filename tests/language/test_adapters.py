"""Adapters on a real causal model: nothing at first, trainable alone, switched off and on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wayfare.errors import BadValue
from wayfare.language.adapters import (
    adapter_weights,
    add_adapters,
    has_adapters,
    remove_adapters,
    without_adapters,
)
from wayfare.language.interface import Sampling
from wayfare.language.local import TransformersModel


def test_fresh_adapters_change_no_answer_and_are_all_that_is_trained() -> None:
    model = TransformersModel("tiny-random")
    before = model.generate(["begin 0 act"], Sampling(max_tokens=6))
    assert not has_adapters(model)
    add_adapters(model, rank=2)
    after = model.generate(["begin 0 act"], Sampling(max_tokens=6))
    assert has_adapters(model) and before.texts == after.texts
    np.testing.assert_allclose(before.logprobs, after.logprobs, atol=1e-6)
    trained = [name for name, each in model.causal.named_parameters() if each.requires_grad]
    assert trained and all("lora_" in name for name in trained) and not any("lm_head" in name for name in trained)
    assert len(trained) == 2 * 2 * 7  # A and B of seven maps in two layers


def test_switched_off_the_model_is_the_one_before_and_on_again_it_is_not() -> None:
    model = add_adapters(TransformersModel("tiny-random"), rank=2)
    pairs = [("begin 0 act", "12")]
    plain = TransformersModel("tiny-random").logprobs(pairs).logprobs
    with torch.no_grad():
        for name, each in model.causal.named_parameters():
            if "lora_B" in name:
                each.normal_()
    moved = model.logprobs(pairs).logprobs
    with without_adapters(model):
        np.testing.assert_allclose(model.logprobs(pairs).logprobs, plain, atol=1e-6)
    np.testing.assert_array_equal(model.logprobs(pairs).logprobs, moved)
    assert np.abs(moved - plain).max() > 1e-3


def test_the_seed_alone_decides_the_start() -> None:
    def start(seed: int) -> torch.Tensor:
        torch.manual_seed(99)
        made = add_adapters(TransformersModel("tiny-random"), rank=2, seed=seed)
        return torch.cat([each.detach().flatten() for each in made.causal.parameters() if each.requires_grad])

    assert torch.equal(start(1), start(1)) and not torch.equal(start(1), start(2))


def test_what_cannot_be_is_refused() -> None:
    model = TransformersModel("tiny-random")
    with pytest.raises(BadValue, match="rank"):
        add_adapters(model, rank=0)
    with pytest.raises(BadValue, match="one with adapters"), without_adapters(model):
        pass
    add_adapters(model, rank=1)
    with pytest.raises(BadValue, match="one without adapters"):
        add_adapters(model, rank=1)


def test_what_is_taken_out_leaves_the_model_bit_for_bit_and_can_be_put_in_again() -> None:
    model = TransformersModel("tiny-random")
    ids = torch.arange(40).unsqueeze(0)
    with torch.no_grad():
        plain = model.causal(ids).logits
        add_adapters(model, rank=2)
        for name, each in adapter_weights(model).items():
            if "lora_B" in name:
                each.normal_()
        assert float((model.causal(ids).logits - plain).abs().max()) > 1e-3
        assert not has_adapters(remove_adapters(model)) and not adapter_weights(model)
        assert torch.equal(model.causal(ids).logits, plain)
        add_adapters(model, rank=3)
        assert torch.equal(model.causal(ids).logits, plain)
    remove_adapters(model)
    with pytest.raises(BadValue, match="one with adapters"):
        remove_adapters(model)
