"""Runs the study: the base, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from wayfare.studies.contract import Findings, Progress
from wayfare.studies.infigui import Config
from wayfare.studies.infigui.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.infigui.figures import figures
from wayfare.studies.infigui.full import refuse_full, run_full
from wayfare.studies.infigui.outcome import notes, tables
from wayfare.studies.infigui.plan import (
    METHOD,
    Tuned,
    aepo,
    arm_cells_of,
    chosen,
    first_cells,
    one_answer,
    tuning_cells,
)
from wayfare.studies.language_runs import runs_of

__all__ = ["ready", "run"]


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without screens or a server, or for what `full.refuse_full` says."""
    if config.scale == "full":
        refuse_full(config)


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    ready(config)
    if config.scale == "full":
        return run_full(config, progress)
    guess = Tuned(one_answer(config)[0], aepo(config).but(METHOD, learning_rate=config.rates[-1]))
    tuning = tuning_cells(config)
    base = runs_of(progress.cells(first_cells(config), later=[*tuning, *arm_cells_of(config, guess)]))["base"]
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
