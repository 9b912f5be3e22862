"""Runs the study: bases and exact toy, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_full import ready
from wayfare.studies.language_runs import Run, runs_of
from wayfare.studies.rapo import Config
from wayfare.studies.rapo.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.rapo.figures import figures
from wayfare.studies.rapo.full import run_full
from wayfare.studies.rapo.outcome import notes, tables
from wayfare.studies.rapo.plan import (
    ENTROPY,
    RAPO,
    SHALLOW_BASE,
    Tuned,
    arm_cells_of,
    chosen,
    entropies,
    entropy_cells,
    first_cells,
    matched,
    rapo,
    tuning_cells,
)

__all__ = ["ready", "run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    ready(config)
    if config.scale == "full":
        return run_full(config, progress)
    guess = guessed(config)
    tuning, bonuses = tuning_cells(config), entropy_cells(config, guess.rate)
    first = progress.cells(first_cells(config), later=[*tuning, *bonuses, *arm_cells_of(config, guess)])
    bases = {name: [Run(name, 0, first[name])] for name in ("base", SHALLOW_BASE)}
    refuse_wrong_checks(config, rules(config, guess), bases["base"][0])
    tried = progress.cells(tuning, later=[*bonuses, *arm_cells_of(config, guess)])
    baseline, method = chosen(config, tried)
    bonuses = entropy_cells(config, method.trainer["learning_rate"])
    tried |= progress.cells(bonuses, later=arm_cells_of(config, guess))
    tuned = matched(config, baseline, method, runs_of(tried))
    runs = {**bases, **runs_of(progress.cells(arm_cells_of(config, tuned)))}
    return Findings(
        tables=tables(config, runs, runs_of(tried), first["exact"]),
        figures=figures(config, runs, tuned, first["exact"]),
        checks=[check_of(config, rule, runs) for rule in rules(config, tuned)],
        notes=notes(config, runs, tuned),
    )


def guessed(config: Config) -> Tuned:
    """What tuning might settle: stands for it until it is known."""
    rate = config.rates[-1]
    plain = Arm(f"GRPO lr {rate:g}", {"learning_rate": rate})
    return Tuned(plain, rapo(config).but(RAPO, learning_rate=rate), entropies(config, rate)[0].but(ENTROPY))
