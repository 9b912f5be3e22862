"""Our trainer: FOLDER NEW KIND -> one JSON line. KIND: transformers, nano or compiled."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from language_work import PROMPTS, SAMPLES, now, reward, rows, since, tell, timed
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
        learning_rate=1e-6, torch_compile=kind == "compiled",
    )  # fmt: skip
    trainer = GRPO(model, reward, rows(folder), config)
    began = now()
    trainer.advance()
    first, _ = since(began)
    drawn: list[float] = []
    make = trainer.experience.make

    def watched(*given: object) -> object:
        start = now()
        made = make(*given)
        drawn.append(since(start)[1])
        return made

    trainer.experience.make = watched
    seconds = timed(trainer.advance, folder)
    tell(seconds, first=first, draw_cpu=statistics.median(drawn))


if __name__ == "__main__":
    main()
