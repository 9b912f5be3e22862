"""Decide for real: `Bandit`, an action rule over a model with a journal, and the models that it can learn."""

from __future__ import annotations

from wayfare.explore.live.bandit import Bandit, LiveDecision
from wayfare.explore.live.journal import Journal
from wayfare.explore.live.models import ArmCounts, Model, RidgeScores, RidgeTable, WeightedModel, WeightedSums
from wayfare.explore.live.refitted import Refitted

__all__ = [
    "ArmCounts",
    "Bandit",
    "Journal",
    "LiveDecision",
    "Model",
    "Refitted",
    "RidgeScores",
    "RidgeTable",
    "WeightedModel",
    "WeightedSums",
]
