"""Scripted players: what the best and the worst memory, solver and sweep would look like, before anything has learned.

none, oracle, random    memories that learn nothing, under the base condition
reads, deaf             a solver that four examples help, and one that they do not
rung up 3, rung down 3  of a ladder of streams: the more similar, the more is gained; or the less
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wayfare.studies.contract import Arrays, Report
from wayfare.studies.evo_memory.cells import PROBES, play

__all__ = ["RUNGS", "scripted"]

RUNGS = 8
"""Of the ladder: more than numbers of families are tried."""


def scripted(report: Report, **arguments: Any) -> Arrays:
    """The arguments and the arrays are those of `cells.play`, those of the made-up players are among them."""
    found = dict(play(report, **arguments))
    if arguments["condition"].stream == "puzzles":
        for name in PROBES:
            found[f"reads|{name}"] = np.array([0.25 if name == "shown 0" else 0.9])
            found[f"deaf|{name}"] = np.array([0.25])
        for rung in range(RUNGS):
            for way, sign in (("up", 1), ("down", -1)):
                found[f"rung {way} {rung}|area"] = np.array([0.1 * sign * rung])
                found[f"rung {way} {rung}|similarity"] = np.array([0.1 * rung])
        found["level|area"] = np.zeros(1)
    return found
