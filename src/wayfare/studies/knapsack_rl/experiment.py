"""Runs the study: base and allocation, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.knapsack_rl import Config
from wayfare.studies.knapsack_rl.checks import check_of, refuse_wrong_checks, rules
from wayfare.studies.knapsack_rl.figures import figures
from wayfare.studies.knapsack_rl.full import run_full
from wayfare.studies.knapsack_rl.outcome import notes, tables
from wayfare.studies.knapsack_rl.plan import Tuned, arm_cells_of, chosen, common, first_cells, knapsack, tuning_cells
from wayfare.studies.language_full import refuse
from wayfare.studies.language_runs import runs_of

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
    plain = Arm(f"GRPO lr {rate:g}", {**common(config), "learning_rate": rate})
    guess = Tuned(plain, knapsack(config).but("knapsack", learning_rate=rate))
    tuning = tuning_cells(config)
    first = progress.cells(first_cells(config), later=[*tuning, *arm_cells_of(config, guess)])
    base = runs_of(first)["base"]
    refuse_wrong_checks(config, rules(config, guess), base[0])
    tried = progress.cells(tuning, later=arm_cells_of(config, guess))
    tuned = chosen(config, tried)
    runs = {"base": base, **runs_of(progress.cells(arm_cells_of(config, tuned)))}
    return Findings(
        tables=tables(config, runs, runs_of(tried), first["allocation"]),
        figures=figures(config, runs, tuned),
        checks=[check_of(config, rule, runs) for rule in rules(config, tuned)],
        notes=notes(config, runs, tuned, first["allocation"]),
    )
