"""Do more answers teach when hard prompts get more of them, at the same number of answers a step?

Li et al. 2025, "Knapsack RL: Unlocking Exploration of LLMs via Optimizing Budget Allocation" (arXiv 2509.25849). A
group of n answers to a prompt solved with chance p moves the policy only if some are right and some wrong. Given p of
each prompt, the n that maximise

    sum_i [1 - p_i^n_i - (1 - p_i)^n_i] p_i (1 - p_i)^2,    sum_i n_i = B,  n_low <= n_i <= n_up               (1)

are found as a knapsack; p is the mean of a prompt's latest rewards. Claimed: 20 to 40 % more answers with a gradient
that is not zero, single prompts with up to 93 answers, 2 to 4 points more accuracy, and what equal groups reach only
with about twice the answers.

    task        Countdown with three numbers; 1302 prompts that come again every 41 steps, so that p can be known;
                held out: 372 problems, asked 16 times each
    model       64 wide, 2 layers, pre-trained to be right about once in ten
    step        32 prompts, 256 answers, two updates; advantages cut at 5, clip 0.2 / 0.28, dual clip 10, truncated
                importance weights at 2, mean over tokens, no divergence: as published
    baseline    equal groups of 8 under the best of three learning rates, a reverse KL and an entropy bonus, chosen on
                other seeds; the knapsack chooses among the same rates on the same seeds
    others      n in proportion to p (1 - p); DAPO's dynamic sampling, what it throws away counted; only prompts with
                0.1 < p < 0.9; equal groups with twice the answers and twice the tokens
    allocation  (1) alone on drawn chances of success, without a model: a table, no check

Simplified: a model of 0.1 M weights and 16-token answers in place of 1.5B to 7B and mathematics; 2 updates a step in
place of 8; n_up 64 in place of 128, as a step has 256 answers and not 2048. On 256 prompts alone, as first planned, the
small model learned them by heart.

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

    hint_rate: float = 0.3
    """Share of right traces in the base's corpus."""
    base_steps: int = 1500
    """Of pre-training, of 192 traces each."""
    train_prompts: int = 1302
    """Prompts that are trained on, again and again; there are no more."""
    prompts: int = 32
    """Prompts of a step."""
    answers: int = 8
    """Answers to each prompt in the mean: prompts times this are a step's."""
    n_low: int = 2
    """Least answers to a prompt."""
    n_up: int = 64
    """Most answers to a prompt."""
    token_budget: int = 800_000
    """Tokens that each arm may draw."""
    evaluate_every: int = 50
    """Steps between evaluations."""
    eval_prompts: int = 372
    """Held-out prompts."""
    eval_answers: int = 16
    """Answers to each of them."""
    rates: tuple[float, ...] = (1e-4, 3e-4, 6e-4)
    """Learning rates that baseline and knapsack are tried at; reverse KL and entropy bonus at the middle one."""
    beta: float = 0.1
    """Weight of the reverse KL."""
    entropy: float = 0.01
    """Weight of the entropy bonus."""
    repeats: int = 50
    """Draws of 256 chances in the allocation without a model."""
    model: str = "Qwen/Qwen2.5-1.5B"
    """Full scale: folder or name of the model."""
    dataset: str = "BytedTsinghua-SIA/DAPO-Math-17k"
    """Full scale: folder or name of the questions."""

    AT_LEAST: ClassVar = {"base_steps": 1, "train_prompts": 1, "prompts": 1, "answers": 2, "n_low": 2, "repeats": 2}

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if not 0 <= self.hint_rate <= 1:
            raise BadValue("hint_rate", self.hint_rate, "between 0 and 1")
        if not self.n_low <= self.answers <= self.n_up:
            raise BadValue("answers", self.answers, f"between n_low = {self.n_low} and n_up = {self.n_up}")
        if self.train_prompts < self.prompts:
            raise BadValue("train_prompts", self.train_prompts, f"at least prompts = {self.prompts}")
        for name in ("beta", "entropy"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")


LAPTOP = Config(scale="laptop", seeds=16)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, rates=(3e-4,), token_budget=300_000, tuning_seeds=1, eval_prompts=128,
    other_seeds=1,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", base_steps=4, train_prompts=4, prompts=2, answers=4, token_budget=300, evaluate_every=4,
    eval_prompts=4, eval_answers=16, repeats=2,
)  # fmt: skip
FULL = replace(
    LAPTOP, scale="full", seeds=1, other_seeds=1, token_budget=10_000_000, evaluate_every=25,
    eval_answers=16, most_questions=1000, n_up=128,
)  # fmt: skip

STUDY = Study(
    slug="knapsack-rl",
    title="Answers go to the prompts that can teach (a small model on Countdown)",
    paper=(
        "Li et al. 2025, Knapsack RL: Unlocking Exploration of LLMs via Optimizing Budget Allocation, arXiv 2509.25849"
    ),
    claim=(
        "Shared out as a knapsack over estimated success rates, the same number of answers gives at least a tenth more "
        "answers with a gradient, is no worse at held-out pass@1, and reaches a given pass@1 sooner than equal groups."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 130, "laptop": 1300, "full": 400_000},
    run="wayfare.studies.knapsack_rl.experiment:run",
    ready="wayfare.studies.knapsack_rl.experiment:ready",
)
