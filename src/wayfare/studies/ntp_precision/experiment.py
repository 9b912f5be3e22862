"""Runs the study: priors, the tuning, then learning from each prior, then checks, tables and figures."""

from __future__ import annotations

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_full import ready
from wayfare.studies.language_runs import runs_of
from wayfare.studies.ntp_precision import Config
from wayfare.studies.ntp_precision.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.ntp_precision.figures import figures
from wayfare.studies.ntp_precision.full import run_full
from wayfare.studies.ntp_precision.outcome import notes, tables
from wayfare.studies.ntp_precision.plan import Tuned, arm_cells_of, chosen, prior_cells, tuning_cells

__all__ = ["ready", "run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    ready(config)
    if config.scale == "full":
        return run_full(config, progress)
    rate = config.rates[-1]
    guess, tuning = Tuned(Arm("to be chosen", {"learning_rate": rate}), rate, 1.0), tuning_cells(config)
    first = progress.cells(prior_cells(config), later=[*tuning, *arm_cells_of(config, guess)])
    refuse_wrong_checks(config, rules(config, guess.baseline.name), runs_of(first)["base"][0])
    tried = progress.cells(tuning, later=arm_cells_of(config, guess))
    tuned = chosen(config, tried)
    runs = runs_of(progress.cells(arm_cells_of(config, tuned)))
    return Findings(
        tables=tables(config, runs, runs_of(tried)),
        figures=figures(config, runs),
        checks=[check_of(config, rule, runs) for rule in rules(config, tuned.baseline.name)],
        notes=notes(config, runs, tuned),
    )
