"""Runs the study: the base, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from functools import partial

from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_experiment import in_stages
from wayfare.studies.language_full import ready
from wayfare.studies.memory_r_plus import Config, plan
from wayfare.studies.memory_r_plus.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.memory_r_plus.figures import figures
from wayfare.studies.memory_r_plus.full import run_full
from wayfare.studies.memory_r_plus.outcome import notes, tables

__all__ = ["ready", "run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    ready(config)
    if config.scale == "full":
        return run_full(config, progress)
    guess = guessed(config)
    found = in_stages(config, progress, plan, guess, partial(refuse_wrong_checks, config, rules(config, guess)))
    return Findings(
        tables=tables(config, found.runs, found.tuning),
        figures=figures(config, found.runs, found.tuned),
        checks=[check_of(config, rule, found.runs) for rule in rules(config, found.tuned)],
        notes=notes(config, found.runs, found.tuned),
    )


def guessed(config: Config) -> plan.Tuned:
    """What tuning might settle: stands for it until it is known."""
    rate = config.rates[-1]
    return plan.Tuned(
        plan.r1(config, rate, f"GRPO lr {rate:g}"),
        plan.memory(config).but(plan.MEMORY, learning_rate=rate),
        plan.fine_tuning(config).but(plan.FINE_TUNING, learning_rate=rate),
    )
