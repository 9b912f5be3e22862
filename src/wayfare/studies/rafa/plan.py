"""What the study runs, as cells: tuning and training first, then the players."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wayfare.agents.rafa import WAYS
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.rafa import Config
from wayfare.studies.rafa.control import LOOPS, control
from wayfare.studies.rafa.in_context import play_seed
from wayfare.studies.rafa.theory import SCALES, grid, river, tune

__all__ = ["DEPTHS", "GRID_WAYS", "RIVER_WAYS", "TUNED", "player_cells", "prior_cells", "tuned"]

GRID_WAYS = tuple(WAYS)
RIVER_WAYS = tuple(
    way for way in WAYS if way not in ("reflexion", "entropy rule alone") and not way.startswith("divergence")
)
"""Without episodes there is nothing to reflect between; entropy and divergence are those of finite classes."""
TUNED = (("grid", "RAFA optimistic"), ("river", "RAFA optimistic"), ("river", "UCRL"))
DEPTHS = (1, 2, 4, 8)


def prior_cells(config: Config) -> list[Cell]:
    """Scales of bonuses and radii on other seeds."""
    seeds = list(range(config.seed, config.seed + config.tuning_seeds))
    cells: list[Cell] = []
    kwargs: dict[str, Any]
    for world, way in TUNED:
        steps = config.grid_steps if world == "grid" else config.river_steps
        kwargs = {"world": world, "way": way, "seeds": seeds, "steps": steps}
        cells.append(Cell(_name(f"tune {world} {way}"), tune, kwargs, seconds=4e-4 * steps * len(SCALES)))
    return cells


def tuned(found: Mapping[str, Arrays]) -> dict[tuple[str, str], float]:
    """(world, way) -> the scale of least mean regret on the tuning seeds."""
    scales = {}
    for world, way in TUNED:
        regret = found[_name(f"tune {world} {way}")][f"tuning {world} {way}|regret"]
        scales[world, way] = SCALES[int(np.argmin(regret.mean(axis=1)))]
    return scales


def player_cells(config: Config, scales: Mapping[tuple[str, str], float]) -> list[Cell]:
    """R1, R2 and R3."""
    seeds = list(range(config.seed, config.seed + config.theory_seeds))
    cells: list[Cell] = []
    kwargs: dict[str, Any]
    for seed in range(config.seed, config.seed + config.seeds):
        kwargs = {
            "seed": seed, "sequences": config.sequences, "width": config.width, "mazes": config.mazes,
            "episodes": config.episodes,
        }  # fmt: skip
        cells.append(Cell(f"maze-{seed}", play_seed, kwargs, seconds=5e-3 * config.sequences + 0.5 * config.mazes))
    for way in RIVER_WAYS:
        scale = scales.get(("river", way), scales.get(("river", way.replace("every step", "RAFA")), 0.1))
        kwargs = {"name": way, "way": way, "seeds": seeds, "steps": config.river_steps, "scale": scale}
        cells.append(Cell(_name(f"river {way}"), river, kwargs, seconds=6e-4 * config.river_steps))
    for way in GRID_WAYS:
        scale = scales.get(("grid", way), scales.get(("grid", way.replace("every step", "RAFA")), 0.1))
        kwargs = {"name": way, "way": way, "seeds": seeds, "steps": config.grid_steps, "scale": scale}
        cells.append(Cell(_name(f"grid {way}"), grid, kwargs, seconds=1e-3 * config.grid_steps))
    for depth in DEPTHS:
        kwargs = {"name": f"U={depth}", "way": "RAFA mean", "seeds": seeds, "steps": config.grid_steps, "depth": depth}
        cells.append(Cell(f"grid-U{depth}", grid, kwargs, seconds=1e-3 * config.grid_steps))
    puzzle_seeds = list(range(config.seed, config.seed + config.puzzle_seeds))
    for loop in LOOPS:
        kwargs = {"loop": loop, "seeds": puzzle_seeds, "count": config.puzzles}
        seconds = 1.5e-3 * len(puzzle_seeds) * config.puzzles + 0.1
        cells.append(Cell(_name(f"24 {loop}"), control, kwargs, seconds=seconds))
    return cells


def _name(text: str) -> str:
    return text.replace(" + ", "-").replace(" ", "-")
