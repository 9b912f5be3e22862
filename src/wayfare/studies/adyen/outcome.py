"""What came out: measures by player, and from them the checks, the tables and the notes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.generations import Name
from wayfare.report.statistics import Interval, clustered_share_interval, mean_interval
from wayfare.studies.adyen import Config
from wayfare.studies.adyen.cells import ESTIMATORS
from wayfare.studies.adyen.checks import Rule
from wayfare.studies.adyen.plan import STRENGTHS, label
from wayfare.studies.contract import Check, Table
from wayfare.studies.stated import half_width, seeds_interval

__all__ = ["Measures", "check_of", "notes", "tables"]

Measures = dict[tuple[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""

SCRIPTED = ("random", "steady", "rising", "see-saw", "honest", "shrunk")


def check_of(config: Config, rule: Rule, measures: Measures) -> Check:
    """The rule on what was found."""
    values = rule.measure(lambda player, measure: measures[player, measure])
    if len(values.T if rule.way == "least" else values) < 2:
        interval = seeds_interval([values.mean()])
    elif rule.way == "clustered":
        interval = clustered_share_interval(values.sum(axis=1), np.full(len(values), values.shape[1]))
    elif rule.way == "least":
        least = min((mean_interval(row) for row in values), key=lambda one: one.low)
        interval = Interval(least.estimate, least.low, least.high, "least of paired Student t", least.n)
    else:
        interval = seeds_interval(values)
    return rule.on(interval, interval.n, "" if config.scale in rule.scales else _needs(rule))


def _needs(rule: Rule) -> str:
    return f"needs {rule.scales[0]} scale"


def tables(measures: Measures, chosen: Mapping[tuple[Name, int | None], float]) -> dict[str, Table]:
    """Players, what was tuned, and off-policy intervals."""
    rows = []
    for player in dict.fromkeys(player for player, measure in measures if measure == "served"):
        if player in SCRIPTED:
            continue
        served = measures[player, "served"]
        told: list[Any] = [player, len(served), float(served.mean()), half_width(served)]
        for measure in ("shift", "sd", "autocorrelation"):
            values = measures[player, measure]
            told += [None, None] if player == "oracle" else [float(values.mean()), half_width(values)]
        rows.append(tuple(told))
    columns = (
        "player", "seeds", "served", "95 % +-", "shift", "95 % +- of shift", "generation sd", "95 % +- of sd",
        "lag-1 autocorrelation", "95 % +- of autocorrelation",
    )  # fmt: skip
    tuning = [
        (rule, label(memory), value, float(earned), value == best)
        for (rule, memory), best in chosen.items()
        for value, earned in zip(
            STRENGTHS[rule], measures[f"{rule} {label(memory)}", "tuning"].mean(axis=1), strict=True
        )
    ]
    off = [
        (
            estimator, kind, measures["SquareCB", f"{prefix}{estimator} covered"].size,
            float(measures["SquareCB", f"{prefix}{estimator} covered"].mean()),
            float(measures["SquareCB", f"{prefix}{estimator} width"].mean()),
            float(measures["SquareCB", f"{prefix}effective"].mean()),
        )
        for prefix, kind in (("", "not fitted to it"), ("fitted ", "fitted to it"))
        for estimator in ESTIMATORS
    ]  # fmt: skip
    return {
        "players": Table("players", columns, tuple(rows)),
        "tuning": Table(
            "tuning, on other seeds", ("rule", "memory", "c or epsilon", "served", "chosen"), tuple(tuning)
        ),
        "off-policy": Table(
            "intervals of the next greedy model from a log of SquareCB",
            ("estimator", "the model was", "intervals", "hold the value", "width by value", "effective rows"),
            tuple(off),
        ),
    }  # fmt: skip


def notes(config: Config, measures: Measures) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    found = [
        "served: exact value of the policies that served, from the third wave on; shift: mean greedy value of the "
        "models from the second on, less that of the first, which every player fits to the same uniform wave.",
        f"SquareCB and FastCB without 'tuned' have gamma = sqrt(K m), m the rows of the fit: "
        f"{math.sqrt(config.arms * config.requests):.0f} for W = 1. Equal gamma is not equal exploration between the "
        "two: compare along the frontier.",
        "Autocorrelation is that of levels, demeaned by seed; white noise has -1/T there, not 0.",
        "Intervals of a next model come from the log of the wave before the one it was fitted to. From its own log "
        "they would be too good: the table says by how much.",
        "The chance of success is a network of the model's shape but other width; the linear players cannot represent "
        "it.",
        "The data of the paper are not public: the world is ours, and lifts are not comparable with the paper's.",
    ]
    if config.delay:
        found.append(f"Rewards arrive {config.delay:,} requests late; decisions without one were left out of fits.")
    return found
