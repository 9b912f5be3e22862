"""Runs the study: scripted players first, then the nets, then checks, tables and figures."""

from __future__ import annotations

from wayfare.studies.collected import collect
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.evolve import Config
from wayfare.studies.evolve.checks import refuse_wrong_checks, rules
from wayfare.studies.evolve.figures import figures
from wayfare.studies.evolve.full import run_full
from wayfare.studies.evolve.outcome import check_of, look_in, notes, tables
from wayfare.studies.evolve.plan import net_cells, scripted_cells, settings_of, tuned, tuning_cell

__all__ = ["run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`; at full scale that of `full.py`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`).
    """
    if config.scale == "full":
        return run_full(config, progress)
    nets, settings = net_cells(config), settings_of(config)
    epsilon = tuned(progress.cells([tuning_cell(config)], later=[*scripted_cells(config, 0.1), *nets])["tuning"])
    measures = collect(progress.cells(scripted_cells(config, epsilon), later=nets), 3)
    asked = rules(config, settings)
    refuse_wrong_checks(asked, look_in(measures), settings[0].name)
    measures |= collect(progress.cells(nets), 3)
    return Findings(
        tables=tables(config, measures, settings),
        figures=figures(config, measures, settings),
        checks=[check_of(config, rule, measures) for rule in asked],
        notes=notes(config, measures, epsilon),
    )
