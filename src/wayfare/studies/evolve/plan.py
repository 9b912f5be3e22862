"""What the study runs, as cells: the tuning, then scripted players, then the nets."""

from __future__ import annotations

from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.evolve import Config
from wayfare.studies.evolve.cells import LONG_WORLDS, Lesson, distil, guide, scripted, tune
from wayfare.studies.evolve.dialect import Layer
from wayfare.studies.evolve.stage import EPSILONS, Setting

__all__ = ["long_of", "net_cells", "scripted_cells", "seeds_of", "settings_of", "tuned", "tuning_cell"]


def settings_of(config: Config) -> list[Setting]:
    """The bandits that are played; the first is the lessons' kind."""
    sizes = [config.arms, *([config.unseen_arms] if config.unseen_arms else [])]
    return [Setting(gap, arms, config.horizon, config.worlds) for arms in sizes for gap in config.gaps]


def long_of(config: Config) -> Setting | None:
    """The bandits to whose regret the curve is fitted: those of the smallest gap."""
    if not config.long_horizon:
        return None
    return Setting(min(config.gaps), config.arms, config.long_horizon, min(LONG_WORLDS, config.worlds))


def seeds_of(config: Config) -> list[int]:
    """The seeds that are reported."""
    return list(range(config.seed, config.seed + config.seeds))


def tuning_cell(config: Config) -> Cell:
    """epsilon-greedy on other seeds."""
    return Cell("tuning", tune, {"settings": settings_of(config), "seeds": config.tuning_seeds}, 2.0)


def tuned(found: Arrays) -> float:
    """The epsilon of the least regret over all settings, each divided by the best there."""
    regret = found["tuning"]
    return EPSILONS[int((regret / regret.min(axis=0)).mean(axis=1).argmin())]


def scripted_cells(config: Config, epsilon: float) -> list[Cell]:
    """One a seed."""
    return [
        Cell(
            f"scripted-{seed}", scripted, seconds=_playing(config) * len(settings_of(config)),
            kwargs={
                "settings": settings_of(config), "long": long_of(config), "epsilon": epsilon, "size": config.size,
                "seed": seed, "films": config.films,
            },
        )
        for seed in seeds_of(config)
    ]  # fmt: skip


def net_cells(config: Config) -> list[Cell]:
    """S1 in each layer, and S2; the longest first."""
    cells = [
        *(_distil(config, "AG", seed) for seed in seeds_of(config)),
        *(_guide(config, seed) for seed in seeds_of(config)),
        *(_distil(config, "SH", seed) for seed in seeds_of(config)),
        *(_distil(config, "RH", seed) for seed in seeds_of(config)[: config.raw_seeds]),
    ]
    return cells


def _distil(config: Config, layer: Layer, seed: int) -> Cell:
    lesson = Lesson(
        config.size, config.gaps[0], config.arms, config.lesson_horizon, config.decisions, config.passes, config.batch,
        config.learning_rate,
    )  # fmt: skip
    rate = {"RH": 0.1, "SH": 0.55, "AG": 0.75}[layer] * 1e-3  # seconds a decision
    return Cell(
        f"OFT-{layer}-{seed}", distil,
        seconds=config.decisions * config.passes * rate + _playing(config) * (len(settings_of(config)) + 4),
        kwargs={
            "layer": layer, "lesson": lesson, "settings": settings_of(config), "long": long_of(config),
            "points": config.curve_points, "seed": seed,
        },
    )  # fmt: skip


def _guide(config: Config, seed: int) -> Cell:
    return Cell(
        f"S2-{seed}", guide, seconds=config.reading_updates * 0.025 + 4 * _playing(config),
        kwargs={
            "size": config.size, "updates": config.reading_updates, "learning_rate": config.learning_rate,
            "setting": settings_of(config)[0], "films": config.films, "seed": seed,
        },
    )  # fmt: skip


def _playing(config: Config) -> float:
    return config.horizon * (2e-3 + 1e-4 * config.worlds)
