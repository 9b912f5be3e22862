"""The allocation alone: chances of success are drawn, answers shared out, and what teaches is counted in expectation.

    mix         Beta(a, b) that 256 chances are drawn from        budget      8 answers each in the mean
    uniform     equal groups
    variance    n in proportion to p (1 - p), p known
    knapsack    (1) of the study, p known                          estimated   p from 16 answers, with its fallback

Measures: shares of answers, and of prompts, in groups with both outcomes; the sum of (1); the largest group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.explore.budgets import Knapsack, effective_share, proportional_to_variance, uniform, value
from wayfare.studies.contract import Arrays, Report

__all__ = ["MEASURES", "MIXES", "RULES", "allocate", "drawn", "shared_out"]

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
MIXES: dict[str, tuple[float, float]] = {
    "Beta(0.3, 0.6)": (0.3, 0.6), "Beta(0.5, 3)": (0.5, 3.0), "Beta(0.3, 6)": (0.3, 6.0), "Beta(1, 1)": (1.0, 1.0),
}  # fmt: skip
RULES = ("uniform", "variance", "knapsack", "estimated")
MEASURES = ("answers", "prompts", "value", "largest")
TASKS, MEAN, N_LOW, N_UP, DRAWS = 256, 8, 2, 128, 16


def shared_out(rule: str, p: Floats, estimate: Floats) -> Counts:
    """[M] answers by one of `RULES`; p: [M] true chances        estimate: [M] from a few answers"""
    total = MEAN * len(p)
    by: dict[str, Callable[[], Counts]] = {
        "uniform": lambda: uniform(len(p), total),
        "variance": lambda: proportional_to_variance(p, total, N_LOW, N_UP),
        "knapsack": lambda: Knapsack(N_LOW, N_UP).allocate(p, total).n,
        "estimated": lambda: Knapsack(N_LOW, N_UP).allocate(estimate, total).n,
    }
    return by[rule]()


def allocate(report: Report, *, repeats: int, seed: int) -> Arrays:
    """ "MIX|RULE|MEASURE": [repeats]."""
    found: dict[str, Any] = {}
    for number, (mix, (a, b)) in enumerate(MIXES.items()):
        for repeat in range(repeats):
            p, estimate = drawn(a, b, seed, number, repeat)
            for rule in RULES:
                n = shared_out(rule, p, estimate)
                share = effective_share(p, n)
                told = (share.samples, share.tasks, float(value(p, n).sum()), float(n.max()))
                for measure, number_told in zip(MEASURES, told, strict=True):
                    found.setdefault(f"{mix}|{rule}|{measure}", []).append(number_told)
            report(number * repeats + repeat + 1, len(MIXES) * repeats)
    return {name: np.array(values) for name, values in found.items()}


def drawn(a: float, b: float, seed: int, mix: int = 0, repeat: int = 0) -> tuple[Floats, Floats]:
    """(chances [M] from Beta(a, b), their estimates from `DRAWS` answers [M])."""
    tasks = np.arange(TASKS)
    p = Stream(seed, "chances").beta(np.full(TASKS, a), np.full(TASKS, b), tasks, repeat, mix)
    u = Stream(seed, "answers").uniform(tasks[:, None], repeat, DRAWS * mix + np.arange(DRAWS))
    return p, (u < p[:, None]).mean(axis=1)
