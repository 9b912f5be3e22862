"""Can a learner explore without a single episode below a safety floor, and lose no more than a constant by it?

Li, Huang, Shen & Yang 2023, "Near-optimal Conservative Exploration in Reinforcement Learning under Episode-wise
Constraints" (arXiv 2306.06265). A baseline policy of known value V^b is safe; every episode's policy must have a value
of at least gamma = 0.85 V^b, not on average but each of them, with probability 1 - delta over the whole run. StepMix
follows the baseline for some steps and an optimistic policy for the others, mixed at one step so that a lower bound of
its value meets gamma; EpsMix throws a coin between the two for whole episodes.

    world      random tabular processes, 5 states, 3 actions, 4 steps; start in state 0
    baseline   softmax(Q* / 0.3), of known value
    players    StepMix, EpsMix; the same optimism without a floor; with a floor on the *sum* of values only; a mixture
               fixed beforehand and one that is switched off after a while, both tuned on other seeds; StepMix with a
               baseline learned from a log

Values are exact (dynamic programming on the true tables), so that a violation is seen and not estimated. The
confidence bounds are the published ones with beta multiplied by c = 1/1000: with c = 1 nothing moves within any number
of episodes that a laptop plays. Zero violations are therefore a measurement here and not the theorem; how often the
bounds really cover is measured beside them.

This module knows the question and its knobs and imports no torch; `plan.py` says what is run, `experiment.py` runs it
and `outcome.py` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from wayfare.errors import BadValue
from wayfare.studies.contract import Config as BaseConfig
from wayfare.studies.contract import Study

__all__ = ["STUDY", "Config"]


@dataclass(frozen=True)
class Config(BaseConfig):
    """Knobs of the study; values are expected rewards of an episode."""

    states: int = 5
    """States of the random processes: S."""
    actions: int = 3
    """Actions: A; number 0 is the worst in each state, so that ties under optimism hurt."""
    horizon: int = 4
    """Steps of an episode: H."""
    episodes: int = 5000
    """Episodes of a run: K."""
    temperature: float = 0.3
    """The baseline is softmax(Q* / temperature)."""
    floor: float = 0.85
    """The floor as a share of the baseline's value: gamma / V^b."""
    floors: tuple[float, ...] = (0.95, 0.7, 0.5)
    """Further floors, with `sweep_seeds`; none leaves them out."""
    delta: float = 0.05
    """Chance of failure over a run that the bounds are built for."""
    bonus_scale: float = 1e-3
    """c: what beta is multiplied by; 1 is the theory's constant."""
    bonus_scales: tuple[float, ...] = (1e-2, 1e-4)
    """Further c, with `sweep_seeds`; none leaves them out."""
    logged: tuple[int, ...] = (500, 5000)
    """Episodes of the logs from which the offline players learn their baseline."""
    sweep_seeds: int = 32
    """Seeds of the further floors and scales; 0 leaves them out."""
    tuning_seeds: int = 16
    """Other seeds on which the fixed and the switched mixture are tuned."""

    AT_LEAST: ClassVar = {
        "states": 1, "actions": 2, "horizon": 1, "episodes": 20, "sweep_seeds": 0, "tuning_seeds": 1,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        for name in ("temperature", "bonus_scale"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")
        if not 0 < self.delta < 1:
            raise BadValue("delta", self.delta, "between 0 and 1, both excluded")
        for name, shares in (("floor", (self.floor,)), ("floors", self.floors)):
            if not all(0 < share <= 1 for share in shares):
                raise BadValue(name, getattr(self, name), "above 0 and at most 1, a share of the baseline's value")
        if self.floor in self.floors or len(set(self.floors)) < len(self.floors):
            raise BadValue("floors", self.floors, f"others than floor = {self.floor:g}, each once")
        if not all(scale > 0 for scale in self.bonus_scales) or self.bonus_scale in self.bonus_scales:
            raise BadValue("bonus_scales", self.bonus_scales, f"above 0 and others than {self.bonus_scale:g}")
        if any(length < 1 for length in self.logged):
            raise BadValue("logged", self.logged, "at least 1 each")
        if self.sweep_seeds > self.seeds:
            raise BadValue("sweep_seeds", self.sweep_seeds, f"at most seeds = {self.seeds}")


LAPTOP = Config(scale="laptop", seeds=128, seed=200)
"""128 runs: none with a violation then bounds their share by 0.028, below delta. With 72 or fewer it could not."""
QUICK = replace(LAPTOP, scale="quick", seeds=16, seed=0, floors=(), bonus_scales=(), logged=(5000,), sweep_seeds=0)
SMOKE = replace(
    LAPTOP, scale="smoke", seeds=3, seed=0, episodes=40, floors=(0.5,), bonus_scales=(1e-4,), logged=(20,),
    sweep_seeds=2, tuning_seeds=2,
)  # fmt: skip
FULL = replace(LAPTOP, scale="full", seeds=256, states=20, actions=5, horizon=10, episodes=200_000)

STUDY = Study(
    slug="stepmix",
    title="Exploring above a safety floor, every single episode (confidence constants shrunk by 1000)",
    paper=(
        "Li, Huang, Shen & Yang 2023, Near-optimal Conservative Exploration in Reinforcement Learning under "
        "Episode-wise Constraints, arXiv 2306.06265"
    ),
    claim=(
        "StepMix and EpsMix explore a tabular process without any episode whose policy is worth less than a safety "
        "floor, at a regret that exceeds the unconstrained method's by no more than a constant; so too with a baseline "
        "learned from enough logged episodes."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 15, "quick": 90, "laptop": 300, "full": 40000},
    run="wayfare.studies.stepmix.experiment:run",
)
