"""What the study runs, as cells: scripted players and the tuning first, then arms, logs and desks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.recall_bandit import Config
from wayfare.studies.recall_bandit.cells import EPSILONS, LAMBDAS, judge, play, scripted, tune
from wayfare.studies.recall_bandit.desk import work
from wayfare.studies.recall_bandit.stage import Setting

__all__ = ["DESKS", "conditions", "later_cells", "named", "prior_cells", "side_conditions", "tuned"]

ARMS: dict[str, dict[str, Any] | None] = {
    "baseline": None, "recency": None, "epsilon": {"rule": "epsilon"}, "inverse gap": {"rule": "inverse gap"},
    "Thompson": {"rule": "thompson"},
}  # fmt: skip
LEARNED = ("epsilon", "inverse gap", "Thompson")
DESKS = {"desk": False, "desk, used is said": True}
"""Through the public API: whether the harness says which memory was followed."""
BATCH, DESK_BATCH = 25, 5
COST = {"safe mixture": 1.1e-3, "Thompson": 1e-3, "inverse gap": 6e-4, "epsilon": 3e-4, "MemRL": 3e-4}
"""Seconds a task, about."""


def named(m: float, what: str = "") -> str:
    """A condition."""
    return f"m={m:g}{', ' if what else ''}{what}"


def conditions(config: Config) -> dict[str, Setting]:
    """Those that are checked: additive reward, no drift, each m."""
    base = Setting(config.tasks, config.families, config.originals, config.k, 0.0)
    return {named(m): replace(base, misled=m) for m in config.misled}


def side_conditions(config: Config) -> dict[str, Setting]:
    """Those that are reported, at m = 0.5: best of the slate, drift, nobody says what was used."""
    base = conditions(config)[named(0.5)]
    return {
        named(0.5, "best of the slate"): replace(base, reward="best"),
        named(0.5, "drift"): replace(base, drift=True),
        named(0.5, "used is not said"): replace(base, used=False),
        named(0.0, "used is not said"): replace(base, used=False, misled=0.0),
    }


def prior_cells(config: Config) -> list[Cell]:
    """Scripted players, and MemRL's settings on other streams."""
    few = _seeds(config)[:2]
    checked, tuning = conditions(config), list(range(config.seed, config.seed + config.tuning_seeds))
    cells = [
        Cell(
            "scripted", scripted, seconds=1e-3 * len(few) * config.tasks,
            kwargs={"conditions": checked, "seeds": few, "looks": len(config.looks)},
        )
    ]  # fmt: skip
    for name, setting in {**checked, **side_conditions(config)}.items():
        many = len(tuning) * len(LAMBDAS) * len(EPSILONS)
        cells.append(
            Cell(
                f"tuning {name}", tune, seconds=COST["MemRL"] * many * config.tasks,
                kwargs={"name": name, "setting": setting, "seeds": tuning},
            )
        )  # fmt: skip
    return cells


def tuned(found: Arrays) -> dict[str, tuple[float, float]]:
    """Of each condition the lambda and epsilon that earned most on the tuning streams."""
    best = {}
    for name, rewards in found.items():
        condition, _, measure = name.rpartition("|")
        if measure == "tuning":
            i, j = np.unravel_index(int(rewards.mean(axis=-1).argmax()), rewards.shape[:2])
            best[condition] = (LAMBDAS[i], EPSILONS[j])
    return best


def later_cells(config: Config, chosen: Mapping[str, tuple[float, float]]) -> list[Cell]:
    """Every arm where it is compared; the safe mixture on more streams; logs; desks."""
    cells, seeds = [], _seeds(config)
    each = config.floor_streams // len(config.misled)
    many = list(range(config.seed, config.seed + each))
    for name, setting in conditions(config).items():
        for arm in ARMS:
            cells.append(_play(name, arm, setting, seeds))
        cells.append(_memrl(name, setting, seeds, chosen))
        for begin in range(0, len(many), BATCH):
            cells.append(_play(name, "safe mixture", setting, many[begin : begin + BATCH], batch=begin // BATCH))
    for name, setting in side_conditions(config).items():
        for arm in ("baseline", *(LEARNED if setting.reward == "best" else ("Thompson",)), "safe mixture"):
            cells.append(_play(name, arm, setting, seeds))
        cells.append(_memrl(name, setting, seeds, chosen))
    own, setting = named(0.5, "own outcomes written"), conditions(config)[named(0.5)]
    for arm in ("baseline", "Thompson", "safe mixture"):
        cells.append(_play(own, arm, setting, seeds, own=True))
    if config.logs:
        for reward in ("additive", "best"):
            log = replace(setting, tasks=config.log_tasks, reward=reward)
            for begin in range(0, config.logs, 2 * BATCH):
                some = list(range(config.seed + begin, config.seed + min(config.logs, begin + 2 * BATCH)))
                cells.append(
                    Cell(
                        f"logs {reward} {begin}", judge, seconds=4e-3 * len(some) * config.log_tasks,
                        kwargs={"name": f"logs, {reward}", "setting": log, "seeds": some},
                    )
                )  # fmt: skip
    for name, used in DESKS.items():
        for begin in range(0, len(seeds), DESK_BATCH):
            some = seeds[begin : begin + DESK_BATCH]
            cells.append(
                Cell(
                    f"{name} {begin}", work, seconds=8e-3 * len(some) * max(config.looks),
                    kwargs={
                        "name": name, "seeds": some, "looks": list(config.looks), "k": config.desk_k,
                        "misled": config.desk_misled, "used": used,
                    },
                )
            )  # fmt: skip
    return cells


def _play(
    condition: str, arm: str, setting: Setting, seeds: Sequence[int], *, batch: int | None = None, own: bool = False
) -> Cell:
    policy = ARMS.get(arm)
    return Cell(
        f"{condition} {arm}{'' if batch is None else f' {batch}'}", play,
        seconds=COST.get(arm, 2e-4) * len(seeds) * setting.tasks,
        kwargs={
            "name": f"{condition}: {arm}", "arm": arm if policy is None else "policy", "setting": setting,
            "seeds": list(seeds), "policy": policy, "own": own,
        },
    )  # fmt: skip


def _memrl(condition: str, setting: Setting, seeds: Sequence[int], chosen: Mapping[str, tuple[float, float]]) -> Cell:
    weight, epsilon = chosen.get(condition, (LAMBDAS[0], EPSILONS[0]))
    return Cell(
        f"{condition} MemRL", play, seconds=COST["MemRL"] * len(seeds) * setting.tasks,
        kwargs={
            "name": f"{condition}: MemRL", "arm": "policy", "setting": setting, "seeds": list(seeds),
            "policy": {"rule": "memrl", "weight": weight, "epsilon": epsilon},
        },
    )  # fmt: skip


def _seeds(config: Config) -> list[int]:
    return list(range(config.seed, config.seed + config.seeds))
