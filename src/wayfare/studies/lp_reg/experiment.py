"""Runs the study: both bases, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from functools import partial

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_experiment import in_stages
from wayfare.studies.language_full import ready
from wayfare.studies.lp_reg import Config, plan
from wayfare.studies.lp_reg.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.lp_reg.figures import figures
from wayfare.studies.lp_reg.full import run_full
from wayfare.studies.lp_reg.outcome import notes, tables

__all__ = ["ready", "run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    ready(config)
    if config.scale == "full":
        return run_full(config, progress)
    rate = config.rates[-1]
    guess = plan.Tuned(Arm(f"GRPO lr {rate:g}", {"learning_rate": rate}), rate)
    found = in_stages(config, progress, plan, guess, partial(refuse_wrong_checks, config, rules(config, guess)))
    return Findings(
        tables=tables(config, found.runs, found.tuning),
        figures=figures(config, found.runs, found.tuned),
        checks=[check_of(config, rule, found.runs) for rule in rules(config, found.tuned)],
        notes=notes(config, found.runs, found.tuned),
    )
