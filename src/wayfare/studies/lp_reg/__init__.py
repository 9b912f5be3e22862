"""Do rare words of use live through training when those that the policy itself holds plausible are shielded?

Huang et al. 2025, "Low-probability Tokens Sustain Exploration in Reinforcement Learning with Verifiable Reward"
(Lp-Reg, arXiv 2510.03222). In failed answers rare words are pushed down as hard as noise, until "wait" is never said
again. Of the tokens of failed answers the rarest `share` are taken, of these the ones that survive a min-p filter of
the sampling policy p and lie below the filtered policy q; their loss becomes

    -A rho + beta k3(log q - log pi),    q = p / Z where p >= kappa max p, else 0                              (1)

Claimed, for training on policy: rare useful words are kept where noise is not, and accuracy with them; an entropy bonus
lifts noise as well.

    task        Countdown with second thoughts: WAIT begins another attempt, the last one counts. The corpus says WAIT
                behind one attempt in ten, right or wrong, and each of four junk words behind one in 5,000
    model       64 wide, 2 layers
    step        16 prompts, 256 answers, one update: on policy, as claimed
    measured    how likely WAIT and junk are behind a wrong attempt at held-out problems
    baseline    the best of plain GRPO over three learning rates, a reverse KL and an entropy bonus, chosen on other
                seeds; Lp-Reg chooses among the same rates on the same seeds
    beside it   Lp-Reg amplified: ten times the share, and the whole divergence KL(q | pi) added; an entropy bonus;
                without a verdict: Lp-Reg without its filter, clip-higher, KL-Cov, the 80/20 mask, and a base that says
                WAIT below the filter, where Lp-Reg has nothing to shield

Simplified: a model of 0.1 M weights and one planted word in place of 14B and the words of real reasoning; 256 answers a
step in place of 2,048. On policy and with one update the pull of (1) on a token is 1 / Z - 1: small where the policy is
sure. The amplified setting is ours and is told apart.

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

    wait_rate: float = 0.1
    """Chance of WAIT behind an attempt of the base's corpus."""
    low_wait_rate: float = 0.01
    """That of the other base, below the filter."""
    junk_rate: float = 0.0002
    """Chance of each junk word there."""
    hint_rate: float = 0.3
    """Share of right attempts in the corpus."""
    base_steps: int = 1500
    """Of pre-training, of 192 traces each."""
    prompts: int = 16
    """Prompts of a step."""
    answers: int = 16
    """Answers to each prompt."""
    token_budget: int = 900_000
    """Tokens that each arm may draw."""
    evaluate_every: int = 25
    """Steps between evaluations."""
    eval_prompts: int = 128
    """Held-out problems."""
    eval_answers: int = 16
    """Answers to each of them."""
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    """Learning rates that baseline and Lp-Reg are tried at."""
    reverse: float = 0.1
    """Weight of the reverse KL."""
    entropy: float = 0.01
    """Weight of the entropy bonus among the baselines."""
    lifting: float = 0.03
    """Weight of the one that stands beside them."""
    share: float = 0.01
    """Lp-Reg: of the tokens of failed answers."""
    kappa: float = 0.02
    """Lp-Reg: of the min-p filter."""
    beta: float = 1.0
    """Lp-Reg: weight of the divergence."""
    amplified: float = 0.1
    """Share of the amplified setting."""
    model: str = "Qwen/Qwen2.5-Math-1.5B"
    """Full scale: folder or name of the model."""
    dataset: str = "BytedTsinghua-SIA/DAPO-Math-17k"
    """Full scale: folder or name of the questions."""

    AT_LEAST: ClassVar = {"base_steps": 1, "prompts": 1, "answers": 2, "beta": 0}

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        for name in ("hint_rate", "share", "kappa", "amplified", "wait_rate", "low_wait_rate", "junk_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadValue(name, getattr(self, name), "between 0 and 1")
        for name in ("reverse", "entropy", "lifting"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")

    @property
    def ks(self) -> tuple[int, ...]:
        """k that are told."""
        return (*(k for k in (1, 4) if k < self.eval_answers), self.eval_answers)


LAPTOP = Config(scale="laptop", seeds=5)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, rates=(3e-4,), token_budget=300_000, tuning_seeds=1, other_seeds=1, eval_prompts=64
)
SMOKE = replace(
    QUICK,
    scale="smoke",
    base_steps=2,
    prompts=2,
    answers=4,
    token_budget=300,
    evaluate_every=4,
    eval_prompts=4,
    eval_answers=4,
)
FULL = replace(
    LAPTOP, scale="full", seeds=1, other_seeds=1, token_budget=10_000_000, evaluate_every=25,
    eval_answers=16,
)  # fmt: skip

STUDY = Study(
    slug="lp-reg",
    title="Rare words of use are shielded from failed answers (a small model, one planted word)",
    paper=(
        "Huang et al. 2025, Low-probability Tokens Sustain Exploration in Reinforcement Learning with Verifiable "
        "Reward, arXiv 2510.03222"
    ),
    claim=(
        "On policy, a pull of the rarest tokens of failed answers toward the noise-filtered policy keeps a rare useful "
        "word likelier than the best tuned baseline does, without keeping noise and without losing accuracy."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 15, "quick": 300, "laptop": 1900, "full": 400_000},
    run="wayfare.studies.lp_reg.experiment:run",
    ready="wayfare.studies.lp_reg.experiment:ready",
)
