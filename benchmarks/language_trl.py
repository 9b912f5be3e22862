"""TRL's trainer: FOLDER NEW -> one JSON line. Steps are timed inside its own loop, from step end to step end."""

from __future__ import annotations

import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

sys.path.insert(0, str(Path(__file__).parent))
from language_work import PROMPTS, SAMPLES, counts, now, reward, rows, tell


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []

    def on_step_end(self, *given: Any, **named: Any) -> None:
        self.ends.append(now())


def main() -> None:
    """See the module."""
    folder, new = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    warm, steps = counts(folder)
    with tempfile.TemporaryDirectory() as out:
        config = GRPOConfig(
            output_dir=out, per_device_train_batch_size=PROMPTS * SAMPLES, num_generations=SAMPLES,
            max_completion_length=new, max_steps=warm + steps + 1, learning_rate=1e-6, report_to=[], use_cpu=True,
            logging_steps=1000, save_strategy="no", disable_tqdm=True, dataloader_pin_memory=False, bf16=False,
            gradient_checkpointing=False, generation_kwargs={"min_new_tokens": new},
        )  # fmt: skip
        clock = Clock()
        trainer = GRPOTrainer(
            AutoModelForCausalLM.from_pretrained(folder), reward, config, train_dataset=Dataset.from_list(rows(folder)),
            processing_class=_tokenizer(folder), callbacks=[clock],
        )  # fmt: skip
        trainer.train()
    told = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(clock.ends[warm:])]
    tell(told)


def _tokenizer(folder: str) -> Any:
    """It wants an end token: a word that is never drawn in the forced length."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.eos_token = "<pad>"
    return tokenizer


if __name__ == "__main__":
    main()
