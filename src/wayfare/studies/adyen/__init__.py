"""Does a policy that explores by inverse gap weighting and is refitted on its own log get better with each generation?

Vangara & Egg 2024, "Contextual Bandits in Payment Processing: Non-uniform Exploration and Supervised Learning (at
Adyen)" (arXiv 2412.00569). A payment may be sent in several ways, not all of them allowed every time; most succeed. A
model of success is fitted to recent logs by plain supervised learning, SquareCB or FastCB turns its scores into a
policy, the policy is frozen, serves, and logs what the next model is fitted to. Claimed: that beats uniform
exploration by far; yet a good policy logs little but its favourites, later models are worse than one from uniform data
would be, and generations see-saw.

    world       8 normal features, 6 actions, each but the first allowed with chance 0.7; the chance of success is a
                random network's, in the mean 0.94 for the best action and 0.72 for one at random
    model       16 tanh units, log loss, fitted from scratch to the last W waves of 4,000 requests
    players     uniform, epsilon-greedy, SquareCB and FastCB, W = 1, 4 and all; untuned as the paper's loop would have
                them, and tuned on other seeds over six settings each; greedy on all logs; a linear model, which cannot
                represent the world
    log         `--log my.csv`: your own decisions instead; nothing is served, candidates are evaluated off-policy

Values of policies are exact: their chances times the true ones, on 20,000 contexts of their own.

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
    """Knobs of the study; values are success rates."""

    arms: int = 6
    """Actions: K."""
    dimension: int = 8
    """Features of a request."""
    chance: float = 0.7
    """Chance that an action is allowed; the first always is."""
    requests: int = 4000
    """Requests of a wave: N."""
    waves: int = 14
    """Waves; the first is served uniformly."""
    delay: int = 0
    """Requests after which a reward arrives; decisions without one wait."""
    hidden: int = 16
    """Units of the model."""
    updates: int = 300
    """Gradient steps of a fit."""
    judged: int = 20_000
    """Contexts on which policies are judged."""
    tuning_seeds: int = 5
    """Other seeds on which rules are tuned."""
    sweep_seeds: int = 8
    """Seeds of the frontier's sweep; 0 leaves it out."""
    log: str = ""
    """A CSV of your own decisions, a line each; empty: the study's world."""
    context: tuple[str, ...] = ()
    """Of the log: columns of numbers that describe a decision."""
    action: str = "action"
    """Of the log: column of the action taken."""
    reward: str = "reward"
    """Of the log: column of 0 and 1; empty where not known yet."""
    propensity: str = "propensity"
    """Of the log: column of the chance with which that action was taken."""
    allowed: tuple[str, ...] = ()
    """Of the log: a column of 0 and 1 for each action, in the order of their names; none: all always are."""
    time: str = ""
    """Of the log: column of seconds since the epoch; none: lines are in order."""
    period_days: float = 0.0
    """Of the log: length of a generation by its time; 0: by `requests` rows."""
    memory: int = 1
    """Of the log: periods that a model is fitted to; 0: all before."""
    oracle: str = "boosting"
    """Of the log: boosting (scikit-learn's), xgboost where it is installed, or logistic."""
    rule: str = "SquareCB"
    """Of the log: SquareCB or FastCB."""
    greed: float = 1.0
    """Of the log: c of gamma = c sqrt(K m)."""
    least_effective: float = 500.0
    """Of the log: effective rows below which a candidate is refused."""

    AT_LEAST: ClassVar = {
        "arms": 2, "dimension": 1, "requests": 1, "waves": 5, "delay": 0, "hidden": 1, "updates": 1, "judged": 1,
        "tuning_seeds": 1, "sweep_seeds": 0, "memory": 0,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if not 0 < self.chance <= 1:
            raise BadValue("chance", self.chance, "above 0 and at most 1")
        if self.sweep_seeds > self.seeds:
            raise BadValue("sweep_seeds", self.sweep_seeds, f"at most seeds = {self.seeds}")
        if self.oracle not in ("boosting", "xgboost", "logistic"):
            raise BadValue("oracle", self.oracle, "boosting, xgboost or logistic")
        if self.rule not in ("SquareCB", "FastCB"):
            raise BadValue("rule", self.rule, "SquareCB or FastCB")
        for name in ("greed", "period_days", "least_effective"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and at least 0")
        if self.period_days > 0 and not self.time:
            raise BadValue("time", self.time, "a column of the log where period_days is above 0")


LAPTOP = Config(scale="laptop", seeds=20, seed=200)
QUICK = replace(LAPTOP, scale="quick", seeds=5, seed=0, waves=8, judged=8000, tuning_seeds=2, sweep_seeds=0)
SMOKE = replace(
    LAPTOP, scale="smoke", seeds=2, seed=0, requests=200, waves=5, updates=10, judged=200, tuning_seeds=1, sweep_seeds=2
)
FULL = replace(LAPTOP, scale="full", seeds=32, waves=26, requests=20_000, updates=1000, tuning_seeds=16)

STUDY = Study(
    slug="adyen",
    title="Inverse gap weighting in frozen generations: better than uniform, and see-sawing",
    paper=(
        "Vangara & Egg 2024, Contextual Bandits in Payment Processing: Non-uniform Exploration and Supervised Learning "
        "(at Adyen), arXiv 2412.00569"
    ),
    claim=(
        "Exploration by a regression oracle's scores earns far more than uniform exploration; but as policies log "
        "little but their favourites, later generations' models are worse than the one from uniform data, and their "
        "quality oscillates."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 90, "laptop": 420, "full": 20000},
    run="wayfare.studies.adyen.experiment:run",
    ready="wayfare.studies.adyen.own:refuse_unfit",
)
