"""Knobs of language-RL studies at full scale: which model, which data set, how arms are trained on them.

A study's `Config` inherits these. The four that are told without 'Full scale' count at every scale; what belongs to a
study's small task and base counts at the others alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from wayfare.studies.contract import Config

__all__ = ["BOXED", "RealConfig"]

BOXED = "{}\nPlease reason step by step, and put your final answer within \\boxed{}."


@dataclass(frozen=True)
class RealConfig(Config):
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
