"""Runs the study: scripted players and tuning first, then the players, then checks, tables and figures."""

from __future__ import annotations

from wayfare.studies.adyen import Config
from wayfare.studies.adyen.checks import refuse_wrong_checks, rules
from wayfare.studies.adyen.figures import figures
from wayfare.studies.adyen.outcome import check_of, notes, tables
from wayfare.studies.adyen.own import run_own
from wayfare.studies.adyen.plan import MEMORIES, STRENGTHS, TUNED, player_cells, prior_cells, tuned
from wayfare.studies.collected import collect
from wayfare.studies.contract import Findings, Progress

__all__ = ["run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`; on the user's log where there is one.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`).
    """
    if config.log:
        return run_own(config, progress)
    # the cells' costs do not depend on what is tuned
    guess = {(rule, memory): STRENGTHS[rule][0] for rule in TUNED for memory in MEMORIES}
    prior = progress.cells(prior_cells(config), later=player_cells(config, guess))
    measures = collect(prior)
    asked = rules(config)
    refuse_wrong_checks(asked, lambda player, measure: measures[player, measure])
    chosen = tuned({name: array for arrays in prior.values() for name, array in arrays.items()})
    measures |= collect(progress.cells(player_cells(config, chosen)))
    return Findings(
        tables=tables(measures, chosen),
        figures=figures(config, measures),
        checks=[check_of(config, rule, measures) for rule in asked],
        notes=notes(config, measures),
    )
