"""A run with everything that has a state: a memory, a budget, replay, a reward that draws; run as a script it is one.

python -m tests.learn.grpo.killed FOLDER        trains, and waits until it is killed
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tests.learn.grpo.small import Replay, even, rows, trainer
from wayfare.explore.outcomes import OutcomeStatistics
from wayfare.learn.grpo.budgets import VarianceBudget
from wayfare.learn.grpo.episodic_bonus import EpisodicBonus
from wayfare.learn.grpo.features import CharacterGrams
from wayfare.learn.grpo.trainer import GRPO

STEPS = 16


def noisy(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
    """Of a state that is not the trainer's own."""
    return [reward + 0.01 * random.random() for reward in even(completion_ids)]


def whole_run(folder: Path, **told: Any) -> GRPO:
    """Saved every third step, logged every second, evaluated every seventh."""
    settings: dict[str, Any] = {
        "max_steps": 2 * STEPS, "num_iterations": 2, "save_steps": 3, "logging_steps": 2, "log_completions": True,
        "eval_steps": 7, "lr_scheduler_type": "cosine", "warmup_steps": 2, "metric_for_best_model": "pass@1",
        "learning_rate": 3e-3,
    }  # fmt: skip
    return trainer(
        folder, reward_funcs=noisy, eval_dataset=rows(3), budget=VarianceBudget(OutcomeStatistics(threshold=0.5), 2, 8),
        bonus=EpisodicBonus(CharacterGrams(2, 16), warm_up=4), auxiliary=[Replay()], **{**settings, **told},
    )  # fmt: skip


def begun(run: GRPO) -> GRPO:
    """From seeds that are always the same: libraries that are imported meanwhile may have drawn."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    random.seed(0)
    return run


if __name__ == "__main__":
    begun(whole_run(Path(sys.argv[1]))).train()
    time.sleep(600)
