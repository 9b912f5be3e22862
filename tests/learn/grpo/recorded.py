"""Answers that are written down instead of drawn, so that two trainers can be given the same ones.

    saved         a tiny Llama and its tokenizer in a folder, as `from_pretrained` reads them
    answer        the tokens of row `number` of generation `step`: ragged, some cut off, one that ends at once
    right, brief  two rewards with TRL's signature; groups of equal rewards and answers that cannot be scored among them
    trl_trainer   TRL's own trainer, given these answers where it would draw
    RecordedRollout   the same for ours, at its seam `rollout`
    recorded, passed  the batch object of these answers, and what a model says of them

Rewards are read off an answer's first token alone, so that they are the same wherever they are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wayfare.learn.rollouts import RolloutBatch

PAD, END, WORDS = 0, 1, 16
PROMPTS = ("w3 w4", "w5 w6 w7 w8", "w9", "w2 w11 w6")
EACH = 4
"""Answers to a prompt."""
LONGEST = 7
"""Tokens of an answer; the trainers are told more, as a constant that is not the width of the batch."""
ALLOWED = 10
TEMPERATURE = 0.7
"""Of the sampler that did not draw them, by which TRL divides logits."""
EQUAL, PARTLY, UNSCORED = 5, 14, 15
"""First tokens: of a group whose answers are all worth the same; of what one reward, or both, do not apply to."""


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": PAD, "<end>": END, **{f"w{i}": i for i in range(2, WORDS)}}
    reader = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    reader.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=reader, pad_token="<pad>", eos_token="<end>")


def saved(folder: Path, seed: int = 0) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64, initializer_range=0.3, pad_token_id=PAD, eos_token_id=END,
        bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def loaded(folder: Path) -> Any:
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(folder)


def answer(step: int, number: int) -> list[int]:
    draws = torch.Generator().manual_seed(1000 * step + number)
    if number % 11 == 3:
        return [END]
    length = int(torch.randint(2, LONGEST + 1, (), generator=draws))
    ids = torch.randint(2, PARTLY, (length,), generator=draws)
    ids[0] = UNSCORED if number % 7 == 1 else PARTLY if number % 7 == 2 else ids[0]
    if (step + number // EACH) % 3 == 1:
        ids[0] = EQUAL
    if length < LONGEST:
        ids[-1] = END
    return [int(token) for token in ids]


def right(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float | None]:
    return [None if ids[0] == UNSCORED else (ids[0] % 4) / 4 for ids in completion_ids]


def brief(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float | None]:
    return [None if ids[0] in (PARTLY, UNSCORED) else 10.0 * (ids[0] % 3) for ids in completion_ids]


def rewards_per_func(completion_ids: Sequence[Sequence[int]]) -> Tensor:
    """[B, 2], NaN for None."""
    told = [[float("nan") if r is None else r for r in reward(completion_ids)] for reward in (right, brief)]
    return torch.tensor(told).t()


def trl_trainer(folder: Path, output: Path, *, prompts: Sequence[str] = PROMPTS[:3], **options: Any) -> Any:
    """TRL's trainer over two mini-batches of six rows unless the options say otherwise."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    class Recorded(GRPOTrainer):  # type: ignore[misc]
        def _generate_single_turn(self, prompt_ids: list[list[int]], *_: Any, **__: Any) -> tuple[Any, Any]:
            generation = self._step // (self.args.steps_per_generation * self.num_iterations)
            told = [answer(generation, number) for number in range(len(prompt_ids))]
            return told, getattr(self, "told_logps", None)

    told: dict[str, Any] = {
        "per_device_train_batch_size": 6, "gradient_accumulation_steps": 1, "steps_per_generation": 2,
        "num_generations": EACH, "max_completion_length": ALLOWED, "temperature": TEMPERATURE, "shuffle_dataset": False,
        "report_to": [], "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "save_strategy": "no",
        "disable_tqdm": True, "logging_strategy": "no", "reward_weights": [1.0, 0.125],
    }  # fmt: skip
    made = Recorded(
        model=loaded(folder), reward_funcs=[right, brief], processing_class=tokenizer(),
        args=GRPOConfig(output_dir=str(output), **{**told, **options}),
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
    )  # fmt: skip
    made.model.train()
    return made


def recorded(step: int, prompts: Sequence[str], numbers: Tensor) -> RolloutBatch:
    """The batch of these rows, all log-probabilities 0. numbers: [B] int64"""
    reader = tokenizer()
    asked = [reader(prompt)["input_ids"] for prompt in prompts]
    told = [answer(step, number) for number in numbers.tolist()]
    width, length = max(map(len, asked)), max(map(len, told))
    there = torch.tensor([[t < len(ids) for t in range(length)] for ids in told])
    nothing = torch.zeros(len(told), length)
    return RolloutBatch(
        prompt_ids=torch.tensor([[PAD] * (width - len(ids)) + ids for ids in asked]),
        prompt_mask=torch.tensor([[t >= width - len(ids) for t in range(width)] for ids in asked]),
        completion_ids=torch.tensor([ids + [PAD] * (length - len(ids)) for ids in told]),
        completion_mask=there, loss_mask=there.float(), group_id=torch.arange(len(told)) // EACH,
        trajectory=torch.arange(len(told)), turn=torch.zeros(len(told), dtype=torch.int64),
        behaviour_logps=nothing, old_logps=nothing, truncated=torch.tensor([ids[-1] != END for ids in told]),
    )  # fmt: skip


def passed(module: Any, batch: RolloutBatch, temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies [B, T] of the answers, with gradient, 0 off the mask."""
    ids, valid = batch.sequences()
    length = batch.completion_ids.shape[1]
    full = (module(input_ids=ids, attention_mask=valid).logits[:, -length - 1 : -1] / temperature).log_softmax(dim=2)
    logp = full.gather(2, batch.completion_ids.unsqueeze(2)).squeeze(2)
    entropy = -(full.exp() * full).sum(dim=2)
    return torch.where(batch.completion_mask, logp, 0.0), torch.where(batch.completion_mask, entropy, 0.0)


class RecordedRollout:
    """Gives what was written down to `wayfare.learn.grpo`; temperature: that of `behaviour_logps`."""

    def __init__(self, temperature: float = TEMPERATURE) -> None:
        self.temperature = temperature

    def collect(self, model: Any, asked: Any) -> RolloutBatch:
        """See `wayfare.learn.grpo.seams.Rollout`."""
        batch = recorded(asked.step, asked.prompts, asked.numbers)
        answers = zip(batch.completion_ids, batch.completion_mask, strict=True)
        with torch.no_grad():
            behaviour, old = (passed(model.module, batch, at)[0] for at in (self.temperature, 1.0))
        return replace(
            batch, behaviour_logps=behaviour, old_logps=old, group_id=asked.group_id, trajectory=asked.numbers,
            prompt_key=asked.keys, born_step=torch.full_like(asked.keys, asked.step), prompts=tuple(asked.prompts),
            texts=tuple(model.decode(row[there].tolist()) for row, there in answers),
        )  # fmt: skip
