"""Runs the study: the base, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from functools import partial

from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_experiment import in_stages
from wayfare.studies.spear import Config, plan
from wayfare.studies.spear.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.spear.figures import figures
from wayfare.studies.spear.full import refuse_full, run_full
from wayfare.studies.spear.outcome import notes, tables

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
    guess = guessed(config)
    found = in_stages(config, progress, plan, guess, partial(refuse_wrong_checks, config, rules(config, guess)))
    return Findings(
        tables=tables(config, found.runs, found.tuning),
        figures=figures(config, found.runs, found.tuned),
        checks=[check_of(rule, found.runs, config.scale) for rule in rules(config, found.tuned)],
        notes=notes(config, found.runs, found.tuned),
    )


def guessed(config: Config) -> plan.Tuned:
    """What tuning might settle: stands for it until it is known."""
    plain = plan.plain(config, f"GRPO lr {config.rates[-1]:g}")
    arms = plain, plan.spear(config), plan.fading(config), plan.constant(config)
    return plan.Tuned(*(arm.but(arm.name, learning_rate=config.rates[-1]) for arm in arms))
