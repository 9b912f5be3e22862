"""Is a sharper or a broader model, of the same data and as good at predicting it, the better start for learning?

Wu et al. 2025, "Diversity or Precision? A Deep Dive into Next Token Prediction" (arXiv 2512.22955). Next-token
prediction is reinforcement learning of one step, which pays the token x that stands there 1 / pi(x); paid

    (1 - pi(x))^beta / pi(x),    and other tokens high if they are among the k likeliest, else low         (1)

the same corpus gives sharper models (beta < 0, low < 0: precision) or broader ones (beta > 0, high > 0: diversity).
Claimed, against the belief that entropy helps exploration: at nearly equal perplexity a sharper prior (beta = -0.25)
ends higher when reinforcement learning goes on from it, a broader one lower.

    task        Countdown with three numbers; one trace in twenty of the corpus is spoilt, so that there is a tail
    priors      models 64 wide, 2 layers, of the same traces in the same order, by (1)
    learning    GRPO from each, 16 prompts, 256 answers, one update, no divergence
    baseline    the cross-entropy prior under the best of three learning rates, a reverse KL and an entropy bonus,
                chosen on other seeds; beta = -0.25 chooses among the same rates on the same seeds
    beside it   cross-entropy at that rate, which the paper compares to, also with the temperature at which it is as
                sharp as beta = -0.25; beta = 0.5; further shapes and label smoothing, without a verdict

A seed is a prior of its own (weights and corpus) and one run of learning from it. Simplified: 0.1 M weights on traces
of 15 tokens in place of 1 to 20 B on text; k is 4 of 20 words; no fine-tuning in between; the formulas of (1) are as
recalled, pinned down by their gradients.

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

    hint_rate: float = 0.4
    """Share of right traces in the corpus."""
    corrupted: float = 0.05
    """Share of spoilt ones."""
    base_steps: int = 1000
    """Of pre-training."""
    base_rows: int = 192
    """Traces of each of them."""
    precise: float = -0.25
    """beta of the sharper prior."""
    broad: float = 0.5
    """beta of the broader one."""
    betas: tuple[float, ...] = (-0.5, 1.0)
    """Other ones, shown without a verdict."""
    high: float = 0.1
    """Reward of near tokens, of priors without a verdict."""
    low: float = -0.1
    """Reward of the tail, likewise."""
    k: int = 4
    """Tokens that are near."""
    smoothing: float = 0.1
    """Of labels, likewise."""
    token_budget: int = 700_000
    """Tokens that each arm may draw."""
    evaluate_every: int = 50
    """Steps between evaluations."""
    eval_prompts: int = 128
    """Held-out prompts."""
    eval_answers: int = 64
    """Answers to each of them."""
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    """Learning rates that cross-entropy and the sharper prior are tried at."""
    reverse: float = 0.1
    """Weight of the reverse KL."""
    entropy: float = 0.01
    """Weight of the entropy bonus."""
    prior_steps: int = 500
    """Full scale: updates of 8 worked answers each, by which priors are made."""
    prior_rate: float = 1e-5
    """Full scale: highest learning rate of these."""
    model: str = "Qwen/Qwen2.5-0.5B"
    """Full scale: folder or name of the model that is trained on."""
    dataset: str = "openai/gsm8k"
    """Full scale: folder or name of the questions."""

    AT_LEAST: ClassVar = {"base_steps": 1, "base_rows": 1, "k": 1, "prior_steps": 0}

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        for name in ("hint_rate", "corrupted"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadValue(name, getattr(self, name), "between 0 and 1")
        if not 0 <= self.smoothing < 1:
            raise BadValue("smoothing", self.smoothing, "at least 0 and below 1")
        if not -1 < self.precise < 0:
            raise BadValue("precise", self.precise, "between -1 and 0")
        if not 0 < self.broad < float("inf"):
            raise BadValue("broad", self.broad, "finite and above 0")
        if not all(-1 < beta < float("inf") for beta in self.betas):
            raise BadValue("betas", self.betas, "each finite and above -1")
        if len({*self.betas, self.precise, self.broad, 0.0}) < len(self.betas) + 3:
            raise BadValue("betas", self.betas, "different ones, other than 0, precise and broad")
        for name in ("reverse", "entropy"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")

    @property
    def ks(self) -> tuple[int, ...]:
        """k that are told."""
        return tuple(k for k in (1, 4, 16, 64) if k <= self.eval_answers)


LAPTOP = Config(scale="laptop", seeds=5)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, rates=(3e-4,), token_budget=300_000, tuning_seeds=1, other_seeds=1, betas=(),
    base_steps=600,
)  # fmt: skip
SMOKE = replace(
    QUICK,
    scale="smoke",
    seeds=1,
    base_steps=4,
    base_rows=8,
    token_budget=300,
    evaluate_every=4,
    eval_prompts=4,
    eval_answers=8,
)
FULL = replace(
    LAPTOP, scale="full", seeds=1, other_seeds=1, token_budget=10_000_000, evaluate_every=25,
    dataset_part="main", eval_split="test", eval_answers=64,
)  # fmt: skip

STUDY = Study(
    slug="ntp-precision",
    title="Sharper or broader priors for reinforcement learning (small models on Countdown)",
    paper="Wu et al. 2025, Diversity or Precision? A Deep Dive into Next Token Prediction, arXiv 2512.22955",
    claim=(
        "Of models that predict the same corpus about equally well, reinforcement learning ends higher from a sharper "
        "one (beta = -0.25) than from that of cross-entropy, and lower from a broader one."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 400, "laptop": 2400, "full": 1_000_000},
    run="wayfare.studies.ntp_precision.experiment:run",
    ready="wayfare.studies.ntp_precision.experiment:ready",
)
