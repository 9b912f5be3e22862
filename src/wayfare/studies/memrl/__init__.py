"""Does an agent with a frozen policy get better when its memory learns from rewards which similar experience to recall?

Zhang, Wang, Zhou et al. 2026, "MemRL: Self-Evolving Agents via Runtime Reinforcement Learning on Episodic Memory"
(arXiv 2601.03192). An item is (intent, experience, Q). Phase A keeps the k1 most similar intents, phase B ranks their
experiences by (1 - lambda) z(similarity) + lambda z(Q), and after the episode every recalled item moves
Q <- Q + 0.3 (r - Q). Only recall learns. Claimed: higher success while it runs and on held-out tasks than recall by
similarity, or of what succeeded.

    world      twin families: 200 tasks in 20 families of 32 dimensions; families come in pairs whose centres have
               cosine 0.95 but need different ones of 6 strategies. The right strategy succeeds with 0.8, a wrong one
               with `lucky`. A held-out task is another of a family.
    policy     frozen: copies the strategy of a recalled item with 0.9, else takes any
    players    no memory; a random candidate; similarity; the most similar of what succeeded, in three ways to label;
               MemRL with uniform credit (as published) and with credit for the item that was acted upon; means of
               counts in the place of the moving average, with a uniform prior and with the library's; lambda 0 and 1;
               k1 of 1 and 20; a fixed scale of similarity; other ways to find candidates, the library's among them;
               the library's Thompson sampling
    wide       three items recalled at once, 40 families of 5: where co-recalled items share the blame
    theory     mean and variance of Q for a fixed reward, against their closed forms
    games      TextWorld treasure hunts, solved by replaying remembered walks; needs wayfare[textworld]
    full       a task list, a model and an embedder behind OpenAI-compatible endpoints

The rule, the utilities, the shares of credit and the draws are those of `wayfare.memory`; hundreds of thousands of
episodes run on arrays (`bank`), and the study holds them equal, choice by choice, to a `Memory` in a file
(`through_memory`). Rewards of (-1, 1) with Q0 = 0 and of (0, 1) with Q0 = 0.5 are the same to the z-mix: their scale is
no knob.

This module knows the question and its knobs; `plan.py` says what is run, `experiment.py` runs it and `outcome.py` reads
it.
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
    """Knobs of the study; success is a probability."""

    families: int = 20
    """Families of tasks, an even number: each has a twin."""
    per_family: int = 10
    """Tasks of a family that are met again in every pass."""
    held_out: int = 10
    """Tasks of a family that are met once, at the end, by a memory that no longer learns."""
    strategies: int = 6
    """What can be done: S."""
    dimension: int = 32
    """Of a task's vector."""
    noise: float = 0.6
    """Length, in the mean square, of what a task adds to its family's centre, which has length 1."""
    twin: float = 0.95
    """Cosine of the centres of twins."""
    right: float = 0.8
    """Success of the right strategy."""
    lucky: tuple[float, ...] = (0.25, 0.10)
    """Success of a wrong strategy; the first is where most is asked, the second where luck is rare."""
    copy: float = 0.9
    """How often the frozen policy does as the recalled item did."""
    passes: int = 20
    """Passes over the tasks."""
    late: int = 3
    """Last passes that count as the end."""
    k1: int = 5
    """Intents that phase A keeps."""
    k1s: tuple[int, ...] = (1, 20)
    """Others to try."""
    weights: tuple[float, ...] = (0.0, 1.0)
    """Other lambda than 0.5."""
    wide_families: int = 40
    """Families where three items are recalled at once; 0 leaves that part out."""
    wide_per_family: int = 5
    """Tasks of each."""
    wide_passes: int = 10
    """Passes over them."""
    wide_k2: int = 3
    """Items recalled at once."""
    tuning_seeds: int = 5
    """Other seeds on which the way to label successes is chosen."""
    theory_copies: int = 2000
    """Items whose Q is followed, per seed."""
    theory_steps: int = 30
    """Credits of each."""
    memory_passes: int = 3
    """Passes that are also played by a Memory in a file; 0 leaves that part out."""
    memory_seeds: int = 2
    """Seeds of it."""
    games: int = 8
    """Treasure hunts of a seed; 0 leaves them out."""
    game_seeds: int = 5
    """Seeds of them."""
    game_passes: int = 10
    """Times that each is played."""
    game_steps: int = 30
    """Commands that an attempt may take."""
    tasks: str = ""
    """Full scale: a file of tasks, a JSON object a line with `task` and `answer`."""
    model: str = "gpt-4o-mini"
    """Full scale: name of the model that acts and summarises."""
    endpoint: str = ""
    """Full scale: address of its server, up to /v1."""
    embedding_model: str = "text-embedding-3-small"
    """Full scale: name of the model that embeds."""
    embedding_endpoint: str = ""
    """Full scale: address of its server; empty: the model's."""
    most_calls: int = 0
    """Full scale: calls that may be made; what a run takes is told when this is less."""
    ledger_folder: str = "."
    """Full scale: where answers that were paid for are kept."""

    AT_LEAST: ClassVar = {
        "families": 2, "per_family": 1, "held_out": 1, "strategies": 2, "dimension": 2, "passes": 1, "late": 1, "k1": 1,
        "wide_families": 0, "wide_per_family": 1, "wide_passes": 1, "wide_k2": 2, "tuning_seeds": 1,
        "theory_copies": 10, "theory_steps": 2, "memory_passes": 0, "memory_seeds": 1, "games": 0, "game_seeds": 1,
        "game_passes": 1, "game_steps": 1, "most_calls": 0,
    }  # fmt: skip

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        for name in ("families", "wide_families"):
            if getattr(self, name) % 2:
                raise BadValue(name, getattr(self, name), "even: each family has a twin")
        for name in ("right", "copy", "twin"):
            if not 0 < getattr(self, name) < 1:
                raise BadValue(name, getattr(self, name), "between 0 and 1, both excluded")
        if not 0 < self.noise < float("inf"):
            raise BadValue("noise", self.noise, "finite and above 0")
        if len(self.lucky) < 1 or not all(0 <= lucky < self.right for lucky in self.lucky):
            raise BadValue("lucky", self.lucky, f"one number at least, each from 0 to below right = {self.right:g}")
        if len(set(self.lucky)) < len(self.lucky):
            raise BadValue("lucky", self.lucky, "different numbers")
        if self.late > self.passes:
            raise BadValue("late", self.late, f"at most passes = {self.passes}")
        if self.k1 in self.k1s or any(k1 < 1 for k1 in self.k1s):
            raise BadValue("k1s", self.k1s, f"at least 1 and others than k1 = {self.k1}")
        if not all(0 <= weight <= 1 for weight in self.weights) or 0.5 in self.weights:
            raise BadValue("weights", self.weights, "from 0 to 1 and others than 0.5")
        if self.memory_seeds > self.seeds:
            raise BadValue("memory_seeds", self.memory_seeds, f"at most seeds = {self.seeds}")
        if self.memory_passes > self.passes:
            raise BadValue("memory_passes", self.memory_passes, f"at most passes = {self.passes}")


LAPTOP = Config(scale="laptop", seeds=20, seed=300)
QUICK = replace(
    LAPTOP, scale="quick", seeds=5, seed=0, memory_seeds=1, memory_passes=1, games=4, game_seeds=2, game_passes=3,
    tuning_seeds=2,
)  # fmt: skip
SMOKE = replace(
    QUICK, scale="smoke", seeds=2, families=4, per_family=3, held_out=2, passes=3, late=2, wide_families=4,
    wide_per_family=2, wide_passes=2, tuning_seeds=1, theory_copies=50, games=1, game_seeds=1, game_passes=2,
    game_steps=8,
)  # fmt: skip
FULL = replace(LAPTOP, scale="full", seeds=1, memory_seeds=1, passes=10)

STUDY = Study(
    slug="memrl",
    title="A memory that learns from rewards which similar experience to recall",
    paper=(
        "Zhang, Wang, Zhou et al. 2026, MemRL: Self-Evolving Agents via Runtime Reinforcement Learning on Episodic "
        "Memory, arXiv 2601.03192"
    ),
    claim=(
        "With a frozen policy, ranking similar experiences by learned Q-values as well as by similarity raises success "
        "while the agent runs, and on held-out tasks, above recall by similarity and above recall of what succeeded."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 10, "quick": 150, "laptop": 1200, "full": 20000},
    run="wayfare.studies.memrl.experiment:run",
    ready="wayfare.studies.memrl.experiment:ready",
)
