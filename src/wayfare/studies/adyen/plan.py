"""What the study runs, as cells: scripted players and the tuning first, then the players."""

from __future__ import annotations

from wayfare.agents.generations import How, Name
from wayfare.studies.adyen import Config
from wayfare.studies.adyen.cells import Setting, play, scripted, tune
from wayfare.studies.contract import Arrays, Cell

__all__ = ["MEMORIES", "STRENGTHS", "TUNED", "label", "player_cells", "players", "prior_cells", "tuned"]

STRENGTHS: dict[Name, tuple[float, ...]] = {
    "SquareCB": (0.5, 2.0, 8.0, 32.0, 128.0, 512.0),
    "FastCB": (0.125, 0.5, 2.0, 8.0, 32.0, 128.0),
    "epsilon": (0.2, 0.06, 0.02, 0.006, 0.002, 0.0006),
}
"""Six settings each, from much exploration to hardly any: c of gamma = c sqrt(K m), and epsilon."""
MEMORIES = (1, 4, None)
TUNED: tuple[Name, ...] = ("SquareCB", "FastCB", "epsilon")


def label(memory: int | None) -> str:
    """W as names have it."""
    return f"W={'all' if memory is None else memory}"


def prior_cells(config: Config) -> list[Cell]:
    """Scripted players, and what each setting earns on other seeds."""
    tuning = list(range(config.seed, config.seed + config.tuning_seeds))
    cells = [
        Cell("scripted", scripted, seconds=1, kwargs={"setting": _setting(config), "seeds": _seeds(config)}),
    ]
    for rule in TUNED:
        for memory in MEMORIES:
            name = f"{rule} {label(memory)}"
            hows = [How(rule, strength, memory, config.hidden) for strength in STRENGTHS[rule]]
            cells.append(
                Cell(
                    f"tuning-{rule}-{label(memory)}", tune, seconds=_seconds(config, len(tuning)) * len(hows),
                    kwargs={"name": name, "hows": hows, "setting": _setting(config), "seeds": tuning},
                )
            )  # fmt: skip
    return cells


def tuned(found: Arrays) -> dict[tuple[Name, int | None], float]:
    """Of each rule and W the setting that earned most on the tuning seeds."""
    return {
        (rule, memory): STRENGTHS[rule][int(found[f"{rule} {label(memory)}|tuning"].mean(axis=1).argmax())]
        for rule in TUNED
        for memory in MEMORIES
    }


def players(config: Config, chosen: dict[tuple[Name, int | None], float]) -> dict[str, tuple[How, int]]:
    """Each player's way and number of seeds."""
    wide, every = config.hidden, config.seeds
    found: dict[str, tuple[How, int]] = {
        "uniform": (How("uniform", memory=1, hidden=wide), every),
        "SquareCB": (How("SquareCB", hidden=wide), every),
        "FastCB": (How("FastCB", hidden=wide), every),
        "epsilon 0.06": (How("epsilon", 0.06, hidden=wide), every),
        "SquareCB W=4": (How("SquareCB", memory=4, hidden=wide), every),
        "FastCB W=4": (How("FastCB", memory=4, hidden=wide), every),
        "greedy W=all": (How("greedy", memory=None, hidden=wide), every),
        "linear uniform": (How("uniform", hidden=0), every),
        "linear SquareCB": (How("SquareCB", hidden=0), every),
        "linear FastCB": (How("FastCB", hidden=0), every),
    }
    for (rule, memory), strength in chosen.items():
        found[f"tuned {rule} {label(memory)}"] = (How(rule, strength, memory, wide), every)
    if config.sweep_seeds:
        for rule in TUNED:
            for strength in STRENGTHS[rule]:
                found[f"{rule} x{strength:g}"] = (How(rule, strength, hidden=wide), config.sweep_seeds)
    return found


def player_cells(config: Config, chosen: dict[tuple[Name, int | None], float]) -> list[Cell]:
    """One cell a player."""
    return [
        Cell(
            name.replace(" ", "-"), play,
            seconds=_seconds(config, seeds) * (1.0 if how.hidden else 0.7) + 0.2 * (name == "SquareCB") * seeds,
            kwargs={
                "name": name, "how": how, "setting": _setting(config), "seeds": _seeds(config)[:seeds],
                "off_policy": name == "SquareCB",
            },
        )
        for name, (how, seeds) in players(config, chosen).items()
    ]  # fmt: skip


def _seconds(config: Config, seeds: int) -> float:
    """About: gradient steps, and arithmetic on rows."""
    return config.waves * (config.updates * (4e-4 + 1e-4 * seeds) + 1e-6 * seeds * (config.judged + config.requests))


def _setting(config: Config) -> Setting:
    return Setting(
        config.arms, config.dimension, config.chance, config.requests, config.waves, config.delay, config.updates,
        config.judged, config.device,
    )  # fmt: skip


def _seeds(config: Config) -> list[int]:
    return list(range(config.seed, config.seed + config.seeds))
