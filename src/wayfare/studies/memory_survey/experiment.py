"""Runs the study: scripted players and the choice of the best, then probes and players, then checks and tables."""

from __future__ import annotations

from wayfare.studies.collected import collect
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.memory_survey import Config
from wayfare.studies.memory_survey.checks import refuse_wrong_checks, rules
from wayfare.studies.memory_survey.families import FAMILIES
from wayfare.studies.memory_survey.figures import figures
from wayfare.studies.memory_survey.outcome import check_of, notes, tables, with_cards
from wayfare.studies.memory_survey.plan import best, prior_cells, study_cells

__all__ = ["ready", "run"]


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without a server or enough calls allowed."""
    if config.scale == "full":
        from wayfare.studies.memory_survey import full

        full.ready(config)


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`; at full scale a real model answers from what memories show it.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    if config.scale == "full":
        from wayfare.studies.memory_survey.full import run_full

        return run_full(config, progress)
    later = study_cells(config)
    prior = progress.cells(prior_cells(config), later=later)
    tuned = {name: array for arrays in prior.values() for name, array in arrays.items()}
    chosen = {family: best(tuned, family) for family in FAMILIES}
    measures = collect(prior)
    asked = rules(chosen)
    refuse_wrong_checks(asked, lambda player, measure: measures[player, measure])
    measures = with_cards(config, measures | collect(progress.cells(later)))
    return Findings(
        tables=tables(config, measures),
        figures=figures(config, measures),
        checks=[check_of(config, rule, measures) for rule in asked],
        notes=notes(config, measures, chosen),
    )
