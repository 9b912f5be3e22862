"""Low-rank adapters: a few trainable weights beside a frozen model, which can be switched off again.

    W x   becomes   W x + (alpha / r) B A x,        A: [r, in] random, B: [out, r] zero at first            (1)

in every linear map but the output's, so that a model with fresh adapters answers exactly as it did without.

Source: (1) Hu et al. 2021 (arXiv 2106.09685), by `peft` through the adapter methods of `transformers`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

from wayfare.errors import BadValue, MissingExtra
from wayfare.language.local import TransformersModel

__all__ = ["adapter_weights", "add_adapters", "has_adapters", "merged_copy", "remove_adapters", "without_adapters"]


def add_adapters(model: TransformersModel, rank: int = 8, alpha: int = 16, seed: int = 0) -> TransformersModel:
    """Adds them to the model itself and returns it; only they require gradients.

    seed: of A

    Raises: MissingExtra without `peft`; BadValue for a rank below 1, or a model that has adapters already.
    """
    if rank < 1:
        raise BadValue("rank", rank, "at least 1")
    try:
        from peft import LoraConfig
    except ImportError:
        raise MissingExtra("adapters", "lm") from None
    if has_adapters(model):
        raise BadValue("model", type(model.causal).__name__, "one without adapters")
    model.causal.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.causal.add_adapter(
            LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
        )
    for weights in model.causal.parameters():
        if weights.requires_grad:  # a step of 1e-4 is lost in bfloat16
            weights.data = weights.data.float()
    return model


def has_adapters(model: TransformersModel) -> bool:
    """Whether `add_adapters` was called, the model was loaded with some, or `peft` has wrapped it."""
    return model.peft is not None or bool(getattr(model.causal, "_hf_peft_config_loaded", False))


def adapter_weights(model: TransformersModel) -> dict[str, Tensor]:
    """A and B of each map by name, in the order of their names: the model's own tensors, to be read or copied into."""
    return dict(sorted((name, each) for name, each in model.causal.named_parameters() if ".lora_" in name))


def remove_adapters(model: TransformersModel) -> TransformersModel:
    """Takes them out of the model itself, whose answers are then bit for bit those of before, and returns it.

    Raises: BadValue for a model without adapters.
    """
    if not has_adapters(model):
        raise BadValue("model", type(model.causal).__name__, "one with adapters")
    if model.peft is not None:
        model.causal, model.peft = model.peft.unload(), None
    else:
        model.causal.delete_adapter(list(model.causal.peft_config))
    return model


def merged_copy(model: TransformersModel) -> Any:
    """A model of `transformers` of its own with equal logits and no adapters: W + (alpha / r) B A in place of W.

    Raises: BadValue for a model without adapters.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    if not has_adapters(model):
        raise BadValue("model", type(model.causal).__name__, "one with adapters")
    made = copy.deepcopy(model.module)
    if model.peft is not None:
        return cast(Any, made).merge_and_unload()
    for each in made.modules():
        if isinstance(each, BaseTunerLayer):
            each.merge(safe_merge=True)
    cast(Any, made).delete_adapter(list(cast(Any, made).peft_config))
    return made


@contextmanager
def without_adapters(model: TransformersModel) -> Iterator[None]:
    """The model as it was before: what a divergence from the start is measured against.

    Raises: BadValue for a model without adapters.
    """
    if not has_adapters(model):
        raise BadValue("model", type(model.causal).__name__, "one with adapters")
    if model.peft is not None:
        with model.peft.disable_adapter():
            yield
        return
    model.causal.disable_adapters()
    try:
        yield
    finally:
        model.causal.enable_adapters()
