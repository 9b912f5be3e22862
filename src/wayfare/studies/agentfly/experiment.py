"""Runs the study: scripted players and tuning first, then the players, then checks, tables and figures."""

from __future__ import annotations

from wayfare.studies.agentfly import Config
from wayfare.studies.agentfly.arms import SIMPLE
from wayfare.studies.agentfly.checks import refuse_wrong_checks, rules
from wayfare.studies.agentfly.figures import figures
from wayfare.studies.agentfly.outcome import check_of, notes, tables
from wayfare.studies.agentfly.plan import Tuned, player_cells, prior_cells, tuned
from wayfare.studies.collected import collect
from wayfare.studies.contract import Findings, Progress

__all__ = ["ready", "run"]


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without questions, a server, an encoder, or enough calls allowed."""
    if config.scale == "full":
        from wayfare.studies.agentfly import full

        full.ready(config)


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`; at full scale real models on a question file.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    if config.scale == "full":
        from wayfare.studies.agentfly.full import run_full

        return run_full(config, progress)
    guess = Tuned(SIMPLE[-1], config.rates[0], config.bandwidths[0])
    prior = progress.cells(prior_cells(config), later=player_cells(config, guess))
    chosen, measures = tuned(config, prior), collect(prior)
    asked = rules(config, chosen.strongest)
    refuse_wrong_checks(asked, lambda player, measure: measures[player, measure])
    measures |= collect(progress.cells(player_cells(config, chosen)))
    return Findings(
        tables=tables(config, measures, chosen),
        figures=figures(config, measures, chosen),
        checks=[check_of(config, rule, measures) for rule in asked],
        notes=notes(config, measures, chosen),
    )
