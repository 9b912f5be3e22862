"""A causal language model and its tokenizer, by name or path; `tiny-random` is made here and needs no download.

The model comes back frozen, in evaluation mode, as `transformers` loads it; whoever trains it adds adapters.
"""

from __future__ import annotations

from typing import Any

import torch

from wayfare.errors import BadValue, MissingExtra
from wayfare.language.histories import ACTIONS

__all__ = ["TINY_RANDOM", "load_causal_model"]

TINY_RANDOM = "tiny-random"
"""Name of a two-layer Llama with random weights, always the same ones, that reads bytes and the words of histories."""
TINY_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def load_causal_model(name: str, device: str | torch.device = "cpu") -> tuple[Any, Any]:
    """(model, tokenizer): float32 on a CPU, bfloat16 on an accelerator; all weights frozen.

    name: what `AutoModelForCausalLM.from_pretrained` takes, or `tiny-random`.

    Raises: MissingExtra without `transformers`; BadValue for a name that it cannot load.
    """
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError:
        raise MissingExtra("a language model", "lm") from None
    device = torch.device(device)
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    if name == TINY_RANDOM:
        model, tokenizer = _tiny_random()
    else:
        try:
            tokenizer = AutoTokenizer.from_pretrained(name)
            model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise BadValue(
                "model", name, f"{TINY_RANDOM}, or a causal model that transformers loads ({reason})"
            ) from None
    return model.to(device, dtype).eval().requires_grad_(False), tokenizer


def _tiny_random() -> tuple[Any, Any]:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    reader = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    reader.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    reader.decoder = decoders.ByteLevel()
    words = ["begin", "act", "reward", "end", "cut", "task", *ACTIONS]
    reader.add_tokens([AddedToken(f" {word}", normalized=False) for word in words])
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=reader, clean_up_tokenization_spaces=False)
    tokenizer.chat_template = TINY_TEMPLATE
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=8192,
        initializer_range=0.2,  # at the usual 0.02 no logit could pass 0.6, and a value is a logit
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LlamaForCausalLM(config), tokenizer
