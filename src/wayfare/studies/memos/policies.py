"""The cells that need no model: thresholds tuned, policies on the table, and the lifecycle of a cube."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.memos_scheduler import FORMS, FormScheduler
from wayfare.draws import Stream
from wayfare.explore.rules.greedy import Greedy
from wayfare.studies.contract import Arrays
from wayfare.studies.memos.replay import (
    WORKLOADS,
    Always,
    Learned,
    Policy,
    Prices,
    Threshold,
    Workload,
    replay,
    table_of,
)

__all__ = ["FIXED", "PLAYERS", "lifecycle", "schedule", "tune"]

FIXED = ("always text", "always cache", "always adapter", "always adapter, stale")
PLAYERS = (
    *FIXED, "frequency threshold", "queries since the edit", "cost model alone", "scheduler"
)  # fmt: skip
COUNTS = ("operations", "divergences", "lost", "rollbacks", "rollbacks_unequal", "kills")
"""Of `operations.run_operations`."""


class Report(Protocol):
    """Tells how far a cell is."""

    def __call__(self, done: float, total: float, **metrics: float) -> None: ...


def tune(
    report: Report, *, table: Mapping[str, NDArray[Any]], lengths: tuple[int, ...], memories: int, queries: int,
    prices: tuple[float, float, float], thresholds: Mapping[str, Sequence[tuple[float, float]]], seed: int,
) -> Arrays:  # fmt: skip
    """Cost of every pair of thresholds: "tuning|KIND WORKLOAD", [pairs]."""
    told = Prices(*prices)
    costs, found = table_of(table, told), {}
    for number, kind in enumerate(WORKLOADS):
        workload = Workload.drawn(kind, lengths, memories, queries, seed)
        for by, pairs in thresholds.items():
            paid = [replay(workload, Threshold(a, b, by), costs, told).total for a, b in pairs]
            found[f"tuning|{by} {kind}"] = np.array(paid)
        report(number + 1, len(WORKLOADS))
    return found


def schedule(
    report: Report, *, table: Mapping[str, NDArray[Any]], lengths: tuple[int, ...], memories: int, queries: int,
    prices: tuple[float, float, float], best: Mapping[str, tuple[float, float]], seed: int,
) -> Arrays:  # fmt: skip
    """Milliseconds a query of every policy: "WORKLOAD|PLAYER", [1]; and "... share FORM", "... stale"."""
    told = Prices(*prices)
    costs, found = table_of(table, told), {}
    for number, kind in enumerate(WORKLOADS):
        workload = Workload.drawn(kind, lengths, memories, queries, seed)
        players: dict[str, Policy] = {
            "always text": Always("token"),
            "always cache": Always("activation"),
            "always adapter": Always("parameter"),
            "always adapter, stale": Always("parameter", stale=True),
            "frequency threshold": Threshold(*best[f"share {kind}"]),
            "queries since the edit": Threshold(*best[f"since {kind}"], by="since"),
            "cost model alone": Learned(FormScheduler(costs, rule=Greedy(), weight=1e12, seed=seed)),
            "scheduler": Learned(FormScheduler(costs, seed=seed)),
        }
        for name, policy in players.items():
            paid = replay(workload, policy, costs, told)
            found[f"{kind}|{name}"] = np.array([paid.total])
            found[f"{kind}|{name} stale"] = np.array([paid.stale])
            found |= {f"{kind}|{name} share {form}": np.array([paid.share[form]]) for form in FORMS}
        report(number + 1, len(WORKLOADS))
    return found


def lifecycle(report: Report, *, seed: int, operations: int, kills: int) -> Arrays:
    """D: counts of a cube against its reference, [1] each; all operations once, then shorter runs that are each killed
    in an operation drawn at random."""
    run: Any = import_module("wayfare.studies.memos.operations").run_operations
    totals, draw = dict.fromkeys(COUNTS, 0.0), Stream(seed, "kills")
    for turn in range(kills + 1):
        count = operations if turn == 0 else max(1, operations // (kills + 1))
        at = None if turn == 0 else int(draw.integers(count, turn))
        with TemporaryDirectory() as folder:
            told = run(Path(folder), seed + 1000 * turn, count, kill_at=at)
        for name in COUNTS:
            totals[name] += float(told.get(name, 0))
        report(turn + 1, kills + 1)
    return {f"lifecycle|{name}": np.array([value]) for name, value in totals.items()}
