"""Runs the study: scripted measures first, then the model, what is measured of it, and the policies on the table."""

from __future__ import annotations

from wayfare.studies.contract import Findings, Progress
from wayfare.studies.memos import Config
from wayfare.studies.memos.checks import refuse_wrong_checks, rules, scripted
from wayfare.studies.memos.figures import figures
from wayfare.studies.memos.outcome import check_of, collect, notes, table_rows, tables
from wayfare.studies.memos.plan import (
    best_thresholds,
    lifecycle_cells,
    measured_cells,
    model_cells,
    policy_cells,
    tuning_cells,
)

__all__ = ["run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`; at full scale that of `full.py`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `full.ready` does.
    """
    if config.scale == "full":
        from wayfare.studies.memos.full import run_full

        return run_full(config, progress)
    asked = rules(config)
    known = scripted(config.seeds)
    refuse_wrong_checks(asked, lambda part, measure: known[part, measure])
    models = progress.cells(model_cells(config), later=[*measured_cells(config, []), *lifecycle_cells(config)])
    measured = progress.cells(measured_cells(config, list(models.values())), later=lifecycle_cells(config))
    table = table_rows(config, measured)
    best = best_thresholds(progress.cells(tuning_cells(config, table)))
    played = progress.cells([*policy_cells(config, table, best), *lifecycle_cells(config)])
    measures = collect({**models, **measured, **played})
    return Findings(
        tables=tables(config, measures, table, best),
        figures=figures(config, measures),
        checks=[check_of(config, rule, measures) for rule in asked],
        notes=notes(config, measures),
    )
