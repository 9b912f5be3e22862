"""Does a forward KL to a reward-tempered reference lead a policy out of its base's support, where a reverse KL may not?

Deng et al. 2025, "Unlocking Reasoning Capabilities in LLMs via Reinforcement Learning Exploration" (RAPO, arXiv
2510.03865). In place of the reverse divergence from the base, a policy is trained on

    E[r] - alpha KL(q_phi | pi) + beta H(pi),    q_phi proportional to q^phi,  phi = floor + (1 - floor) r      (1)

Claimed: more is solved than with a reverse divergence at large sampling budgets, and what the base never solves is
solved at last.

    exact       64 answers, those that pay in full in a hole of the reference: objectives climbed exactly, no model
    task        Countdown with three numbers, after a corpus that hardly knows `*`. Half of the problems, held out ones
                and those of training, can be solved without it; half only with it: the base all but never does
    model       64 wide, 2 layers
    step        16 prompts, 256 answers, one update
    baseline    the best of plain GRPO over three learning rates, a reverse KL and an entropy bonus, chosen on other
                seeds; RAPO chooses among the same rates and two other alphas on the same seeds
    beside it   reverse KL at RAPO's rate, which the paper compares to; an entropy bonus alone, of the weight that ends
                at RAPO's entropy; RAPO without its parts and with other alphas, without a verdict
    shallower   the same over a base whose corpus has `*` ten times as often, so that the hole can be climbed out of

Simplified: the form of phi, alpha and beta are ours, the paper's are not known to us; the divergence is summed over the
vocabulary on prefixes that the policy drew, not over sequences of the reference; 16-token answers of a model of 0.1 M
weights in place of mathematics.

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

    hole: float = 1e-3
    """Rate of `*` in the base's corpus, that of + and - being 1."""
    shallow: float = 1e-2
    """... in that of another base, whose hole is shallower."""
    hint_rate: float = 0.4
    """Share of right traces in the base's corpus."""
    base_steps: int = 500
    """Of pre-training, of 192 traces each."""
    prompts: int = 16
    """Prompts of a step."""
    answers: int = 16
    """Answers to each prompt."""
    token_budget: int = 700_000
    """Tokens that each arm may draw."""
    evaluate_every: int = 100
    """Steps between evaluations."""
    eval_prompts: int = 48
    """Held-out problems; every other one needs `*`."""
    eval_answers: int = 512
    """Answers to each of them: pass@k is told up to half of this."""
    rates: tuple[float, ...] = (3e-5, 1e-4, 3e-4)
    """Learning rates that baseline and RAPO are tried at."""
    reverse: float = 0.1
    """Weight of the reverse KL."""
    entropies: tuple[float, ...] = (0.003, 0.01, 0.03)
    """Weights of the entropy bonus alone; the one that ends nearest to RAPO's entropy is compared to it."""
    alpha: float = 0.03
    """RAPO: weight of the forward KL."""
    floor: float = 0.5
    """RAPO: phi of a wrong answer; at 1 the reference stays as it is."""
    beta: float = 0.001
    """RAPO: weight of the entropy."""
    alphas: tuple[float, ...] = (0.01, 0.1)
    """Other weights of the forward KL: tried at the highest rate, and shown without a verdict."""
    climbs: int = 3000
    """Steps of each exact climb."""
    depths: tuple[float, ...] = (0.2, 0.1, 0.07, 0.05, 0.03, 0.01)
    """Of the hole that is climbed out of exactly."""
    model: str = "Qwen/Qwen2.5-3B"
    """Full scale: folder or name of the model."""
    dataset: str = "hkust-nlp/SimpleRL-Zoo-Data"
    """Full scale: folder or name of the questions."""

    AT_LEAST: ClassVar = {
        "base_steps": 1, "prompts": 1, "answers": 2, "eval_prompts": 2, "climbs": 1, "alpha": 0, "beta": 0
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        for name in ("hint_rate", "hole", "shallow", "floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadValue(name, getattr(self, name), "between 0 and 1")
        for name in ("entropies", "depths"):
            if not getattr(self, name) or not all(0 < each < float("inf") for each in getattr(self, name)):
                raise BadValue(name, getattr(self, name), "one at least, each above 0")
        if not 0 < self.reverse < float("inf"):
            raise BadValue("reverse", self.reverse, "finite and above 0")

    @property
    def many(self) -> int:
        """The large sampling budget: k of the highest pass@k."""
        return max(1, self.eval_answers // 2)

    @property
    def ks(self) -> tuple[int, ...]:
        """k that are told."""
        return (*(k for k in (1, 16, 64) if k < self.many), self.many)


LAPTOP = Config(scale="laptop", seeds=5)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, rates=(3e-4,), entropies=(0.01,), alphas=(), token_budget=350_000, tuning_seeds=1,
    other_seeds=1, eval_prompts=32, eval_answers=256,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", base_steps=4, prompts=2, answers=4, token_budget=300, evaluate_every=4, eval_prompts=4,
    eval_answers=8, climbs=20, depths=(0.1,),
)  # fmt: skip
FULL = replace(
    LAPTOP, scale="full", seeds=1, other_seeds=1, token_budget=10_000_000, evaluate_every=25,
    eval_prompts=64, eval_answers=256, rows_per_pass=1,
)  # fmt: skip

STUDY = Study(
    slug="rapo",
    title="Out of the base's support with a forward KL (a small model on Countdown without *)",
    paper=(
        "Deng et al. 2025, Unlocking Reasoning Capabilities in LLMs via Reinforcement Learning Exploration, arXiv "
        "2510.03865"
    ),
    claim=(
        "With a forward KL to a reward-tempered reference in place of a reverse KL, a policy solves problems that its "
        "base all but never solves, and keeps those that the base can solve."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 300, "laptop": 2300, "full": 400_000},
    run="wayfare.studies.rapo.experiment:run",
    ready="wayfare.studies.rapo.experiment:ready",
)
