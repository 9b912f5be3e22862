"""Runs the study: base and allocation, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from functools import partial

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.knapsack_rl import Config, plan
from wayfare.studies.knapsack_rl.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.knapsack_rl.figures import figures
from wayfare.studies.knapsack_rl.full import run_full
from wayfare.studies.knapsack_rl.outcome import notes, tables
from wayfare.studies.language_experiment import in_stages
from wayfare.studies.language_full import ready

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
    guess = plan.Tuned(plain, plan.knapsack(config).but("knapsack", learning_rate=rate))
    found = in_stages(config, progress, plan, guess, partial(refuse_wrong_checks, config, rules(config, guess)))
    allocation = found.first["allocation"]
    return Findings(
        tables=tables(config, found.runs, found.tuning, allocation),
        figures=figures(config, found.runs, found.tuned),
        checks=[check_of(config, rule, found.runs) for rule in rules(config, found.tuned)],
        notes=notes(config, found.runs, found.tuned, allocation),
    )
