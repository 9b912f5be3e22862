"""Runs the study: draws of untrained bases, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.ead import Config
from wayfare.studies.ead.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.ead.figures import figures
from wayfare.studies.ead.full import refuse_full, run_full
from wayfare.studies.ead.outcome import notes, tables
from wayfare.studies.ead.plan import (
    METHOD,
    Shapes,
    Tuned,
    annealed,
    arm_cells_of,
    chosen,
    first_cells,
    inference_cells,
    inference_runs,
    shapes,
    shapes_chosen,
    tuning_cells,
)
from wayfare.studies.language_runs import runs_of

__all__ = ["ready", "run"]


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without a model or questions, or for those that cannot be trained on."""
    if config.scale == "full":
        refuse_full(config)


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    ready(config)
    if config.scale == "full":
        return run_full(config, progress)
    rate = config.rates[-1]
    guess = Tuned(Arm(f"GRPO lr {rate:g}", {"learning_rate": rate}), annealed(config).but(METHOD, learning_rate=rate))
    refuse_wrong_checks(rules(config, guess))
    tuning, some = tuning_cells(config), shapes(config)[0]
    last = arm_cells_of(config, guess)
    later = [*inference_cells(config, Shapes(some, some)), *tuning, *last]
    first = progress.cells(first_cells(config), later=later)
    told = shapes_chosen(config, first)
    drawn = inference_runs(config, progress.cells(inference_cells(config, told), later=[*tuning, *last]))
    tried = progress.cells(tuning, later=last)
    tuned = chosen(config, tried)
    runs = {"base": runs_of(first)["base"], **runs_of(progress.cells(arm_cells_of(config, tuned)))}
    return Findings(
        tables=tables(config, runs, drawn, told, runs_of(tried)),
        figures=figures(config, runs, drawn, tuned),
        checks=[check_of(config, rule, {**runs, **drawn}) for rule in rules(config, tuned)],
        notes=notes(config, runs, told, tuned),
    )
