"""Does it pay to plan several steps ahead with what memory has taught, do the first only, remember and plan again?

Liu, Hu, Zhang, Guo, Ke, Liu & Wang 2023, "Reason for Future, Act for Now" (arXiv 2309.17382, ICML 2024): a language
model's prompt holds what really happened; a tree is searched in what the model makes of it; the first action alone is
done; the prompt is renewed when the posterior has moved by about one bit. Bayesian regret grows as sqrt(T).

    R1    the posterior is exact: grids whose rules are one of 64 hypotheses, and RiverSwim-6 with Dirichlet counts
    R2    the model is a transformer trained from scratch in the run, which learns an unseen maze within its context
    R3    an instrument: the control loop of Game of 24 around a simulated model, not language; it carries no claim

The verdict comes from R1 and R2. Scale `full` lets a real model play Game of 24, Tic-Tac-Toe and BlocksWorld.

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
    """Knobs of the study. `seeds` are those of R2: a transformer each."""

    theory_seeds: int = 64
    """Seeds of R1, side by side."""
    grid_steps: int = 4000
    """Steps on the grids of hidden rules."""
    river_steps: int = 20_000
    """Steps in RiverSwim."""
    tuning_seeds: int = 16
    """Other seeds on which bonuses and confidence radii are tuned."""
    sequences: int = 48_000
    """Walks of 64 steps that each transformer is trained on."""
    width: int = 96
    """Width of the transformer."""
    mazes: int = 64
    """Unseen mazes that each transformer is tried on."""
    episodes: int = 10
    """Episodes of 30 steps in each of them."""
    puzzle_seeds: int = 200
    """Seeds of R3."""
    puzzles: int = 100
    """Puzzles of R3, of each seed and, at scale full, of the model."""
    model: str = "tiny-random"
    """Scale full: a causal model that transformers loads, or, with `endpoint`, the name the endpoint knows."""
    endpoint: str = ""
    """Scale full: base URL of an OpenAI-compatible server; empty: the model is loaded here."""
    calls_a_task: int = 60
    """Scale full: most calls of the model for one puzzle, game or problem."""

    AT_LEAST: ClassVar = {
        "theory_seeds": 2, "grid_steps": 20, "river_steps": 20, "tuning_seeds": 1, "sequences": 1, "width": 12,
        "mazes": 2, "episodes": 1, "puzzle_seeds": 2, "puzzles": 1, "calls_a_task": 1,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        if self.width % 12:
            raise BadValue("width", self.width, "a multiple of 12")
        if self.puzzles > 1000:
            raise BadValue("puzzles", self.puzzles, "at most 1000")


LAPTOP = Config(scale="laptop", seeds=5, seed=200)
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, seed=0, theory_seeds=16, grid_steps=1000, river_steps=5000, tuning_seeds=4,
    sequences=12_800, mazes=24, puzzle_seeds=10, puzzles=30,
)  # fmt: skip
SMOKE = replace(
    LAPTOP, scale="smoke", seeds=2, seed=0, theory_seeds=2, grid_steps=40, river_steps=60, tuning_seeds=1,
    sequences=32, width=24, mazes=2, episodes=2, puzzle_seeds=2, puzzles=2,
)  # fmt: skip
FULL = replace(LAPTOP, scale="full", seeds=1)

STUDY = Study(
    slug="rafa",
    title="Plan ahead with what memory taught, act once, plan again (R3, Game of 24: simulated model, not language)",
    paper=(
        "Liu, Hu, Zhang, Guo, Ke, Liu & Wang 2023, Reason for Future, Act for Now: A Principled Framework for "
        "Autonomous LLM Agents with Provable Sample Efficiency, arXiv 2309.17382"
    ),
    claim=(
        "Planning several steps ahead in what memory taught, acting on the first step alone and planning again from "
        "what really happened, with the memory renewed by about one bit at a time, has sqrt(T) Bayesian regret and "
        "beats open-loop, reactive and between-episode use of the same memory."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 150, "laptop": 850, "full": 40_000},
    run="wayfare.studies.rafa.experiment:run",
)
