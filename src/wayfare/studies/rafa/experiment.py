"""Runs the study: tuning first, then the players of R1, R2 and R3, then checks, tables and figures."""

from __future__ import annotations

from wayfare.studies.collected import collect
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.rafa import Config
from wayfare.studies.rafa.checks import refuse_wrong_checks, rules, scripted
from wayfare.studies.rafa.figures import figures
from wayfare.studies.rafa.outcome import check_of, notes, tables
from wayfare.studies.rafa.plan import player_cells, prior_cells, tuned

__all__ = ["run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`; scale full is another: a real model plays games.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`).
    """
    if config.scale == "full":
        from wayfare.studies.rafa.full import run_full

        return run_full(config, progress)
    asked = rules(config)
    refuse_wrong_checks(asked, scripted(config))
    prior = progress.cells(prior_cells(config), later=player_cells(config, {}))
    scales = tuned(prior)
    measures = collect(progress.cells(player_cells(config, scales)))
    return Findings(
        tables=tables(config, measures),
        figures=figures(config, measures),
        checks=[check_of(config, rule, measures) for rule in asked],
        notes=notes(config, measures, scales),
    )
