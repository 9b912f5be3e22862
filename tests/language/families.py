"""Tiny models of several families with random weights, whole or with adapters that have moved, and the small one."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from wayfare.language.causal import CausalModel
from wayfare.language.local import TransformersModel
from wayfare.language.nano import Nano, WordReader
from wayfare.language.nano_model import NanoModel

READER = WordReader([f"w{number}" for number in range(3, 23)])
WORDS = len(READER)
FAMILIES = ("llama", "qwen3", "gpt2", "gemma3")
MODELS = (*FAMILIES, *(f"{family}+lora" for family in FAMILIES), "nano")


def bare(family: str, **options: Any) -> Any:
    """A model of `transformers`, with weights large enough that all of it matters."""
    import transformers as of

    like: dict[str, Any] = {
        "vocab_size": WORDS, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 48, "initializer_range": 0.3,
        "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0,
    }  # fmt: skip
    torch.manual_seed(0)
    if family == "llama":
        made: Any = of.LlamaForCausalLM(of.LlamaConfig(**like | options))
    elif family == "qwen3":
        made = of.Qwen3ForCausalLM(of.Qwen3Config(**like | {"head_dim": 8} | options))
    elif family == "gemma3":
        windows = {"head_dim": 8, "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}
        made = of.Gemma3ForCausalLM(of.Gemma3TextConfig(**like | windows | {"query_pre_attn_scalar": 8} | options))
    elif family == "granite":
        made = of.GraniteForCausalLM(of.GraniteConfig(**like | {"logits_scaling": 7.0} | options))
    else:
        sizes = {"n_positions": 48, "n_embd": 16, "n_layer": 2, "n_head": 2, "initializer_range": 0.3}
        ends = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
        made = of.GPT2LMHeadModel(of.GPT2Config(vocab_size=WORDS, **sizes | ends | options))
    return made.eval()


def fresh(name: str) -> Any:
    """A new one of `MODELS`."""
    if name == "nano":
        return NanoModel(Nano(WORDS, "xs", seed=3), READER, context=48)
    family, _, adapted = name.partition("+")
    model = bare(family)
    if adapted:
        model = with_lora(model)
    return TransformersModel(model, READER.to_transformers())


def with_lora(model: Any) -> Any:
    """Wrapped by `peft`, its adapters not at their start."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    turned = type(model).__name__.startswith("GPT2")
    wrapped: Any = get_peft_model(
        model, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM", fan_in_fan_out=turned)
    )
    with torch.no_grad():
        for name, each in wrapped.named_parameters():
            if "lora_B" in name:
                each.normal_(std=0.2)
    return wrapped.eval()


@cache
def shared(name: str) -> Any:
    """One of `MODELS`, the same for all tests, which leave it as it is."""
    return fresh(name)


def prompts(model: CausalModel) -> tuple[Tensor, Tensor]:
    """Four prompts [4, 7] of 7, 3, 5 and 1 tokens."""
    ids = torch.randint(3, model.vocabulary, (4, 7), generator=torch.Generator().manual_seed(5))
    valid = torch.arange(7) >= torch.tensor([[0], [4], [2], [6]])
    return ids.masked_fill(~valid, model.pad), valid


def draws(position: int, rows: int = 4) -> Tensor:
    """Uniform numbers of each row."""
    return torch.rand(rows, 64, generator=torch.Generator().manual_seed(9), dtype=torch.float64)[:, position]
