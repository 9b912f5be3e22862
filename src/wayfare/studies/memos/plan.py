"""What the study runs, as cells: the model first, then what is measured of it, then the policies on the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.memos import Config
from wayfare.studies.memos.cells import activation, costs, known, parameter, train
from wayfare.studies.memos.policies import lifecycle, schedule, tune

__all__ = [
    "THRESHOLDS",
    "best_thresholds",
    "joined",
    "lifecycle_cells",
    "measured_cells",
    "model_cells",
    "policy_cells",
    "tuning_cells",
]

SHARES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 200.0)
SINCE = (1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 1e9)
THRESHOLDS: dict[str, tuple[tuple[float, float], ...]] = {
    "share": tuple((a, b) for a in (0.0, *SHARES) for b in SHARES if a <= b),
    "since": tuple((a, b) for a in SINCE for b in SINCE if a <= b),
}
"""(activation from, parameter from): those that are tried on the tuning seeds."""
TUNING_SEED = 1_000_000


def seeds_of(config: Config, count: int) -> list[int]:
    """The first so many."""
    return list(range(config.seed, config.seed + count))


def model_cells(config: Config) -> list[Cell]:
    """The models, one for each of the first seeds."""
    return [
        Cell(
            f"model-{seed}", train, seconds=config.first_updates * 0.03 + config.updates * 0.12,
            kwargs={
                "first": config.first_updates, "later": config.updates,
                "learning_rate": config.learning_rate, "lengths": config.lengths,
                "seed": seed,
            },
        )
        for seed in seeds_of(config, min(config.models, config.seeds))
    ]  # fmt: skip


def measured_cells(config: Config, models: Sequence[Arrays]) -> list[Cell]:
    """A and B of each seed, and the table of costs, of the first model. models: as `model_cells` found them, or none"""
    weights = [{name: each for name, each in model.items() if name.startswith("weights|")} for model in models] or [{}]
    first = {"weights": weights[0], "seed": config.seed}
    cells = [
        Cell(
            "costs", costs, seconds=5 + config.repeats * len(config.lengths) * 0.15,
            kwargs={**first, "lengths": config.lengths, "repeats": config.repeats},
        )
    ]  # fmt: skip
    cells += [
        Cell(
            f"known-{length}",
            known,
            seconds=2 + config.distil_updates * max(1.0, length / 100) * 0.02,
            kwargs={**first, "length": length, "updates": config.distil_updates, "questions": config.questions},
        )
        for length in reversed(config.lengths)
    ]
    for number, seed in enumerate(seeds_of(config, config.seeds)):
        given = {"weights": weights[number % len(weights)], "seed": seed}
        cells.append(
            Cell(
                f"parameter-{seed}", parameter, seconds=2 + config.distil_updates * 0.015,
                kwargs={
                    **given, "facts": config.facts, "others": config.others, "updates": config.distil_updates,
                },
            )
        )  # fmt: skip
        cells.append(
            Cell(
                f"activation-{seed}", activation, seconds=2 + len(config.lengths) * config.questions * 0.1,
                kwargs={
                    **given, "lengths": config.lengths, "questions": config.questions, "repeats": config.repeats,
                },
            )
        )  # fmt: skip
    return cells


def lifecycle_cells(config: Config) -> list[Cell]:
    """D."""
    if not config.operations:
        return []
    each = -(-config.operations // config.operation_seeds)
    return [
        Cell(f"lifecycle-{seed}", lifecycle, {"seed": seed, "operations": each, "kills": config.kills}, each * 0.02)
        for seed in seeds_of(config, config.operation_seeds)
    ]


def joined(found: Mapping[str, Arrays], part: str) -> dict[str, NDArray[Any]]:
    """Measures of a part, those of its cells one after another."""
    rows: dict[str, list[NDArray[Any]]] = {}
    for arrays in found.values():
        for name, array in arrays.items():
            which, _, measure = name.partition("|")
            if which == part:
                rows.setdefault(measure, []).append(array)
    return {name: np.concatenate(each) for name, each in rows.items()}


def tuning_cells(config: Config, table: Mapping[str, NDArray[Any]]) -> list[Cell]:
    """Thresholds on other seeds; table: of the costs, [lengths] each, rising."""
    return [
        Cell(
            f"tuning-{seed}", tune, seconds=config.queries * 0.0015,
            kwargs={**_stage(config, table), "thresholds": THRESHOLDS, "seed": TUNING_SEED + seed},
        )
        for seed in seeds_of(config, config.tuning_seeds)
    ]  # fmt: skip


def best_thresholds(found: Mapping[str, Arrays]) -> dict[str, tuple[float, float]]:
    """ "KIND WORKLOAD" -> the thresholds of the least cost over the tuning seeds."""
    best = {}
    for name in next(iter(found.values())):
        _, _, key = name.partition("|")
        cost = np.mean([arrays[name] for arrays in found.values()], axis=0)
        best[key] = THRESHOLDS[key.partition(" ")[0]][int(cost.argmin())]
    return best


def policy_cells(
    config: Config, table: Mapping[str, NDArray[Any]], best: Mapping[str, tuple[float, float]]
) -> list[Cell]:
    """C, one cell a seed."""
    return [
        Cell(
            f"scheduler-{seed}", schedule, seconds=config.queries * 0.001,
            kwargs={**_stage(config, table), "best": dict(best), "seed": seed},
        )
        for seed in seeds_of(config, config.scheduler_seeds)
    ]  # fmt: skip


def _stage(config: Config, table: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {
        "table": dict(table), "lengths": config.lengths, "memories": config.memories, "queries": config.queries,
        "prices": (config.every, config.background, config.wrong),
    }  # fmt: skip
