"""Runs the study: bases and selection, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from functools import partial

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_experiment import in_stages
from wayfare.studies.language_full import ready
from wayfare.studies.repexp import Config, plan
from wayfare.studies.repexp.checks import check_of, choice_rules, refuse_wrong_checks, rules, selection_check
from wayfare.studies.repexp.figures import figures
from wayfare.studies.repexp.full import run_full
from wayfare.studies.repexp.outcome import notes, selections, tables

__all__ = ["ready", "run"]


def run(config: Config, progress: Progress) -> Findings:
    """The study at the sizes of `config`.

    Raises: BadValue when a check could not mean anything (see `refuse_wrong_checks`), and as `ready` does.
    """
    ready(config)
    if config.scale == "full":
        return run_full(config, progress)
    rate = config.rates[-1]
    plain = Arm(f"GRPO lr {rate:g}", {**plan.common(config), "learning_rate": rate})
    guess = plan.Tuned(plain, plan.repexp(config).but("repexp", learning_rate=rate))
    choices = choice_rules(config)
    try_checks = partial(refuse_wrong_checks, config, choices, rules(config, guess))
    found = in_stages(config, progress, plan, guess, try_checks)
    selected = selections(found.first)
    collapse, *training = rules(config, found.tuned)
    return Findings(
        tables=tables(config, selected, found.runs, found.tuning),
        figures=figures(config, selected, found.runs, found.tuned),
        checks=[
            check_of(config, collapse, found.runs),
            *(selection_check(config, rule, selected) for rule in choices),
            *(check_of(config, rule, found.runs) for rule in training),
        ],
        notes=notes(config, selected, found.runs, found.tuned),
    )
