"""The exact toy: 64 answers, the two that pay in full in a hole of the reference; objectives are climbed, none sampled.

A cell tells, by "DEPTH|OBJECTIVE|MEASURE", of each depth of the hole: `mass` [points] of the two best answers on the
way, `steps` until they have half of it (NaN: not within the climb), `optimum`, their mass in closed form (NaN: none).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wayfare.explore.softmax_bandit import RegularisedReward, climb, hole, optimum
from wayfare.studies.contract import Arrays, Report

__all__ = ["OBJECTIVES", "exact"]

ALPHA, BETA, FLOOR, BEST, EVERY = 0.1, 0.01, 0.5, 2, 10
OBJECTIVES: dict[str, RegularisedReward] = {
    "reward alone": RegularisedReward(),
    "entropy bonus": RegularisedReward(beta=BETA),
    "reverse KL": RegularisedReward("reverse", ALPHA),
    "forward KL": RegularisedReward("forward", ALPHA),
    "forward KL, entropy": RegularisedReward("forward", ALPHA, BETA),
    "RAPO": RegularisedReward("tempered", ALPHA, BETA, FLOOR),
}


def exact(report: Report, *, depths: Sequence[float], climbs: int) -> Arrays:
    """See the module."""
    told: dict[str, Any] = {}
    for number, depth in enumerate(depths):
        reward, reference = hole(depth, best=BEST)
        for name, objective in OBJECTIVES.items():
            mass = climb(objective, reward, reference, steps=climbs)[:, :BEST].sum(axis=1)
            over = np.flatnonzero(mass >= 0.5)
            closed = objective.divergence in ("reverse", "forward")
            told |= {
                f"{depth:g}|{name}|mass": mass[::EVERY],
                f"{depth:g}|{name}|steps": np.array([over[0] if len(over) else np.nan]),
                f"{depth:g}|{name}|optimum": np.array(
                    [optimum(objective, reward, reference)[:BEST].sum() if closed else np.nan]
                ),
            }
        report(number + 1, len(depths))
    return {name: np.asarray(value, np.float64) for name, value in told.items()}
