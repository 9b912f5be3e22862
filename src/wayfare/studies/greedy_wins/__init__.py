"""Do agents that were trained to play bandits explore, or do they only grow better at greed?

Chen et al. 2025, "When Greedy Wins: Emergent Exploitation Bias in Meta-Bandit LLM Training" (arXiv 2509.24923):
imitation of UCB and reinforcement learning both bring an agent near UCB in regret, at six times the horizon and for
another family of bandits, too; yet part of the gain is greed: the trained give up exploring too early more often
(suffix failure), and those who learn from UCB are greedier than their teacher.

    task       five Gaussian arms, means N(0, 1), noise 1; 50 pulls in training, 300 in the test, which has
               Bernoulli arms, too, with means U(0, 1)
    policy     a causal transformer of two layers, one token a pull, weights fixed within a task
    agents     generalist (imitates mediocre players), SFT-UCB (imitates UCB), and from the generalist three by
               reinforcement: RL-original, RL-strategic, RL-algorithmic; two more show what the discount does

The paper trains pretrained language models. Here a network from random weights takes their place, and the generalist
that of the model before training: a stand-in, which the title says.

This module knows the question and its knobs and imports no torch; `plan.py` says what is run, `experiment.py` runs it
and `outcome.py` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wayfare.errors import BadValue
from wayfare.studies.contract import Config as BaseConfig
from wayfare.studies.contract import Study

__all__ = ["STUDY", "Config"]


@dataclass(frozen=True)
class Config(BaseConfig):
    """Knobs of the study; lengths count pulls."""

    arms: int = 5
    """Arms of a bandit: K."""
    turns: int = 50
    """Pulls of a task in training."""
    long: int = 300
    """Pulls of a task in the test; its first `turns` are the test at the training length."""
    replicas: int = 300
    """Tasks of each family on which a seed is tested, the same for every player."""
    width: int = 64
    """Width of the transformer."""
    generalist_updates: int = 120
    """Gradient steps on mediocre players."""
    imitation_updates: int = 300
    """Gradient steps on UCB."""
    reinforcement_updates: int = 200
    """Gradient steps of each agent that is reinforced."""
    instances: int = 8
    """Tasks of a rollout batch."""
    group: int = 16
    """Replicas of each of them, whose mean is the baseline."""
    learning_rate: float = 1e-3
    """Peak rate of imitation."""
    reinforcement_rate: float = 1e-3
    """Peak rate of reinforcement."""
    batches: int = 32
    """Rollout batches behind the variance of a gradient."""
    tuning_replicas: int = 2000
    """Tasks, of other seeds, on which the simple players are tuned."""

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        super().__post_init__()
        for name, least in _AT_LEAST.items():
            if getattr(self, name) < least:
                raise BadValue(name, getattr(self, name), f"at least {least}")
        if self.long < self.turns:
            raise BadValue("long", self.long, f"at least turns = {self.turns}")
        if self.width % 4:
            raise BadValue("width", self.width, "a multiple of the 4 heads")
        for name in ("learning_rate", "reinforcement_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "finite and above 0")


_AT_LEAST = {
    "arms": 2, "turns": 4, "replicas": 4, "width": 4, "generalist_updates": 1, "imitation_updates": 1,
    "reinforcement_updates": 1, "instances": 1, "group": 2, "batches": 2, "tuning_replicas": 4,
}  # fmt: skip

LAPTOP = Config(scale="laptop", seeds=5, seed=200)
"""Held-out seeds: rates and numbers of updates were chosen on seeds 77 and 78, by what two cores can do."""
QUICK = replace(
    LAPTOP, scale="quick", seeds=2, seed=0, replicas=200, generalist_updates=100, imitation_updates=150,
    reinforcement_updates=60, batches=8,
)  # fmt: skip
SMOKE = replace(
    LAPTOP, scale="smoke", seeds=2, seed=0, turns=8, long=16, replicas=8, width=8, generalist_updates=2,
    imitation_updates=2, reinforcement_updates=2, instances=2, group=3, batches=2, tuning_replicas=8,
)  # fmt: skip
FULL = replace(
    LAPTOP, scale="full", seeds=10, replicas=2000, width=256, generalist_updates=2000, imitation_updates=4000,
    reinforcement_updates=3000, instances=32, group=16,
)  # fmt: skip

STUDY = Study(
    slug="greedy-wins",
    title="Trained bandit players explore, or grow better at greed (a generalist stands in for the pretrained model)",
    paper="Chen, Chen, Huang, Xie & Dhingra 2025, When Greedy Wins, arXiv 2509.24923",
    claim=(
        "Agents trained by imitating UCB or by reinforcement reach regret comparable to UCB, at six times the horizon "
        "and across bandit families; but part of the gain is greed: they drop exploration too early more often than "
        "UCB and than before training, and those taught by UCB are greedier than their teacher."
    ),
    scales={"smoke": SMOKE, "quick": QUICK, "laptop": LAPTOP, "full": FULL},
    seconds={"smoke": 15, "quick": 200, "laptop": 1200, "full": 100_000},
    run="wayfare.studies.greedy_wins.experiment:run",
)
