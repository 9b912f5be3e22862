"""What the study runs, as cells: the solver first, then its instrument and the scripted players, then the memories.

main        all memories, every order, without noise
noise       all memories in random order at each noise; none, ExpRAG and ReMem in the other orders at the last
sweep       none, ExpRAG and ReMem, other numbers of families
unrelated   none, ExpRAG and ReMem where nothing can be carried over: several streams a seed, the effect being none
blocked     none, ExpRecent, ExpRAG and ReMem, family by family
half        none, the whole history, ExpRAG and ReMem with half the budget
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wayfare.agents.stream_measures import ORDERS, Order
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.evo_memory import Config
from wayfare.studies.evo_memory.cells import Condition, play, probe
from wayfare.studies.evo_memory.players import MEMORIES, SCRIPTED
from wayfare.studies.evo_memory.reader import train
from wayfare.studies.evo_memory.scripted import scripted
from wayfare.studies.evo_memory.streams import SOLVER_SEED, STREAMS, StreamName, length_of

__all__ = ["Part", "base", "memory_cells", "parts", "prior_cells", "seeds_of", "solver_cell"]

FEW = ("none", "exprag", "remem")


class Part(NamedTuple):
    """Memories under a condition. streams: of each seed"""

    condition: Condition
    names: Sequence[str]
    streams: int = 1


def base(config: Config, stream: StreamName, order: Order = "random", noise: float = 0.0) -> Condition:
    """The condition that everything else is one step away from."""
    return Condition(stream, order, noise, config.families)


def parts(config: Config) -> list[Part]:
    """All that the memories are put through."""
    found = []
    for stream in STREAMS:
        for order in (order for order in ORDERS if order in config.orders):
            found.append(Part(base(config, stream, order), MEMORIES))  # type: ignore[arg-type]
            for noise in config.noise if order == "random" else config.noise[-1:]:
                names = MEMORIES if order == "random" else FEW
                found.append(Part(base(config, stream, order, noise), names))  # type: ignore[arg-type]
        found += [Part(Condition(stream, families=count), FEW) for count in config.sweep]
        if config.unrelated:
            found.append(Part(Condition(stream, families=0), FEW, config.unrelated))
        if config.half:
            found.append(Part(Condition(stream, families=config.families, budget=config.half), (*FEW, "history")))
        if config.scale != "smoke":
            found.append(Part(base(config, stream, "blocked"), (*FEW, "exprecent")))
    return found


def seeds_of(config: Config) -> list[int]:
    """Seeds of the streams."""
    return list(range(config.seed, config.seed + config.seeds))


def solver_cell(config: Config) -> Cell:
    """Trains the puzzles' solver."""
    return Cell(
        "frozen-solver", train, seconds=0.13 * config.updates * config.rows / 32,
        kwargs={"size": config.size, "updates": config.updates, "rows": config.rows, "seed": SOLVER_SEED},
    )  # fmt: skip


def prior_cells(config: Config, weights: Arrays) -> list[Cell]:
    """The instrument, and the scripted players."""
    found = [
        Cell(
            "instrument", probe, seconds=0.004 * config.seeds * config.probe,
            kwargs={"config": config, "seeds": seeds_of(config), "weights": weights},
        )
    ]  # fmt: skip
    for stream in STREAMS:
        part = Part(base(config, stream), SCRIPTED)
        for seed in seeds_of(config):
            found.append(
                Cell(
                    f"scripted-{stream}-{seed}", scripted, seconds=_seconds(config, part) + 0.1,
                    kwargs=_kwargs(config, part, seed, weights),
                )
            )  # fmt: skip
    return found


def memory_cells(config: Config, weights: Arrays) -> list[Cell]:
    """A cell a part and seed."""
    return [
        Cell(
            f"{str(part.condition).replace(' ', '-')}-{seed}", play, seconds=_seconds(config, part),
            kwargs=_kwargs(config, part, seed, weights),
        )
        for part in parts(config) for seed in seeds_of(config)
    ]  # fmt: skip


def _kwargs(config: Config, part: Part, seed: int, weights: Arrays) -> dict[str, object]:
    return {
        "names": tuple(part.names), "condition": part.condition, "config": config, "seed": seed,
        "weights": weights if part.condition.stream == "puzzles" else {}, "streams": part.streams,
    }  # fmt: skip


def _seconds(config: Config, part: Part) -> float:
    each = 0.005 + (0.001 if part.condition.stream == "puzzles" else 0.0)
    return part.streams * each * len(part.names) * length_of(part.condition.stream, config)
