"""Does novelty in a model's own hidden states find right answers sooner, and keep them while the model is trained?

Tuyls et al. 2025, "Representation-Based Exploration for Language Models: From Test-Time to Post-Training" (RepExp,
arXiv 2510.11686). An answer's feature h is the mean of the base's last hidden states over the answer's tokens; it is
new where

    h' Sigma^-1 h,    Sigma = lambda I + sum over seen answers of h h'                                         (1)

is large. At inference, of many drawn answers the most novel are verified first (a greedy coreset). In training (1)
within a group, features centred, is a bonus of 0.01 on top of the reward, nothing where no answer of the group is
right. Claimed: more than 50 % fewer answers to verify, mean states twice as good as the last one, nothing for weak
models; in training, pass@k of large k that does not fall below the base's.

    selection   hidden strategy: one of eight words decides, ten are filler, so that texts all differ while states do
                not; pools of 128 answers of a base that is right once in thirty; a base for each seed
    a weak base Countdown, where outliers are malformed: what selection is worth there, and against skipping copies
    training    Countdown, 512 prompts that come again; 16 x 16 answers a step, four updates as published, GRPO with the
                group's deviation
    baseline    the best of three learning rates, a reverse KL and an entropy bonus, chosen on other seeds by pass@1 +
                pass@64; the method chooses among the same rates on the same seeds
    others      lambda at the scale of the features; bonus 1 / m for m copies of a text; advantages not divided by the
                deviation; bonus on unsolved prompts too; more pay for unlikely right answers (Unlikeliness)

With 16 answers, 32 numbers and lambda 0.01 the published bonus nearly is 1 / m: their correlation is reported.

Simplified: models of 0.1 M weights; features are not projected at inference, being 64 numbers already.

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

    right_rate: float = 0.02
    """How often the base of the hidden strategy is right."""
    strategy_steps: int = 500
    """Of its pre-training, of 192 traces each."""
    strategy_prompts: int = 16
    """Its held-out prompts."""
    pool: int = 128
    """Answers to each prompt that are chosen from."""
    repeats: int = 8
    """Of choices that draw."""
    weak_prompts: int = 64
    """Held-out prompts of the weak base."""
    hint_rate: float = 0.3
    """Share of right traces in the corpus of Countdown's base."""
    base_steps: int = 1500
    """Of its pre-training."""
    train_prompts: int = 512
    """Prompts that are trained on, again and again."""
    answers: int = 16
    """Answers to each prompt in training."""
    batch: int = 256
    """Answers of a step."""
    bonus: float = 0.01
    """Weight of the published bonus."""
    ridge: float = 0.01
    """lambda."""
    width: int = 32
    """Numbers that features are projected to in training."""
    token_budget: int = 1_000_000
    """Tokens that each arm may draw."""
    evaluate_every: int = 50
    """Steps between evaluations."""
    eval_prompts: int = 128
    """Held-out prompts."""
    eval_answers: int = 64
    """Answers to each of them."""
    rates: tuple[float, ...] = (3e-5, 1e-4, 3e-4)
    """Learning rates that baseline and method are tried at; reverse KL and entropy bonus at the middle one."""
    beta: float = 0.1
    """Weight of the reverse KL."""
    entropy: float = 0.01
    """Weight of the entropy bonus."""
    model: str = "Qwen/Qwen2.5-7B-Instruct"
    """Full scale: folder or name of the model."""
    dataset: str = "BytedTsinghua-SIA/DAPO-Math-17k"
    """Full scale: folder or name of the questions."""

    AT_LEAST: ClassVar = {
        "strategy_steps": 1, "strategy_prompts": 1, "pool": 2, "repeats": 1, "weak_prompts": 1, "base_steps": 1,
        "train_prompts": 1, "answers": 2, "batch": 2, "width": 1,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        for name in ("right_rate", "hint_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadValue(name, getattr(self, name), "between 0 and 1")
        for name in ("bonus", "ridge", "beta", "entropy"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")
        if self.batch % self.answers:
            raise BadValue("batch", self.batch, f"a multiple of answers = {self.answers}")


LAPTOP = Config(scale="laptop", seeds=5)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, rates=(1e-4,), token_budget=300_000, tuning_seeds=1, eval_prompts=64,
    weak_prompts=16, other_seeds=1, repeats=2,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", strategy_steps=3, strategy_prompts=2, pool=16, base_steps=3, weak_prompts=2, train_prompts=4,
    answers=4, batch=8, token_budget=200, evaluate_every=4, eval_prompts=4,
)  # fmt: skip
FULL = replace(
    LAPTOP, scale="full", seeds=1, other_seeds=1, token_budget=10_000_000, evaluate_every=25,
    width=128, eval_answers=64, chat=True,
)  # fmt: skip

STUDY = Study(
    slug="repexp",
    title="Novelty in hidden states: which answers to verify, and which to reward (small models, two made-up tasks)",
    paper=(
        "Tuyls et al. 2025, Representation-Based Exploration for Language Models: From Test-Time to Post-Training, "
        "arXiv 2510.11686"
    ),
    claim=(
        "Verifying the most novel answers first, by mean hidden states, finds a right one with 0.6 of the answers or "
        "less; as a bonus in GRPO the same novelty keeps pass@64 above the best simple remedy's at equal pass@1."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 170, "laptop": 1500, "full": 400_000},
    run="wayfare.studies.repexp.experiment:run",
    ready="wayfare.studies.repexp.experiment:ready",
)
