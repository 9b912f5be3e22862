"""Runs the study: both bases, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_full import refuse
from wayfare.studies.language_runs import Run, runs_of
from wayfare.studies.lp_reg import Config
from wayfare.studies.lp_reg.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.lp_reg.figures import figures
from wayfare.studies.lp_reg.full import run_full
from wayfare.studies.lp_reg.outcome import notes, tables
from wayfare.studies.lp_reg.plan import Tuned, arm_cells_of, chosen, first_cells, tuning_cells

__all__ = ["ready", "run"]


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without a model or questions, or for those that cannot be trained on."""
    if config.scale == "full":
        refuse(config)


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    ready(config)
    if config.scale == "full":
        return run_full(config, progress)
    rate = config.rates[-1]
    guess = Tuned(Arm(f"GRPO lr {rate:g}", {"learning_rate": rate}), rate)
    tuning = tuning_cells(config)
    first = progress.cells(first_cells(config), later=[*tuning, *arm_cells_of(config, guess)])
    bases = {name: [Run(name, 0, arrays)] for name, arrays in first.items()}
    refuse_wrong_checks(config, rules(config, guess), bases["base"][0])
    tried = progress.cells(tuning, later=arm_cells_of(config, guess))
    tuned = chosen(config, tried)
    runs = {**bases, **runs_of(progress.cells(arm_cells_of(config, tuned)))}
    return Findings(
        tables=tables(config, runs, runs_of(tried)),
        figures=figures(config, runs, tuned),
        checks=[check_of(config, rule, runs) for rule in rules(config, tuned)],
        notes=notes(config, runs, tuned),
    )
