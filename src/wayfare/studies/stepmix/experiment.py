"""Runs the study: scripted players and tuning first, then the players, then checks, tables and figures."""

from __future__ import annotations

from wayfare.studies.collected import collect
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.stepmix import Config
from wayfare.studies.stepmix.checks import refuse_wrong_checks, rules
from wayfare.studies.stepmix.figures import figures
from wayfare.studies.stepmix.outcome import check_of, notes, tables
from wayfare.studies.stepmix.plan import floors, player_cells, prior_cells, tuned

__all__ = ["run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`).
    """
    # the cells' costs do not depend on what is tuned
    later = player_cells(config, ((0.0, 0), (0.0, 0)))
    prior = progress.cells(prior_cells(config), later=later)
    measures = collect(prior)
    asked = rules(config, floors(config))
    refuse_wrong_checks(asked, lambda player, measure: measures[player, measure])
    schedules = tuned(config, prior["tuning"])
    measures |= collect(progress.cells(player_cells(config, schedules)))
    return Findings(
        tables=tables(config, measures),
        figures=figures(config, measures, floors(config)),
        checks=[check_of(config, rule, measures) for rule in asked],
        notes=notes(config, measures, schedules),
    )
