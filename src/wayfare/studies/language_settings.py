"""Knobs that language-RL studies share: how arms are tuned, and at full scale which model and data set they train on.

    TunedConfig    learning rates and seeds that settings are chosen on
    RealConfig     besides, what full scale is told

A study's `Config` inherits these. The four that are told without 'Full scale' count at every scale; what belongs to a
study's small task and base counts at the others alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wayfare.errors import BadValue
from wayfare.studies.contract import Config

__all__ = ["BOXED", "RealConfig", "TunedConfig"]

BOXED = "{}\nPlease reason step by step, and put your final answer within \\boxed{}."


@dataclass(frozen=True)
class TunedConfig(Config):
    """How baseline and method are tuned, the same in all of them."""

    base_rate: float = 3e-3
    """Highest learning rate of the base's pre-training."""
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    """Learning rates that baseline and method are tried at."""
    tuning_seeds: int = 2
    """Seeds that settings are chosen on: 100 and up."""
    other_seeds: int = 2
    """Seeds of arms that no check asks about."""

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if not self.rates or not all(0 < rate < float("inf") for rate in self.rates):
            raise BadValue("rates", self.rates, "one at least, each above 0")
        if not 0 < self.base_rate < float("inf"):
            raise BadValue("base_rate", self.base_rate, "finite and above 0")
        if not 1 <= self.tuning_seeds <= 2:
            raise BadValue("tuning_seeds", self.tuning_seeds, "1 or 2, those that studies of language RL share")
        if not 1 <= self.other_seeds <= self.seeds:
            raise BadValue("other_seeds", self.other_seeds, f"between 1 and seeds = {self.seeds}")


@dataclass(frozen=True)
class RealConfig(TunedConfig):
    """What full scale is told, the same in all of them."""

    token_budget: int = 10_000_000
    """Tokens that each arm may draw."""
    evaluate_every: int = 25
    """Steps between evaluations."""
    eval_prompts: int = 128
    """Held-out questions."""
    eval_answers: int = 16
    """Answers to each of them."""
    model: str = ""
    """Full scale: folder or name of a causal model of transformers."""
    dataset: str = ""
    """Full scale: questions, a .jsonl, .json or .parquet file, a folder, or a name on the hub."""
    dataset_part: str = ""
    """Full scale: of a data set on the hub, its configuration ('main' of GSM8K)."""
    dataset_split: str = "train"
    """Full scale: its split that is trained on."""
    eval_dataset: str = ""
    """Full scale: questions that are held out, as a data set of their own."""
    eval_split: str = ""
    """Full scale: the split that is held out; empty for both: eval_prompts questions of the training split."""
    prompt_column: str = ""
    """Full scale: column of questions; empty: found among the usual names."""
    answer_column: str = ""
    """Full scale: column of right answers, likewise; 'reward_model.ground_truth' reaches into a mapping."""
    instruction: str = BOXED
    """Full scale: what is asked, the first {} being the question; conversations are asked as they stand."""
    chat: bool = False
    """Full scale: whether questions go through the chat template: for models that were trained to answer."""
    reward: str = "wayfare.worlds.verifiable.numeric:exact"
    """Full scale: address of the reward, MODULE:NAME or FILE.py:NAME, as TRL calls it; 1 or more is right."""
    most_questions: int = 0
    """Full scale: questions that are trained on, again and again; 0: all."""
    questions_per_step: int = 16
    """Full scale: questions of a step."""
    answers_per_question: int = 8
    """Full scale: answers to each in the mean."""
    answer_tokens: int = 512
    """Full scale: tokens of an answer at most."""
    full_rate: float = 1e-5
    """Full scale: learning rate of all arms; 1e-6 is usual without adapters."""
    with_controls: bool = True
    """Full scale: whether a reverse KL and an entropy bonus are trained too; else plain GRPO is the baseline."""
    lora_rank: int = 32
    """Full scale: of adapters; 0: all weights are trained, beside a frozen copy."""
    rows_at_once: int = 64
    """Full scale: answers drawn side by side."""
    rows_per_pass: int = 4
    """Full scale: answers learned from at once, gradients accumulated."""
    bf16: bool = True
    """Full scale: whether passes run in bfloat16 where there is a CUDA device."""
    server: str = ""
    """Full scale: address up to /v1 of a server that draws answers and loads adapters; empty: this process draws."""
    server_folder: str = "adapters"
    """Full scale: where adapters are put for it."""

    AT_LEAST: ClassVar = {"token_budget": 1, "evaluate_every": 1, "eval_prompts": 1, "eval_answers": 2}
