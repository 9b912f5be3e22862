"""What the study runs, as cells: scripted players and the choice of the best first, then probes and players."""

from __future__ import annotations

from typing import Any

from wayfare.memory.probes.shipped import SHIPPED
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.memory_survey import Config
from wayfare.studies.memory_survey.cells import PLAYERS, caught, played, probed, scripted

__all__ = ["FUNCTIONS", "TUNING_SEED", "best", "names", "prior_cells", "study_cells"]

TUNING_SEED = 1_000_000
FUNCTIONS = {"facts": "factual", "practice": "experiential", "span": "working"}
"""Family -> the function that it asks for."""
SIZES = (
    "sessions", "told", "entities", "groups", "practice", "fresh", "ways", "right", "lucky", "steps", "span", "context",
    "k",
)  # fmt: skip


def names(config: Config) -> list[str]:
    """Of the memories that are probed."""
    return list(config.probed) or [each.name for each in SHIPPED if not each.waits]


def size_of(config: Config) -> dict[str, Any]:
    """What the families go by."""
    return {name: getattr(config, name) for name in SIZES}


def prior_cells(config: Config) -> list[Cell]:
    """Scripted players, and all players on other seeds."""
    tuning = [TUNING_SEED + config.seed + i for i in range(config.tuning_seeds)]
    found = [Cell("scripted", scripted, {"size": size_of(config), "seeds": config.seeds}, 0.1)]
    for player, (_, function) in PLAYERS.items():
        if function:
            found.append(_play(config, player, tuning, "tuning "))
    return found


def best(tuned: Arrays | dict[str, Any], family: str) -> tuple[str, str]:
    """Of a family, by other seeds: the best player of its own function, and the best of the other functions."""
    own = FUNCTIONS[family]

    def score(player: str) -> float:
        return float(tuned[f"tuning {player}|{family}"].mean())

    mine = [player for player, (_, function) in PLAYERS.items() if function == own]
    others = [player for player, (_, function) in PLAYERS.items() if function and function != own]
    return max(mine, key=score), max(others, key=score)


def study_cells(config: Config) -> list[Cell]:
    """Every memory probed, wrong cards and degenerate memories, every player."""
    seeds = [config.seed + i for i in range(config.probe_seeds)]
    cells = [Cell(f"probe-{name}", probed, {"name": name, "seeds": seeds}, 4.0 * len(seeds)) for name in names(config)]
    if config.scale != "smoke":
        cells += [Cell(f"caught-{seed}", caught, {"seeds": [seed]}, 35.0) for seed in seeds]
    own = [config.seed + i for i in range(config.seeds)]
    return cells + [_play(config, player, own, "") for player in PLAYERS]


def _play(config: Config, player: str, seeds: list[int], prefix: str) -> Cell:
    kwargs = {"player": player, "size": size_of(config), "seeds": seeds, "prefix": prefix}
    name = f"{prefix}{player}".replace(" ", "-").replace(",", "")
    return Cell(name, played, kwargs, 0.02 * config.practice * len(seeds) / 2)
