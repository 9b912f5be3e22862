"""Hot first tokens, cool last ones: does annealing the temperature within an answer beat any one temperature?

Yang et al. 2025, "Let it Calm: Exploratory Annealed Decoding for Verifiable Reinforcement Learning" (arXiv 2510.05251).
Token t of an answer, from 0, is drawn at

    tau_t = max(1 + tau_max - e^(t / d), tau_min),                                                        (1)

hot where an answer is chosen and cool where it is carried out; training weighs each token by min(pi / mu, 2), mu being
the distribution it was drawn from. Claimed: better pass@16 and worst@16 than fixed temperatures in training, a slower
fall of entropy, and better answers at inference alone.

    task        Countdown with three numbers: the first tokens choose operands and operator, later ones must reckon
    inference   no training: pass@1 against pass@16 of fixed temperatures, a frontier; (1) of six shapes, and the same
                six backwards (cool to hot), the best of each chosen on selection problems and checked on others; each
                seed pre-trains a base of its own
    training    GRPO, 16 problems with 16 answers, four updates, clip 0.2 / 0.28; at temperature 1 under the best of
                three learning rates, a reverse KL and an entropy bonus, chosen on other seeds, and (1) under the best
                of the same rates
    others      fixed temperatures 0.8 and 1.2; (1) without weights; (1) backwards; all at the rate of (1)

Simplified: a model of 0.1 M weights and 15-token answers in place of 1B to 7B and up to 3,000 tokens, so that d is
fitted to the answers' length (tau passes 1 at a third of it) and does not grow with training, and the first ten tokens
are not left at 1, which here are most of an answer.

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
    length: float = 14.0
    """Tokens of an answer on average, which schedules are fitted to."""
    fixed: tuple[float, ...] = (0.4, 0.6, 0.8, 1.0, 1.2, 1.5)
    """Fixed temperatures of the frontier, ascending."""
    tau_max: tuple[float, ...] = (1.2, 1.5, 2.0)
    """First temperatures of (1) that are tried at inference."""
    crossings: tuple[float, ...] = (0.33, 0.67)
    """Shares of an answer at which tau passes 1 that are tried with each."""
    tau_min: float = 0.3
    """Lowest temperature."""
    draw_prompts: int = 186
    """Problems of the inference part, of each split."""
    draw_answers: int = 64
    """Answers to each."""
    train_tau_max: float = 1.2
    """First temperature in training, as published."""
    train_tau_min: float = 0.1
    """Lowest temperature in training, as published."""
    cap: float = 2.0
    """C of the weight min(pi / mu, C)."""
    token_budget: int = 700_000
    """Tokens that each arm may draw."""
    evaluate_every: int = 50
    """Steps between evaluations."""
    eval_prompts: int = 186
    """Held-out problems."""
    eval_answers: int = 32
    """Answers to each of them."""
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    """Learning rates that baseline and (1) are tried at."""
    beta: float = 0.1
    """Weight of the reverse KL."""
    entropy: float = 0.01
    """Weight of the entropy bonus."""
    warm: tuple[float, ...] = (0.8, 1.2)
    """Fixed temperatures in training."""
    model: str = "Qwen/Qwen2.5-Math-1.5B"
    """Full scale: folder or name of the model."""
    dataset: str = "AI-MO/NuminaMath-CoT"
    """Full scale: folder or name of the questions."""

    AT_LEAST: ClassVar = {"base_steps": 1, "draw_prompts": 2, "draw_answers": 16, "eval_answers": 16}

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if not 0 <= self.hint_rate <= 1:
            raise BadValue("hint_rate", self.hint_rate, "between 0 and 1")
        for name in ("fixed", "tau_max", "crossings", "warm"):
            given = getattr(self, name)
            if not given or not all(0 < each < float("inf") for each in given):
                raise BadValue(name, given, "one at least, each above 0")
        if list(self.fixed) != sorted(set(self.fixed)) or 1.0 not in self.fixed:
            raise BadValue("fixed", self.fixed, "ascending, with 1 among them")
        for name in ("length", "tau_min", "train_tau_min", "cap", "beta", "entropy"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")
        if not min(*self.tau_max, self.train_tau_max) > 1 > max(self.tau_min, self.train_tau_min):
            raise BadValue("tau_max", self.tau_max, "above 1 each, and tau_min below")
        if 1.2 not in self.warm:
            raise BadValue("warm", self.warm, "with 1.2 among them, which a check asks about")


LAPTOP = Config(scale="laptop", seeds=6)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, rates=(3e-4,), tau_max=(1.5,), token_budget=250_000, tuning_seeds=1,
    other_seeds=1, draw_prompts=96, eval_prompts=96,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", seeds=1, base_steps=4, fixed=(0.8, 1.0), crossings=(0.33,), token_budget=300,
    evaluate_every=4, draw_prompts=4, draw_answers=16, eval_prompts=4, eval_answers=16, warm=(1.2,),
)  # fmt: skip
FULL = replace(
    LAPTOP, scale="full", seeds=1, other_seeds=1, token_budget=10_000_000, evaluate_every=25,
    length=400.0, answer_tokens=1024, rows_per_pass=2,
)  # fmt: skip

STUDY = Study(
    slug="ead",
    title="Hot first tokens, cool last ones (a small model on Countdown)",
    paper=(
        "Yang et al. 2025, Let it Calm: Exploratory Annealed Decoding for Verifiable Reinforcement Learning, "
        "arXiv 2510.05251"
    ),
    claim=(
        "Annealed within an answer, the temperature gives more pass@16 at equal pass@1 than any that is fixed, without "
        "training; in training, with truncated weights, also, and more entropy and worst@16."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 300, "laptop": 1200, "full": 400_000},
    run="wayfare.studies.ead.experiment:run",
    ready="wayfare.studies.ead.experiment:ready",
)
