"""A run's two halves: problems that can be solved without `*`, within the base's support, and those that cannot.

pass@k of each half is the mean of the unbiased estimate over its problems, as in `Run.solved`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.language_rl import task_of
from wayfare.studies.language_runs import Run
from wayfare.studies.rapo import Config
from wayfare.studies.rapo.plan import base_of

__all__ = ["HALVES", "Half", "beyond", "found", "pass_half"]

Half = Literal["within", "beyond"]
HALVES: tuple[Half, ...] = ("within", "beyond")
Floats = NDArray[np.float64]


def pass_half(run: Run, half: Half, k: int) -> Floats:
    """[E]"""
    chosen = beyond(run) == (half == "beyond")
    return np.asarray(run.solved(k)[:, chosen].mean(axis=1), np.float64)


def found(run: Run, base: Run) -> float:
    """Share of the problems that none of the base's answers solved which an answer solves at the end; NaN for none."""
    never = base["right"][0] == 0
    return float((run["right"][-1] > 0)[never].mean()) if never.any() else float("nan")


def beyond(run: Run) -> NDArray[np.bool_]:
    """[N] whether a problem needs `*`."""
    needs = _needing()
    return np.array([int(index) in needs for index in run["index"]])


@lru_cache(maxsize=1)
def _needing() -> frozenset[int]:
    """Problems by their index: they are the same whatever a base's corpus."""
    task = task_of(base_of(Config()))
    rows = [row for split in ("test", "selection") for row in task.rows(split)]
    return frozenset(int(row["index"]) for row in rows if row["needs_times"])
