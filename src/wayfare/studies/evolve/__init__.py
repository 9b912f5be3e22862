"""Can a bandit algorithm be handed to a language model: by its decisions to learn from, or by its numbers to read?

Nie, Su, Chang, Lee, Chi, Le & Chen 2024, "EVOLvE: Evaluating and Optimizing LLMs For (In-Context) Exploration"
(arXiv 2410.06238). A bandit is told in words, its history in one of three layers: every pull (RH), a summary of each
arm (SH), or the summary with the two numbers of an upper confidence bound (AG: algorithm-guided).

    S1          a small transformer is trained from nothing on the decisions of UCB (oracle fine-tuning, OFT), in each
                layer, and then plays bandits with smaller gaps, more arms and twice the pulls
    S2          the same net learns to read tables, and nothing about bandits; then it is asked for a decision with RH,
                SH or AG before its eyes: guidance at inference
    contextual  S2's net on a synthetic world of people and films, guided by LinUCB or with the raw history

Answers are sampled from all words; a word that names no arm is a random pull, and is counted. Regret is from true
means. All players of a seed meet the same arms and the same noise.

The full scale asks a real model: `full.py`, with what it will cost before it begins. This module knows the question and
its knobs and imports no torch; `plan.py` says what is run, `experiment.py` runs it and `outcome.py` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

from wayfare.errors import BadValue
from wayfare.studies.contract import Config as BaseConfig
from wayfare.studies.contract import Study

__all__ = ["STUDY", "Config"]

Size = Literal["xs", "s", "m"]


@dataclass(frozen=True)
class Config(BaseConfig):
    """Knobs of the study; regret is in expected rewards over the horizon."""

    size: Size = "xs"
    """Of the nets: xs (width 64, 2 layers), s (96, 3), m (128, 4)."""
    decisions: int = 64_000
    """Decisions of the teacher that each layer learns from, all with a gap of 0.5 and `arms` arms."""
    passes: int = 3
    """How often each is seen, with other names each time."""
    lesson_horizon: int = 100
    """Pulls of a lesson's trajectory."""
    batch: int = 32
    """Decisions of an update with SH and AG; RH takes a trajectory of `lesson_horizon` decisions at least."""
    learning_rate: float = 3e-3
    """Peak of AdamW's."""
    raw_seeds: int = 2
    """Seeds of S1 with RH."""
    reading_updates: int = 4000
    """Updates of S2's net, 64 tables each."""
    arms: int = 5
    """K of the lessons."""
    unseen_arms: int = 8
    """K that no lesson had; 0 leaves it out."""
    gaps: tuple[float, ...] = (0.5, 0.2)
    """Best arm's mean minus the others', in evaluation; the lessons have the first."""
    horizon: int = 200
    """Pulls of a bandit in evaluation."""
    worlds: int = 200
    """Bandits of a setting, for each seed."""
    curve_points: int = 8
    """At how many numbers of decisions the learning nets play."""
    films: int = 10
    """Arms of the contextual world; 0 leaves it out."""
    long_horizon: int = 1000
    """Pulls of the bandits to whose regret the curve is fitted; 0 leaves it out."""
    tuning_seeds: int = 4
    """Other seeds on which epsilon-greedy is tuned."""
    model: str = "tiny-random"
    """Full scale: name or path of a causal model, or the endpoint's name of it."""
    endpoint: str = ""
    """Full scale: address of an OpenAI-compatible server, up to /v1; empty: the model runs here."""
    most_calls: int = 0
    """Full scale: calls that may be made; a run that needs more is refused with what it would cost."""
    ledger_folder: str = "ledgers"
    """Full scale: where calls that were paid for are written down."""
    trials: int = 20
    """Full scale: bandits of a configuration."""
    grid_arms: tuple[int, ...] = (5, 20)
    """Full scale: numbers of arms."""
    grid_scenarios: tuple[str, ...] = ("buttons", "clothes")
    """Full scale: scenarios."""
    grid_horizon: int = 0
    """Full scale: pulls; 0: 300 for easy and 1000 for hard bandits."""
    grid_films: tuple[int, ...] = (10, 30)
    """Full scale: numbers of films of the contextual bandits; none leaves them out."""
    ratings: str = ""
    """Full scale: path of a MovieLens ratings file; empty: ratings are made up."""
    lora_updates: int = 500
    """Full scale: updates of oracle fine-tuning, for models that run here; 0 leaves it out."""

    AT_LEAST: ClassVar = {
        "decisions": 100, "passes": 1, "lesson_horizon": 10, "batch": 1, "raw_seeds": 0, "reading_updates": 1,
        "arms": 2, "unseen_arms": 0, "horizon": 10, "worlds": 2, "curve_points": 1, "films": 0, "long_horizon": 0,
        "tuning_seeds": 1, "most_calls": 0, "trials": 2, "grid_horizon": 0, "lora_updates": 0,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if self.size not in get_args(Size):
            raise BadValue("size", self.size, f"one of {', '.join(get_args(Size))}")
        if not 0 < self.learning_rate < 1:
            raise BadValue("learning_rate", self.learning_rate, "above 0 and below 1")
        if not self.gaps or not all(0 < gap <= 1 for gap in self.gaps) or len(set(self.gaps)) < len(self.gaps):
            raise BadValue("gaps", self.gaps, "at least one, each above 0 and at most 1, none twice")
        if self.raw_seeds > self.seeds:
            raise BadValue("raw_seeds", self.raw_seeds, f"at most seeds = {self.seeds}")
        for name, none in (("unseen_arms", self.arms), ("films", 0)):
            if getattr(self, name) in (1, none) and getattr(self, name) != 0:
                raise BadValue(name, getattr(self, name), f"0, or at least 2 and not arms = {self.arms}")
        if not self.grid_arms or not all(2 <= arms <= 20 for arms in self.grid_arms):
            raise BadValue("grid_arms", self.grid_arms, "at least one, each from 2 to 20, the names of a scenario")
        if not self.grid_scenarios or not set(self.grid_scenarios) <= set(_SCENARIOS):
            raise BadValue("grid_scenarios", self.grid_scenarios, f"some of {', '.join(_SCENARIOS)}")
        if not all(2 <= films <= 40 for films in self.grid_films):
            raise BadValue("grid_films", self.grid_films, "each from 2 to 40, the names there are")
        for name in ("arms", "unseen_arms", "films"):
            if getattr(self, name) > 40:
                raise BadValue(name, getattr(self, name), "at most 40, the names there are")


_SCENARIOS = ("buttons", "ads", "videos", "clothes")

LAPTOP = Config(scale="laptop", seeds=5, seed=100)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, seed=0, decisions=32_000, passes=2, raw_seeds=2, reading_updates=1500,
    unseen_arms=0, worlds=48, curve_points=3, long_horizon=0,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", decisions=800, passes=1, lesson_horizon=20, raw_seeds=1, reading_updates=10, horizon=20,
    worlds=8, curve_points=2, films=4, unseen_arms=3, gaps=(0.5,), tuning_seeds=1,
)  # fmt: skip
FULL = replace(LAPTOP, scale="full", seed=0)

STUDY = Study(
    slug="evolve",
    title="A bandit algorithm handed to a language model, as decisions or as numbers (nets of 0.1 million weights)",
    paper=(
        "Nie, Su, Chang, Lee, Chi, Le & Chen 2024, EVOLvE: Evaluating and Optimizing LLMs For (In-Context) "
        "Exploration, arXiv 2410.06238"
    ),
    claim=(
        "A language model explores nearly as well as UCB after training on UCB's decisions, and with UCB's two numbers "
        "in its prompt without any such training; a summary helps less and the raw history least."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 15, "quick": 180, "laptop": 1200, "full": 200_000},
    run="wayfare.studies.evolve.experiment:run",
    ready="wayfare.studies.evolve.full:ready",
)
