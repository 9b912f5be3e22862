"""The work of `language.py`: what every contender trains on, and how a contender tells of itself.

8 prompts of 8 words (128 in one size), 8 answers each, NEW forced tokens (no end token exists), one optimiser step a
rollout, plain GRPO (dapo loss, no divergence), AdamW. All contenders start from the same saved Llama of the same size.
"""

from __future__ import annotations

import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROMPTS, SAMPLES, WORDS = 8, 8, 20
SIZES = {
    "0.1M": (64, 2, 160, WORDS),
    "1M": (128, 5, 336, WORDS),
    "6M": (256, 8, 672, WORDS),
    "long prompts": (128, 5, 336, WORDS),
    "vocabulary": (32, 2, 64, 151_936),
}
"""Width, layers, inner width, vocabulary; heads are 32 wide, embeddings tied."""
LENGTHS = {"long prompts": 128}
"""Words of a prompt, of the sizes in which they are not 8."""
WARM, STEPS = 3, 12
FEW = {"vocabulary": (0, 1)}
"""Of the sizes whose steps take long: steps before the timed ones, and timed ones. Memory is at its peak in these."""


def make(folder: Path, size: str) -> None:
    """Save model and tokenizer, the same for everyone."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    width, layers, inner, vocabulary = SIZES[size]
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=width // 32, num_key_value_heads=width // 32, max_position_embeddings=512,
        tie_word_embeddings=True, rms_norm_eps=1e-6, bos_token_id=None, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.generation_config.eos_token_id = model.generation_config.bos_token_id = None
    model.save_pretrained(folder)
    inside = Tokenizer(models.WordLevel({"<pad>": 0, **{f"w{i}": i for i in range(1, WORDS)}}, unk_token="<pad>"))
    inside.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=inside, pad_token="<pad>").save_pretrained(folder)


def rows(folder: str) -> list[dict[str, Any]]:
    """The data set: prompts of one length."""
    length = LENGTHS.get(Path(folder).name, 8)
    return [{"prompt": " ".join(f"w{1 + (7 * i + 3 * j) % (WORDS - 1)}" for j in range(length))} for i in range(64)]


def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """Cheap, and never the same in a whole group: the share of even tokens."""
    return [sum(token % 2 == 0 for token in ids) / max(1, len(ids)) for ids in completion_ids]


def counts(folder: str) -> tuple[int, int]:
    """Steps before the timed ones, and timed ones."""
    return FEW.get(Path(folder).name, (WARM, STEPS))


def now() -> tuple[float, float]:
    """Seconds on the wall, and of the processor: the second says more where others work on the same machine."""
    return time.perf_counter(), time.process_time()


def timed(step: Callable[[], Any], folder: str) -> list[tuple[float, float]]:
    """Seconds on the wall and of the processor of each timed step, after those before."""
    warm, steps = counts(folder)
    seconds = []
    for number in range(warm + steps):
        began = now()
        step()
        if number >= warm:
            seconds.append(since(began))
    return seconds


def since(began: tuple[float, float]) -> tuple[float, float]:
    """What `now` tells, since then."""
    wall, cpu = now()
    return wall - began[0], cpu - began[1]


def tell(seconds: list[tuple[float, float]], **more: Any) -> None:
    """One JSON line."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    walls, cpus = zip(*seconds, strict=True)
    told = {"seconds": statistics.median(walls), "least": min(walls), "cpu": statistics.median(cpus), "peak_mib": peak}
    print(json.dumps({**told, **more}))
