"""Runs the study: the solver, its instrument and the scripted players, then the memories; checks, tables, figures."""

from __future__ import annotations

from wayfare.studies.collected import collect
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.evo_memory import Config
from wayfare.studies.evo_memory.checks import refuse_wrong_checks, rules
from wayfare.studies.evo_memory.figures import figures
from wayfare.studies.evo_memory.outcome import check_of, notes, tables
from wayfare.studies.evo_memory.plan import memory_cells, prior_cells, solver_cell

__all__ = ["ready", "run"]


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without tasks, a server, or enough calls allowed."""
    if config.scale == "full":
        from wayfare.studies.evo_memory import full

        full.ready(config)


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`; at full scale hosted models on a task list.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    if config.scale == "full":
        from wayfare.studies.evo_memory.full import run_full

        return run_full(config, progress)
    later = [*prior_cells(config, {}), *memory_cells(config, {})]
    first = progress.cells([solver_cell(config)], later=later)
    weights = first["frozen-solver"]
    measures = collect(progress.cells(prior_cells(config, weights), later=memory_cells(config, weights)))
    asked = rules(config)
    if check_of(config, asked[0], measures).holds:  # a solver that does not read makes scripted players all alike
        refuse_wrong_checks(asked, lambda player, measure: measures[player, measure])
    measures |= collect(progress.cells(memory_cells(config, weights)))
    checks = [check_of(config, rule, measures) for rule in asked]
    return Findings(
        tables=tables(config, measures),
        figures=figures(config, measures),
        checks=checks,
        notes=notes(config, measures, checks),
    )
