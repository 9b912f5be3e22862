"""What the study runs, as cells: scripted players and the tuning first, then the players."""

from __future__ import annotations

from typing import Any

import numpy as np

from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.stepmix import Config
from wayfare.studies.stepmix.cells import SHARES, WEIGHTS, Setting, play, scripted, tune

__all__ = ["floors", "player_cells", "prior_cells", "tuned"]

CERTIFIED = ("StepMix", "EpsMix")


def floors(config: Config) -> list[float]:
    """Shares of the baseline's value, from the highest; the main one is among them."""
    return sorted({config.floor, *config.floors}, reverse=True) if config.sweep_seeds else [config.floor]


def prior_cells(config: Config) -> list[Cell]:
    """Scripted players, and the schedules on other seeds."""
    tuning = list(range(config.seed, config.seed + config.tuning_seeds))
    return [
        Cell(
            "scripted", scripted, seconds=2,
            kwargs={"setting": _setting(config), "seeds": _seeds(config), "floors": floors(config)},
        ),
        Cell(
            "tuning", tune, seconds=_seconds(config, len(tuning) * len(WEIGHTS) * len(SHARES), 2),
            kwargs={"setting": _setting(config), "seeds": tuning},
        ),
    ]  # fmt: skip


def tuned(config: Config, found: Arrays) -> tuple[tuple[float, int], tuple[float, int]]:
    """(weight, until) of the best fixed mixture and of the best switched one: the least regret among those without a
    violation on the tuning seeds; the safest where there are none."""
    safe = found["tuning|violations"].sum(axis=-1) == 0  # [weights, shares]
    regret = np.where(safe, found["tuning|regret"].mean(axis=-1), np.inf)
    if not safe[:, -1].any():
        regret[-1, -1] = 0.0
    fixed = int(regret[:, -1].argmin())
    weight, share = np.unravel_index(int(regret.argmin()), regret.shape)
    return (WEIGHTS[fixed], config.episodes), (WEIGHTS[weight], round(SHARES[share] * config.episodes))


def player_cells(config: Config, schedules: tuple[tuple[float, int], tuple[float, int]]) -> list[Cell]:
    """The players at the main floor and scale, then the other floors and scales."""
    cells = [_play(config, name, name) for name in ("unconstrained", *CERTIFIED, "budget")]
    for name, (weight, until) in zip(("fixed mixture", "switched mixture"), schedules, strict=True):
        cells.append(_play(config, name, "schedule", weight=weight, until=until))
    for log in config.logged:
        cells.append(_play(config, f"offline StepMix ({log})", "offline StepMix", log=log))
    if config.sweep_seeds:
        few = config.sweep_seeds
        cells.append(_play(config, "unconstrained (ties shared)", "unconstrained (ties shared)", seeds=few))
        for floor in config.floors:
            cells += [_play(config, f"{name} g={floor:g}", name, seeds=few, floor=floor) for name in CERTIFIED]
        for scale in config.bonus_scales:
            for name in ("unconstrained", *CERTIFIED):
                cells.append(_play(config, f"{name} c={scale:g}", name, seeds=few, scale=scale))
    return cells


def _play(
    config: Config,
    name: str,
    player: str,
    *,
    seeds: int | None = None,
    floor: float | None = None,
    scale: float | None = None,
    **more: Any,
) -> Cell:
    rows = seeds or config.seeds
    return Cell(
        name.replace("(", "").replace(")", "").replace(" ", "-"),
        play,
        seconds=_seconds(config, rows, config.horizon + 1 if "StepMix" in player else 2) + 1e-3 * more.get("log", 0),
        kwargs={
            "name": name, "player": player, "setting": _setting(config, floor, scale),
            "seeds": _seeds(config)[:rows], **more,
        },
    )  # fmt: skip


def _seconds(config: Config, rows: int, candidates: int) -> float:
    """About: calls, and arithmetic on rows and candidates."""
    size = rows * candidates * config.states**2 * config.actions
    return config.episodes * config.horizon * (1e-3 + 1e-8 * size)


def _setting(config: Config, floor: float | None = None, scale: float | None = None) -> Setting:
    return Setting(
        config.states, config.actions, config.horizon, config.episodes, config.temperature,
        floor if floor is not None else config.floor, config.delta,
        scale if scale is not None else config.bonus_scale, config.device,
    )  # fmt: skip


def _seeds(config: Config) -> list[int]:
    return list(range(config.seed, config.seed + config.seeds))
