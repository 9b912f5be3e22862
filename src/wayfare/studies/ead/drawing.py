"""The inference part: answers of a base to held-out problems, drawn by one schedule after another.

Every schedule is asked the same problems and inverts the same uniform numbers. Each seed has a base of its own, from
other weights and another corpus.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from wayfare.agents.language_rl import Base, base_model, task_of
from wayfare.learn.grpo.rollout import SingleTurn
from wayfare.learn.grpo.seams import Asked
from wayfare.studies.contract import Arrays, Report
from wayfare.studies.ead.schedules import Schedule, sampler
from wayfare.worlds.verifiable.contract import Split

__all__ = ["draw"]

SEED = 30_000
"""Of the answers."""


def draw(
    report: Report, *, base: Base, schedules: Sequence[Schedule], prompts: int, answers: int, split: Split
) -> Arrays:
    """right: [K, N] of each schedule, how many of the answers to each problem are; malformed, length: [K];
    answers: [1].
    """
    model, task = base_model(base, report), task_of(base)
    rows = [row for row in task.rows(split)[:prompts] for _ in range(answers)]
    numbers = torch.arange(len(rows))
    asked = Asked(
        prompts=[row["prompt"] for row in rows], rows=rows, keys=numbers // answers, group_id=numbers // answers,
        numbers=numbers, step=0, attempt=0, seed=SEED, new=task.max_completion, train=False,
    )  # fmt: skip
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}
    right, malformed, length = [], [], []
    for done, schedule in enumerate(schedules, 1):
        drawn = SingleTurn(rows=4096, evaluation=sampler(**schedule.to_json())).collect(model, asked)
        assert drawn.texts is not None
        paid = np.array(task.reward(prompts=list(asked.prompts), completions=list(drawn.texts), **columns))
        right.append((paid >= 1).reshape(-1, answers).sum(axis=1))
        formed = [task.well_formed(text, row) for text, row in zip(drawn.texts, rows, strict=True)]
        malformed.append(1.0 - float(np.mean(formed)))
        length.append(float(drawn.completion_mask.sum(dim=1).float().mean()))
        report(done, len(schedules))
    return {
        "right": np.stack(right), "malformed": np.array(malformed), "length": np.array(length),
        "answers": np.array([answers]),
    }  # fmt: skip
