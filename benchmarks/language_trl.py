"""TRL's trainer: FOLDER NEW -> one JSON line. Steps are timed inside its own loop, from step end to step end."""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

sys.path.insert(0, str(Path(__file__).parent))
from language_work import PROMPTS, SAMPLES, STEPS, WARM, reward, rows, tell


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *given: Any, **named: Any) -> None:
        self.ends.append(time.perf_counter())


def main() -> None:
    """See the module."""
    folder, new = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as out:
        config = GRPOConfig(
            output_dir=out, per_device_train_batch_size=PROMPTS * SAMPLES, num_generations=SAMPLES,
            max_completion_length=new, max_steps=WARM + STEPS + 1, learning_rate=1e-6, report_to=[], use_cpu=True,
            logging_steps=1000, save_strategy="no", disable_tqdm=True, dataloader_pin_memory=False, bf16=False,
            gradient_checkpointing=False, generation_kwargs={"min_new_tokens": new},
        )  # fmt: skip
        clock = Clock()
        trainer = GRPOTrainer(
            AutoModelForCausalLM.from_pretrained(folder), reward, config, train_dataset=Dataset.from_list(rows()),
            processing_class=_tokenizer(folder), callbacks=[clock],
        )  # fmt: skip
        trainer.train()
    ends = clock.ends[WARM:]
    tell([after - before for before, after in pairwise(ends)])


def _tokenizer(folder: str) -> Any:
    """It wants an end token: a word that is never drawn in the forced length."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.eos_token = "<pad>"
    return tokenizer


if __name__ == "__main__":
    main()
