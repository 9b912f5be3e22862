"""Our trainer: FOLDER NEW KIND -> one JSON line. KIND: transformers or nano."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from language_work import PROMPTS, SAMPLES, reward, rows, tell, timed
from transformers import AutoModelForCausalLM, AutoTokenizer

from wayfare.language.local import TransformersModel
from wayfare.learn.grpo import GRPO, GRPOConfig


def main() -> None:
    """See the module."""
    folder, new, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    model = TransformersModel(AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))
    if kind != "transformers":
        from language_nano import nano

        model = nano(model)
    config = GRPOConfig(
        generation_batch_size=PROMPTS * SAMPLES, num_generations=SAMPLES, max_completion_length=new, max_steps=10_000,
        learning_rate=1e-6,
    )  # fmt: skip
    trainer = GRPO(model, reward, rows(), config)
    began = time.perf_counter()
    trainer.advance()
    first = time.perf_counter() - began
    drawn = [0.0]
    make = trainer.experience.make

    def watched(*given: object) -> object:
        start = time.perf_counter()
        made = make(*given)
        drawn.append(time.perf_counter() - start)
        return made

    trainer.experience.make = watched
    seconds = timed(trainer.advance)
    tell(seconds, first=first, draw=sorted(drawn)[len(drawn) // 2])


if __name__ == "__main__":
    main()
