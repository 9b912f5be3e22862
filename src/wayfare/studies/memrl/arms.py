"""Who plays: each a way to recall, by name.

The rule `memrl` of `wayfare.memory.policy` is MemRL's; lambda = 0.5, epsilon = 0 as published for multi-step tasks, and
Q0 = 0.5. Success filters differ in when a record counts as a success; the one that does best on other seeds is the
strongest simple baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wayfare.memory.credit import CreditRule
from wayfare.memory.policy import BASELINE, LEARNED, Policy
from wayfare.studies.memrl.bank import Arm
from wayfare.studies.memrl.families import Families, Setting

__all__ = ["FILTERS", "MEMRL", "USED", "measured_scale", "players", "variants", "wide_players"]

UNIFORM, USED = CreditRule("uniform"), CreditRule("used")
MEMRL = Policy("memrl", epsilon=0.0)
GREEDY = Policy("epsilon", explore=0.0)
"""The library's learned score before any fit, the best for certain: similarity, and means that are shrunk to what
other candidates earned: the Gaussian and the Beta posterior of `memory.utility` have the same mean."""
RANDOM = Policy("memrl", epsilon=1.0)
SIDE = 50
"""Candidates of a Memory, as it comes."""
FILTERS = ("success filter (written)", "success filter (last)", "success filter (ever)")


def players(k1: int) -> dict[str, Arm]:
    """Of the main comparison."""
    memrl = Arm(MEMRL, UNIFORM, k1=k1)
    return {
        "no memory": Arm(None),
        "random candidate": Arm(RANDOM, k1=k1),
        "similarity": Arm(BASELINE, k1=k1),
        **filters(k1),
        "MemRL": memrl,
        "MemRL (used)": replace(memrl, credit=USED),
        "Beta mean": Arm(GREEDY, USED, beta=True, k1=k1),
        "library's mean": Arm(GREEDY, USED, k1=k1),
    }


def filters(k1: int) -> dict[str, Arm]:
    """Similarity among what succeeded."""
    labels = ("written", "last", "ever")
    return {
        name: Arm(BASELINE, k1=k1, label=label)  # type: ignore[arg-type]
        for name, label in zip(FILTERS, labels, strict=True)
    }


def variants(k1: int, k1s: Sequence[int], weights: Sequence[float], scale: tuple[float, float]) -> dict[str, Arm]:
    """MemRL with one thing changed, and what the library does by itself."""
    memrl = Arm(MEMRL, UNIFORM, k1=k1)
    found = {f"MemRL lambda={weight:g}": replace(memrl, policy=MEMRL.with_(weight=weight)) for weight in weights}
    found |= {f"MemRL k1={other}": replace(memrl, k1=other) for other in k1s}
    found["MemRL (fixed scale)"] = replace(memrl, policy=MEMRL.with_(relevance_scale=scale))
    found["MemRL (raw items)"] = replace(memrl, phase="items")
    found["MemRL (library's candidates)"] = replace(memrl, credit=USED, phase="rounds", k1=SIDE)
    found["MemRL (50 nearest)"] = replace(memrl, credit=USED, phase="items", k1=SIDE)
    found["Thompson (library's candidates)"] = Arm(LEARNED, USED, phase="rounds", k1=SIDE)
    found["MemRL (one of an intent)"] = replace(found["MemRL (library's candidates)"], each=1)
    return found


def wide_players(k1: int, k2: int) -> dict[str, Arm]:
    """Where several items are recalled at once, and the policy acts upon one of them."""
    chosen = ("similarity", "MemRL", "MemRL (used)", "Beta mean")
    return {f"wide {name}": replace(arm, k2=k2) for name, arm in players(k1).items() if name in chosen}


def measured_scale(setting: Setting, seed: int) -> tuple[float, float]:
    """Mean and deviation of the cosine of two different tasks of a seed, to be used for others: the published way."""
    vectors = Families(setting, seed).vectors.astype(np.float64)
    cosines = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    return float(cosines.mean()), float(cosines.std())
