"""The full scale: Memory-R+ on a published model and questions with right answers.

    wayfare run memory-r-plus --scale full --model Qwen/Qwen2.5-0.5B-Instruct --dataset openai/gsm8k \
        --dataset-part main --eval-split test --chat

The published setting is of that model and these questions, 16 answers of up to 200 tokens each, on one GPU of 80 GB.
Rewards are 1 for the right final answer and a half for any that is boxed; the reasoning in front of it is what memories
compare, by character grams in place of a sentence encoder. Whether a run has collapsed is not asked: the study says so
by the form of its own task. Never run on real models by us: tested on a tiny one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_full import PLAIN, trained
from wayfare.studies.memory_r_plus import Config
from wayfare.studies.memory_r_plus.checks import check_of, rules
from wayfare.studies.memory_r_plus.plan import (
    FINE_TUNING,
    MEMORY,
    MEMORY_FAST,
    R1_FAST,
    SHUFFLED,
    SUCCESSES,
    Tuned,
    common,
    fine_tuning,
    memory,
)

__all__ = ["FORM", "run_full"]

FORM = 0.5
"""Reward of a boxed answer."""
RIGHT = 0.75
"""Reward above which an answer is right: such a one earns 1.5, a boxed one FORM."""
READS = (
    "more is right than with R1", "more is right than with the tuned baseline", "fewer silent groups",
    "what is retrieved matters", "more than fine-tuning on successes",
)  # fmt: skip


def run_full(config: Config, progress: Progress) -> Findings:
    """See the module."""
    told: dict[str, Any] = {"threshold": RIGHT, "reason": "\\boxed"}
    method, shuffled = memory(config, MEMORY, **told), memory(config, SHUFFLED, shuffled=True, **told)
    every = {"threshold": RIGHT, "every": config.every, "tolerance": config.every}
    successes = Arm(FINE_TUNING, fine_tuning(config).trainer, {"auxiliary": [(SUCCESSES, every)]})
    rated = method.but(MEMORY, learning_rate=config.full_rate)
    return trained(
        config, progress, method, plain=Arm(PLAIN, common(config)), more=[successes, shuffled],
        asked=lambda best: rules(config, Tuned(Arm(best), rated, successes)), reads=READS,
        said={R1_FAST: PLAIN, MEMORY_FAST: MEMORY}, judge=partial(check_of, config), starts={"": {"form": FORM}},
    )  # fmt: skip
