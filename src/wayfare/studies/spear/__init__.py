"""A bonus for calling a tool that fades, then imitation of one's own successes: does a small model learn to look up?

Qin et al. 2025, "Learn the Ropes, Then Trust the Wins: Self-imitation with Progressive Exploration for Agentic
Reinforcement Learning" (SPEAR, arXiv 2509.22601). Where a guess pays now and then, a policy that hardly calls its tool
forgets it. A bonus for calls teaches the tool and would teach too many calls, so that it fades; what worked lately is
learned once more, judged by what has become usual since.

    r = R + mu(t) min(0.1 calls, 1),           mu = (1 + cos(pi t / T_d)) / 2, 0 from T_d on              (1)
    L = L_RL(r) + gamma(t) L_SIL(R - P50),     gamma = (1 - cos(pi t / T_w)) / 2, 1 from T_w on           (2)

P50 is the median of the recent groups' mean rewards. Claimed: more success than without either, also than under strong
settings of the same trainer, without the useless calls that a bonus leaves behind.

    task        look-up arithmetic: `A + C ?` about two keys of a hidden table; a call tells one digit; a guess is right
                one time in ten at most
    model       64 wide, 2 layers; the base answers at once and calls on about 3 % of questions
    step        16 questions, 256 conversations, one update, and a burst of replay where one is due
    common      the paper's stronger baseline, Dr.BoT: clip-higher 0.28, dual clip 10, rewards not divided by a
                deviation, token losses summed and divided by a constant, three quarters of the groups, readable rows
    baseline    the best of that over three learning rates, a reverse KL and an entropy bonus, chosen on other seeds;
                SPEAR, the bonus that fades alone and the bonus that stays choose among the same rates on the same seeds
    beside it   imitation alone; SPEAR without judging anew, without clipping of tokens; fine-tuning on successes; GRPO
                without Dr.BoT; all at SPEAR's rate, without a verdict

Ours: P50 is of the task's reward, not of (1), whose median falls with mu; a burst every few steps of what there is, as
with rare successes a buffer never fills; no band on entropy is claimed, since right play here has next to none.
Simplified: 0.1 M weights, one tool and 28 tokens in place of 1.5 to 32 B and ALFWorld, WebShop or a code interpreter.

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

    tool_rate: float = 0.03
    """Share of questions about keys that the base's corpus answers with calls."""
    aimless: float = 0.5
    """Of those, share whose keys come from anywhere."""
    base_steps: int = 1000
    """Of pre-training, of 192 traces each."""
    answers: int = 16
    """Conversations about each question."""
    token_budget: int = 1_000_000
    """Tokens that each arm may draw, the tool's with them."""
    evaluate_every: int = 20
    """Steps between evaluations."""
    eval_prompts: int = 128
    """Held-out questions."""
    eval_answers: int = 8
    """Conversations about each of them."""
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    """Learning rates that baseline, SPEAR and both bonuses are tried at."""
    beta: float = 0.1
    """Weight of the reverse KL."""
    entropy: float = 0.01
    """Weight of the entropy bonus."""
    bonus: float = 0.1
    """Of one call; of all together 1 at most."""
    fade: int = 100
    """T_d, steps."""
    rise: int = 100
    """T_w, steps."""
    buffer: int = 64
    """Rows of a burst at most."""
    medians: int = 160
    """Recent groups that P50 is of."""
    tolerance: int = 5
    """Greatest age of a row, steps."""
    every: int = 10
    """Steps after which a burst takes what there is."""
    covariance: tuple[float, float, float] = (0.05, 5.0, 0.02)
    """Clipped tokens: least and greatest covariance, share of all."""
    widest: float = 0.75
    """Share of the groups that are learned from, those whose rewards spread most."""
    model: str = "Qwen/Qwen2.5-1.5B-Instruct"
    """Full scale: folder or name of the model."""
    dataset: str = "openai/gsm8k"
    """Full scale: folder or name of the questions."""

    AT_LEAST: ClassVar = {
        "base_steps": 1, "answers": 2, "fade": 1, "rise": 1, "buffer": 1, "medians": 1, "tolerance": 1, "every": 1,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        for name in ("tool_rate", "aimless"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadValue(name, getattr(self, name), "between 0 and 1")
        if not 0 < self.widest <= 1:
            raise BadValue("widest", self.widest, "above 0 and at most 1")
        for name in ("beta", "entropy", "bonus"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")
        low, high, share = self.covariance
        if not (low < high and 0 <= share <= 1):
            raise BadValue("covariance", self.covariance, "two bounds in rising order and a share")

    @property
    def ks(self) -> tuple[int, ...]:
        """k that are told."""
        return tuple(k for k in (1, 4) if k <= self.eval_answers)


LAPTOP = Config(scale="laptop", seeds=6)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, rates=(3e-4,), token_budget=400_000, tuning_seeds=1, other_seeds=1,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", seeds=1, base_steps=4, answers=4, token_budget=400, evaluate_every=4, eval_prompts=4,
    eval_answers=4, fade=2, rise=1, buffer=2, every=1,
)  # fmt: skip
CALLS = (
    "{}\nYou may calculate: write <call>12 * 7</call>, and its result follows. Reason step by step, and put your final "
    "answer within \\boxed{}."
)
FULL = replace(
    LAPTOP, scale="full", seeds=1, other_seeds=1, token_budget=10_000_000, evaluate_every=25, eval_answers=4,
    dataset_part="main", eval_split="test", chat=True, instruction=CALLS,
)  # fmt: skip

STUDY = Study(
    slug="spear",
    title="A fading bonus for tool calls, then self-imitation (a small model and one tool)",
    paper=(
        "Qin et al. 2025, Learn the Ropes, Then Trust the Wins: Self-imitation with Progressive Exploration for "
        "Agentic Reinforcement Learning, arXiv 2509.22601"
    ),
    claim=(
        "Where a policy guesses and forgets its tool under group-relative training, a bonus for calls that fades and "
        "self-imitation afterwards teach it to look up, sooner than the bonus alone and without useless calls."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 400, "laptop": 2700, "full": 400_000},
    run="wayfare.studies.spear.experiment:run",
    ready="wayfare.studies.spear.experiment:ready",
)
