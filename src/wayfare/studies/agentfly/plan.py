"""What the study runs, as cells: scripted players and the tuning first, then the players and the other parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from wayfare.memory.policy import BASELINE
from wayfare.studies.agentfly import Config
from wayfare.studies.agentfly.arms import SIMPLE, Arm, best_of_k, online, players, simple, soft, top
from wayfare.studies.agentfly.cells import play, play_online, scripted, tune
from wayfare.studies.agentfly.sequential import BACKUPS, follow
from wayfare.studies.agentfly.through_memory import compare
from wayfare.studies.agentfly.topics import Setting
from wayfare.studies.contract import Arrays, Cell

__all__ = ["TUNED", "Tuned", "player_cells", "prior_cells", "setting_of", "tuned"]


class Tuned(NamedTuple):
    """What other seeds have settled: the strongest of `SIMPLE`, a learning rate, a bandwidth."""

    strongest: str
    rate: float
    bandwidth: float


TUNED = ("tuning-simple", "tuning-net", "tuning-kernel")
"""Cells of the tuning: as many runs for the kernel as for the net."""


def setting_of(config: Config, tasks: int | None = None) -> Setting:
    """The world."""
    return Setting(
        config.cases, config.tasks if tasks is None else tasks, config.strategies, config.topics, config.dimension,
        config.spread, config.cue, config.noise, config.right, config.lucky, config.copy, config.avoid,
    )  # fmt: skip


def prior_cells(config: Config) -> list[Cell]:
    """Scripted players, and the tuning on other seeds."""
    setting = setting_of(config, config.tuning_tasks)
    seeds = list(range(config.seed, config.seed + config.tuning_seeds))
    passes = config.passes
    ways: list[dict[str, Arm]] = [
        simple(),
        {f"rate {rate:g}": Arm(soft("net", config.alpha), "net", rate=rate) for rate in config.rates},
        {f"bandwidth {b:g}": Arm(soft("kernel", config.alpha), "kernel", bandwidth=b) for b in config.bandwidths},
    ]
    return [
        Cell(
            "scripted", scripted, seconds=0.1,
            kwargs={"setting": setting_of(config), "seeds": config.seeds, "passes": passes},
        ),
        *(
            Cell(
                name, tune, seconds=sum(_seconds(arm, setting, len(seeds)) for arm in arms.values()),
                kwargs={
                    "arms": arms, "setting": setting, "seeds": seeds, "late": max(1, setting.tasks // 6),
                },
            )
            for name, arms in zip(TUNED, ways, strict=True)
        ),
    ]  # fmt: skip


def tuned(config: Config, found: Mapping[str, Arrays]) -> Tuned:
    """The best of each on other seeds."""

    def late(cell: str, name: str) -> float:
        return float(found[cell][f"tuning {name}|late"].mean())

    return Tuned(
        max(SIMPLE, key=lambda name: late(TUNED[0], name)),
        max(config.rates, key=lambda rate: late(TUNED[1], f"rate {rate:g}")),
        max(config.bandwidths, key=lambda width: late(TUNED[2], f"bandwidth {width:g}")),
    )


def player_cells(config: Config, chosen: Tuned) -> list[Cell]:
    """The players, several cases at once, the sequence, the online part and the Memory."""
    setting, seeds = setting_of(config), list(range(config.seed, config.seed + config.seeds))
    alpha, rate = config.alpha, chosen.rate
    arms = players(alpha, rate, chosen.bandwidth) | best_of_k(alpha, rate, config.ks, config.k)
    cells = [
        Cell(
            _name(name), play, seconds=_seconds(arm, setting, len(seeds)),
            kwargs={"name": name, "arm": arm, "setting": setting, "seeds": seeds, "late": config.late},
        )
        for name, arm in arms.items()
    ]  # fmt: skip
    cells += [
        Cell(
            _name(name), follow, seconds=1e-3 * config.updates * len(seeds),
            kwargs={
                "name": name, "seeds": seeds, "updates": config.updates, "discount": discount,
                "temperature": temperature,
            },
        )
        for name, (discount, temperature) in BACKUPS.items()
    ]  # fmt: skip
    if config.online_tasks:
        few = setting_of(config, config.online_tasks)
        few = replace(few, cases=0)
        cells += [
            Cell(
                f"online-{_name(name)}", play_online, seconds=config.passes * _seconds(arm, few, len(seeds)),
                kwargs={
                    "name": name, "arm": arm, "setting": few, "seeds": seeds, "passes": config.passes,
                    "other": config.other,
                },
            )
            for name, arm in online(alpha, rate, config.k).items()
        ]  # fmt: skip
    if config.memory_tasks:
        through = {
            "similarity": Arm(BASELINE, k=config.k),
            "success only": Arm(BASELINE, successes=True),
            "soft-Q": Arm(soft("net", alpha), "net", rate=rate),
            "soft-Q of several": Arm(soft("net", alpha), "net", config.k, rate=rate),
            "top-Q": Arm(top("net"), "net", config.k, rate=rate),
        }
        some = seeds[: config.memory_seeds]
        cells.append(
            Cell(
                "memory", compare, seconds=0.02 * config.memory_tasks * len(some) * len(through),
                kwargs={"arms": through, "setting": setting, "seeds": some, "tasks": config.memory_tasks},
            )
        )  # fmt: skip
    return cells


def _name(name: str) -> str:
    return name.replace("(", "").replace(")", "").replace("=", "").replace(" ", "-")


def _seconds(arm: Arm, setting: Setting, seeds: int) -> float:
    each = {"": 2e-4, "standardised": 3e-4, "truth": 6e-4, "net": 8e-4, "kernel": 8e-4, "learned kernel": 1.6e-3}
    return each[arm.source] * setting.tasks * seeds
