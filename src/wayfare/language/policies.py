"""A model to be trained, from whatever a caller has: a name or path, a model and its tokenizer, adapters or none.

policy = load_policy("path/of/a/model")                                # all weights
policy = load_policy("path/of/a/model", peft_config=LoraConfig(...))   # adapters beside frozen weights
policy = load_policy(Nano(len(reader)), reader)
start = copy_frozen(policy)                                            # the reference of a divergence
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from wayfare.errors import BadValue, MissingExtra
from wayfare.language.causal import CausalModel
from wayfare.language.local import TransformersModel, silence
from wayfare.language.models import load_causal_model
from wayfare.language.nano import Nano, WordReader
from wayfare.language.nano_model import NanoModel

__all__ = ["copy_frozen", "load_policy"]

ASKED = ("module", "vocabulary", "ends", "pad", "encode", "states", "logits", "begin", "follow")


def load_policy(model: Any, tokenizer: Any = None, peft_config: Any = None, *, device: str = "cpu") -> CausalModel:
    """A causal model with something to train, without dropout.

    model:       a name or path, a model of `transformers` or `peft`, a `Nano`, or a `CausalModel`, which is returned
    tokenizer:   of a model that is loaded; None: that of the place it was loaded from. A `WordReader` for a `Nano`
    peft_config: of `peft`; adds its adapters, which alone are trained then
    device:      where a model by name goes

    What requires gradients already is all that is trained; where nothing does, everything is.

    Raises: BadValue for anything else, a tokenizer that is missing or does not fit, or a `peft_config` where it cannot
    be added.
    """
    if isinstance(model, Nano):
        _no_adapters(peft_config, "Nano")
        if not isinstance(tokenizer, WordReader):
            raise BadValue("tokenizer", type(tokenizer).__name__, "the WordReader of the Nano")
        model = NanoModel(model, tokenizer)
    elif isinstance(model, str):
        loaded, own = load_causal_model(model, device)
        if peft_config is None:
            loaded = loaded.float()  # a step of 1e-6 is lost in bfloat16
        model = TransformersModel(_with_adapters(loaded, peft_config), own if tokenizer is None else tokenizer)
    elif isinstance(model, nn.Module) and hasattr(model, "config"):
        known = tokenizer if tokenizer is not None else _own_tokenizer(model)
        model = TransformersModel(_with_adapters(model, peft_config), known)
    elif not all(hasattr(model, name) for name in ASKED):
        raise BadValue(
            "model", type(model).__name__,
            "a name or path, a model of transformers or peft, a Nano with its WordReader, or a CausalModel",
        )  # fmt: skip
    elif isinstance(model, TransformersModel) and peft_config is not None:
        model = TransformersModel(_with_adapters(model.module, peft_config), model.tokenizer, rows=model.rows)
    else:
        _no_adapters(peft_config, type(model).__name__)
    if not any(each.requires_grad for each in model.module.parameters()):
        model.module.requires_grad_(True)
    silence(model.module)
    model.module.eval()
    return cast(CausalModel, model)


def copy_frozen(model: CausalModel) -> CausalModel:
    """The model as it is now, with weights of its own that are never trained.

    Raises: BadValue for a model that does not say how it is copied.
    """
    copied = getattr(model, "copied", None)
    if copied is None:
        raise BadValue("model", type(model).__name__, "one with a method `copied`")
    made = cast(CausalModel, copied())
    made.module.requires_grad_(False).eval()
    for each in made.module.parameters():
        each.grad = None
    return made


def _with_adapters(model: Any, peft_config: Any) -> Any:
    if peft_config is None:
        return model
    try:
        from peft import get_peft_model
    except ImportError:
        raise MissingExtra("adapters", "lm") from None
    if hasattr(model, "peft_config"):
        raise BadValue("peft_config", type(peft_config).__name__, "none: the model has adapters already")
    try:
        made = get_peft_model(model, peft_config)
    except ValueError as error:  # of a rank, or of modules that there are not
        raise BadValue("peft_config", str(error).splitlines()[0][:300], "one that fits the model") from None
    for weights in made.parameters():
        if weights.requires_grad and weights.dtype in (torch.float16, torch.bfloat16):
            weights.data = weights.data.float()
    return made


def _no_adapters(peft_config: Any, kind: str) -> None:
    if peft_config is not None:
        raise BadValue("peft_config", type(peft_config).__name__, f"none: a {kind} takes no adapters")


def _own_tokenizer(model: Any) -> Any:
    from transformers import AutoTokenizer

    name = getattr(model.config, "_name_or_path", "")
    try:
        if not name:
            raise ValueError("it was not loaded from anywhere")
        return AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadValue("tokenizer", None, f"the tokenizer of the model that was passed ({reason})") from None
