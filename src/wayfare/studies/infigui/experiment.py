"""Runs the study: the base, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from functools import partial

from wayfare.studies.contract import Findings, Progress
from wayfare.studies.infigui import Config, plan
from wayfare.studies.infigui.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.infigui.figures import figures
from wayfare.studies.infigui.full import refuse_full, run_full
from wayfare.studies.infigui.outcome import notes, tables
from wayfare.studies.language_experiment import in_stages

__all__ = ["ready", "run"]


def ready(config: Config) -> None:
    """Raises: BadValue at full scale without screens or a server, or for what `full.refuse_full` says."""
    if config.scale == "full":
        refuse_full(config)


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    ready(config)
    if config.scale == "full":
        return run_full(config, progress)
    method = plan.aepo(config).but(plan.METHOD, learning_rate=config.rates[-1])
    guess = plan.Tuned(plan.one_answer(config)[0], method)
    found = in_stages(config, progress, plan, guess, partial(refuse_wrong_checks, config, rules(config, guess)))
    return Findings(
        tables=tables(config, found.runs, found.tuning),
        figures=figures(config, found.runs, found.tuned),
        checks=[check_of(config, rule, found.runs) for rule in rules(config, found.tuned)],
        notes=notes(config, found.runs, found.tuned),
    )
