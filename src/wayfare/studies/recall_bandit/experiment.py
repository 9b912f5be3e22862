"""Runs the study: scripted players and tuning first, then arms, logs and desks, then checks, tables and figures."""

from __future__ import annotations

from wayfare.studies.collected import collect
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.recall_bandit import Config
from wayfare.studies.recall_bandit.checks import refuse_wrong_checks, rules
from wayfare.studies.recall_bandit.figures import figures
from wayfare.studies.recall_bandit.outcome import check_of, notes, tables
from wayfare.studies.recall_bandit.plan import later_cells, prior_cells, tuned

__all__ = ["run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`).
    """
    prior = progress.cells(prior_cells(config), later=later_cells(config, {}))  # what is tuned changes no cell's cost
    measures = collect(prior)
    asked = rules(config)
    refuse_wrong_checks(asked, lambda player, measure: measures[player, measure])
    chosen = tuned({name: array for arrays in prior.values() for name, array in arrays.items()})
    measures |= collect(progress.cells(later_cells(config, chosen)))
    return Findings(
        tables=tables(config, measures),
        figures=figures(config, measures),
        checks=[check_of(config, rule, measures) for rule in asked],
        notes=notes(config, measures, chosen),
    )
