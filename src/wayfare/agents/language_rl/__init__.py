"""What the studies of language reinforcement learning share: a base, arms that continue it, and how these are measured.

    base        `Base`: a small model pre-trained on a task's corpus, broad and mediocre
    real        `RealModel`: a published model and data set in its place (`questions` reads them)
    arms        `Arm`: the trainer's settings and parts by address, as plain data
    train       `train_arm`: one arm, one seed, from the base to its evaluations
    cache       what was computed once is read by every study that asks the same
    trying      an arm through two small steps, before it is run
    probes      what is measured of a model beside its answers
    addresses   parts named as 'module:Class'

Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wayfare.agents.language_rl.arms import Arm, config_of, trainer_of
    from wayfare.agents.language_rl.base import COUNTDOWN, Base, base_model, task_of
    from wayfare.agents.language_rl.questions import Questions
    from wayfare.agents.language_rl.real import RealModel
    from wayfare.agents.language_rl.train import measure_base, train_arm
    from wayfare.agents.language_rl.trying import tried

__all__ = [
    "COUNTDOWN",
    "Arm",
    "Base",
    "Questions",
    "RealModel",
    "base_model",
    "config_of",
    "measure_base",
    "task_of",
    "train_arm",
    "trainer_of",
    "tried",
]

_HOMES = {
    "Arm": "arms",
    "COUNTDOWN": "base",
    "Base": "base",
    "Questions": "questions",
    "RealModel": "real",
    "base_model": "base",
    "config_of": "arms",
    "measure_base": "train",
    "task_of": "base",
    "train_arm": "train",
    "trainer_of": "arms",
    "tried": "trying",
}


def __getattr__(name: str) -> Any:
    """Import a part when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
