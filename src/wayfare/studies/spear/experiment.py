"""Runs the study: the base, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_runs import runs_of
from wayfare.studies.spear import Config
from wayfare.studies.spear.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.spear.figures import figures
from wayfare.studies.spear.full import refuse_full, run_full
from wayfare.studies.spear.outcome import notes, tables
from wayfare.studies.spear.plan import (
    Tuned,
    arm_cells_of,
    chosen,
    constant,
    fading,
    first_cells,
    plain,
    spear,
    tuning_cells,
)

__all__ = ["ready", "run"]


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without a model or questions, or for those that cannot be trained on."""
    if config.scale == "full":
        refuse_full(config)


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
        checks=[check_of(rule, runs, config.scale) for rule in rules(config, tuned)],
        notes=notes(config, runs, tuned),
    )


def guessed(config: Config) -> Tuned:
    """What tuning might settle: stands for it until it is known."""
    arms = plain(config, f"GRPO lr {config.rates[-1]:g}"), spear(config), fading(config), constant(config)
    return Tuned(*(arm.but(arm.name, learning_rate=config.rates[-1]) for arm in arms))
