"""Runs the study: the base, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_full import refuse
from wayfare.studies.language_runs import runs_of
from wayfare.studies.memory_r_plus import Config
from wayfare.studies.memory_r_plus.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.memory_r_plus.figures import figures
from wayfare.studies.memory_r_plus.full import run_full
from wayfare.studies.memory_r_plus.outcome import notes, tables
from wayfare.studies.memory_r_plus.plan import (
    FINE_TUNING,
    MEMORY,
    Tuned,
    arm_cells_of,
    chosen,
    fine_tuning,
    first_cells,
    memory,
    r1,
    tuning_cells,
)

__all__ = ["ready", "run"]


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without a model or questions, or for those that cannot be trained on."""
    if config.scale == "full":
        refuse(config)


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    ready(config)
    if config.scale == "full":
        return run_full(config, progress)
    guess, tuning = guessed(config), tuning_cells(config)
    first = progress.cells(first_cells(config), later=[*tuning, *arm_cells_of(config, guess)])
    base = runs_of(first)["base"]
    refuse_wrong_checks(config, rules(config, guess), base[0])
    tried = progress.cells(tuning, later=arm_cells_of(config, guess))
    tuned = chosen(config, tried)
    runs = {"base": base, **runs_of(progress.cells(arm_cells_of(config, tuned)))}
    return Findings(
        tables=tables(config, runs, runs_of(tried)),
        figures=figures(config, runs, tuned),
        checks=[check_of(config, rule, runs) for rule in rules(config, tuned)],
        notes=notes(config, runs, tuned),
    )


def guessed(config: Config) -> Tuned:
    """What tuning might settle: stands for it until it is known."""
    rate = config.rates[-1]
    return Tuned(
        r1(config, rate, f"GRPO lr {rate:g}"),
        memory(config).but(MEMORY, learning_rate=rate),
        fine_tuning(config).but(FINE_TUNING, learning_rate=rate),
    )
