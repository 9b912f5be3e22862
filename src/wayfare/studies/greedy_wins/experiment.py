"""Runs the study: tuning and simple players first, then the agents, then checks, tables and figures."""

from __future__ import annotations

from wayfare.studies.collected import collect
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.greedy_wins import Config
from wayfare.studies.greedy_wins.checks import RULES, refuse_wrong_checks
from wayfare.studies.greedy_wins.figures import figures
from wayfare.studies.greedy_wins.outcome import check_of, notes, tables
from wayfare.studies.greedy_wins.plan import agent_cells, player_cells, tuned, tuning_cell

__all__ = ["run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`; at full scale that of `full.py`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`).
    """
    if config.scale == "full":
        from wayfare.studies.greedy_wins.full import run_full

        return run_full(config, progress)
    nominal = {"alpha": 0.4, "late_alpha": 0.4, "epsilon": 0.1}  # costs do not depend on what is tuned
    later = [*player_cells(config, nominal), *agent_cells(config, nominal["alpha"])]
    chosen = tuned(progress.cells([tuning_cell(config)], later=later)["tuning"])
    measures = collect(progress.cells(player_cells(config, chosen), later=agent_cells(config, chosen["alpha"])), 3)
    if config.scale != "smoke":
        refuse_wrong_checks(RULES, lambda player, family, measure: measures[player, family, measure])
    measures |= collect(progress.cells(agent_cells(config, chosen["alpha"])), 3)
    return Findings(
        tables=tables(config, measures, chosen),
        figures=figures(config, measures),
        checks=[check_of(config, rule, measures) for rule in RULES],
        notes=notes(config, chosen),
    )
