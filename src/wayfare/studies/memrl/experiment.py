"""Runs the study: scripted players and tuning first, then the players, then checks, tables and figures."""

from __future__ import annotations

from wayfare.studies.collected import collect
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.memrl import Config
from wayfare.studies.memrl.checks import refuse_wrong_checks, rules
from wayfare.studies.memrl.figures import figures
from wayfare.studies.memrl.outcome import check_of, notes, tables
from wayfare.studies.memrl.plan import player_cells, prior_cells, strongest

__all__ = ["ready", "run"]


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without tasks, a server, or enough calls allowed."""
    if config.scale == "full":
        from wayfare.studies.memrl import full

        full.ready(config)


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`; at full scale a real model on a task list.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    if config.scale == "full":
        from wayfare.studies.memrl.full import run_full

        return run_full(config, progress)
    later = player_cells(config)
    prior = progress.cells(prior_cells(config), later=later)
    measures = collect(prior)
    best = strongest(prior["tuning"])
    asked = rules(config, best)
    refuse_wrong_checks(asked, lambda player, measure: measures[player, measure])
    measures |= collect(progress.cells(later))
    return Findings(
        tables=tables(config, measures),
        figures=figures(config, measures),
        checks=[check_of(config, rule, measures) for rule in asked],
        notes=notes(config, measures, best),
    )
