"""Runs the study: bases and selection, the tuning, then the arms, then checks, tables and figures."""

from __future__ import annotations

from wayfare.agents.language_rl import Arm
from wayfare.studies.contract import Findings, Progress
from wayfare.studies.language_full import refuse
from wayfare.studies.language_runs import runs_of
from wayfare.studies.repexp import Config
from wayfare.studies.repexp.checks import check_of, choice_rules, refuse_wrong_checks, rules, selection_check
from wayfare.studies.repexp.figures import figures
from wayfare.studies.repexp.full import run_full
from wayfare.studies.repexp.outcome import notes, selections, tables
from wayfare.studies.repexp.plan import Tuned, arm_cells_of, chosen, common, first_cells, repexp, tuning_cells

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
    guess = Tuned(plain, repexp(config).but("repexp", learning_rate=rate))
    tuning, choices = tuning_cells(config), choice_rules(config)
    first = progress.cells(first_cells(config), later=[*tuning, *arm_cells_of(config, guess)])
    base, found = runs_of(first)["base"], selections(first)
    refuse_wrong_checks(config, choices, rules(config, guess), base[0])
    tried = progress.cells(tuning, later=arm_cells_of(config, guess))
    tuned = chosen(config, tried)
    runs = {"base": base, **runs_of(progress.cells(arm_cells_of(config, tuned)))}
    collapse, *training = rules(config, tuned)
    return Findings(
        tables=tables(config, found, runs, runs_of(tried)),
        figures=figures(config, found, runs, tuned),
        checks=[
            check_of(config, collapse, runs),
            *(selection_check(config, rule, found) for rule in choices),
            *(check_of(config, rule, runs) for rule in training),
        ],
        notes=notes(config, found, runs, tuned),
    )
