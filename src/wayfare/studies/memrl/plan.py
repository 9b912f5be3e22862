"""What the study runs, as cells: scripted players and the tuning first, then the players and the other parts."""

from __future__ import annotations

from wayfare.memory.policy import BASELINE, LEARNED
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.memrl import Config, treasure
from wayfare.studies.memrl.arms import FILTERS, MEMRL, USED, filters, measured_scale, players, variants, wide_players
from wayfare.studies.memrl.bank import Arm
from wayfare.studies.memrl.cells import TUNING_SEED, play, scripted, tune, wide
from wayfare.studies.memrl.checks import at
from wayfare.studies.memrl.families import Setting
from wayfare.studies.memrl.theory import follow
from wayfare.studies.memrl.through_memory import compare

__all__ = ["HUNTED", "player_cells", "prior_cells", "setting_of", "strongest"]

HUNTED = "hunt "
"""How the cells of the treasure hunts are named."""


def setting_of(config: Config, lucky: float) -> Setting:
    """The world where a wrong strategy succeeds with this chance."""
    return Setting(
        config.families, config.per_family, config.held_out, config.strategies, config.dimension, config.noise,
        config.twin, config.right, lucky, config.copy, config.passes,
    )  # fmt: skip


def prior_cells(config: Config) -> list[Cell]:
    """Scripted players, and the ways to label successes on other seeds."""
    settings = [setting_of(config, lucky) for lucky in config.lucky]
    tuning = list(range(config.seed, config.seed + config.tuning_seeds))
    return [
        Cell("scripted", scripted, seconds=0.1, kwargs={"settings": settings, "seeds": config.seeds}),
        Cell(
            "tuning", tune, seconds=_seconds(settings[0], len(tuning)) * len(FILTERS) / 2,
            kwargs={"arms": filters(config.k1), "setting": settings[0], "seeds": tuning, "late": config.late},
        ),
    ]  # fmt: skip


def strongest(found: Arrays) -> str:
    """The success filter that did best on other seeds."""
    return max(FILTERS, key=lambda name: float(found[f"tuning {name}|late"].mean()))


def player_cells(config: Config) -> list[Cell]:
    """The players for every `lucky`, the variants for the first, the wide ones, theory, the Memory and the hunts."""
    cells, first = [], setting_of(config, config.lucky[0])
    for lucky in config.lucky:
        setting = setting_of(config, lucky)
        cells += [_play(config, at(name, lucky), arm, setting) for name, arm in players(config.k1).items()]
    scale = measured_scale(first, TUNING_SEED + config.seed)
    for name, arm in variants(config.k1, config.k1s, config.weights, scale).items():
        cells.append(_play(config, at(name, first.lucky), arm, first))
    if config.wide_families:
        setting = wide(first, config.wide_families, config.wide_per_family, config.wide_passes)
        for name, arm in wide_players(config.k1, config.wide_k2).items():
            cells.append(_play(config, at(name, first.lucky), arm, setting))
    cells.append(
        Cell(
            "theory", follow, seconds=2e-5 * config.seeds * config.theory_copies * config.theory_steps,
            kwargs={"seeds": _seeds(config), "copies": config.theory_copies, "steps": config.theory_steps},
        )
    )  # fmt: skip
    if config.memory_passes:
        arms = {
            "memrl": Arm(MEMRL, USED, phase="rounds", k1=50),
            "thompson": Arm(LEARNED, USED, phase="rounds", k1=50, k2=2),
            "filter": Arm(BASELINE, USED, phase="rounds", k1=20, label="written"),
        }
        few = _seeds(config)[: config.memory_seeds]
        cells.append(
            Cell(
                "memory", compare, seconds=6e-3 * config.memory_passes * len(few) * len(arms) * _tasks(first),
                kwargs={"arms": arms, "setting": first, "seeds": few, "passes": config.memory_passes},
            )
        )  # fmt: skip
    if config.games and treasure.installed():
        for seed in range(config.seed, config.seed + config.game_seeds):
            cells.append(
                Cell(
                    f"{HUNTED}{seed}", treasure.hunt, seconds=0.8 * config.games * config.game_passes,
                    kwargs={
                        "seed": seed, "games": config.games, "passes": config.game_passes, "steps": config.game_steps,
                    },
                )
            )  # fmt: skip
    return cells


def _play(config: Config, name: str, arm: Arm, setting: Setting) -> Cell:
    slow = 15.0 if arm.policy is not None and arm.policy.rule == "thompson" else 1.0
    return Cell(
        name.replace("(", "").replace(")", "").replace("'", "").replace(" ", "-"),
        play,
        seconds=slow * _seconds(setting, config.seeds),
        kwargs={
            "name": name, "arm": arm, "setting": setting, "seeds": _seeds(config),
            "late": min(config.late, setting.passes),
        },
    )  # fmt: skip


def _seconds(setting: Setting, seeds: int) -> float:
    return 1.2e-4 * seeds * setting.passes * _tasks(setting)


def _tasks(setting: Setting) -> int:
    return setting.families * setting.per_family


def _seeds(config: Config) -> list[int]:
    return list(range(config.seed, config.seed + config.seeds))
