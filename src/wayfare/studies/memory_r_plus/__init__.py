"""Do two episodic memories keep a small model from trading right answers for well-formed ones?

Le et al. 2025, "Reasoning Under 1 Billion: Memory-Augmented Reinforcement Learning for Large Language Models"
(Memory-R+, arXiv 2504.02273). Where answers are hardly ever right, the easy rewards for form are all that a group
differs by. An intrinsic reward from two memories, of what has worked and of what has failed on the tasks most like this
one, is to make every group differ by something that matters:

    R = r + lambda_s N(-|a - mean of successes|) + lambda_e N(1 - max cos(a, failures))                    (1)

Claimed: training with form and outcome alone (R1) may end below its base, with both memories it never does, and more is
solved.

    task        Countdown with three numbers, `< trace > answer`; 2 for a right trace and answer, a half for an answer,
                a half for a trace that ends in a number; the base is rarely right and often leaves the answer out
    model       64 wide, 2 layers
    memory      traces and prompts as hashed character 3-grams; a success is a right answer, not a well-formed one
    step        16 prompts, 256 answers, one update, no divergence
    baseline    the best of R1 over three learning rates, a reverse KL and an entropy bonus, chosen on other seeds;
                Memory-R+, and fine-tuning on successes beside R1, choose among the same rates on the same seeds.
                Memories are written after they are read, as in the equations, or before, as in the release, where a
                failure is never new: which, is chosen along with the rate
    collapse    R1 and Memory-R+ both at the highest of the rates, where the baseline, being tuned, is not
    beside it   Memory-R+ with answers filed under tasks drawn at random; successes alone (Memory-R), the other order,
                fewer tasks read, other weights and a reward by length, without a verdict

Simplified: 0.1 M weights and answers of up to 19 tokens in place of 0.5 to 1 B and mathematics; character grams in
place of a sentence encoder; the end of training in place of the best checkpoint.

This module knows the question and its knobs; `plan.py` says what is run, `experiment.py` runs it and `outcome.py` reads
it. `full.py` is the full scale, with its command.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from wayfare.errors import BadValue
from wayfare.studies.contract import Study
from wayfare.studies.language_settings import RealConfig

__all__ = ["STUDY", "Config"]


@dataclass(frozen=True)
class Config(RealConfig):
    """Knobs of the study."""

    hint_rate: float = 0.1
    """Share of right traces in the base's corpus."""
    base_steps: int = 1000
    """Of pre-training, of 192 traces each."""
    answers: int = 16
    """Answers to each prompt."""
    token_budget: int = 800_000
    """Tokens that each arm may draw."""
    evaluate_every: int = 50
    """Steps between evaluations."""
    eval_prompts: int = 128
    """Held-out prompts."""
    eval_answers: int = 32
    """Answers to each of them."""
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    """Learning rates that R1, Memory-R+ and fine-tuning on successes are tried at."""
    beta: float = 0.1
    """Weight of the reverse KL."""
    entropy: float = 0.01
    """Weight of the entropy bonus."""
    exploit: float = 1.0
    """lambda_s."""
    explore: float = 1.0
    """lambda_e."""
    k: int = 8
    """Tasks whose answers are read."""
    fewer: int = 1
    """Tasks read by an arm without a verdict."""
    warm_up: int = 20
    """Steps before failures are read."""
    every: int = 10
    """Steps between two bursts of fine-tuning on successes."""
    model: str = "Qwen/Qwen2.5-0.5B-Instruct"
    """Full scale: folder or name of the model."""
    dataset: str = "openai/gsm8k"
    """Full scale: folder or name of the questions."""

    AT_LEAST: ClassVar = {
        "base_steps": 1, "answers": 2, "exploit": 0, "explore": 0, "k": 1, "fewer": 1, "warm_up": 0, "every": 1,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if not 0 <= self.hint_rate <= 1:
            raise BadValue("hint_rate", self.hint_rate, "between 0 and 1")
        for name in ("beta", "entropy"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")

    @property
    def ks(self) -> tuple[int, ...]:
        """k that are told."""
        return tuple(k for k in (1, 4, 16) if k <= self.eval_answers)


LAPTOP = Config(scale="laptop", seeds=6)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, rates=(3e-4, 1e-3), token_budget=300_000, tuning_seeds=1, other_seeds=1,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", seeds=1, rates=(3e-4,), base_steps=4, answers=4, token_budget=200, evaluate_every=4,
    eval_prompts=4, eval_answers=4, warm_up=1, every=1,
)  # fmt: skip
FULL = replace(
    LAPTOP, scale="full", seeds=1, other_seeds=1, token_budget=10_000_000, evaluate_every=25,
    dataset_part="main", eval_split="test", chat=True, answers_per_question=16, answer_tokens=200,
)  # fmt: skip

STUDY = Study(
    slug="memory-r-plus",
    title="Two episodic memories against rewards for form alone (a small model on Countdown)",
    paper=(
        "Le et al. 2025, Reasoning Under 1 Billion: Memory-Augmented Reinforcement Learning for Large Language Models, "
        "arXiv 2504.02273"
    ),
    claim=(
        "Where training on form and outcome ends below its base while form is perfect, a reward from memories of "
        "successes and failures prevents it, and more held-out answers are right in the end."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 300, "laptop": 2000, "full": 400_000},
    run="wayfare.studies.memory_r_plus.experiment:run",
    ready="wayfare.studies.memory_r_plus.experiment:ready",
)
