"""What came out: the arms, where answers went, the allocation without a model, and the tuning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from wayfare.studies.contract import Arrays, Table
from wayfare.studies.knapsack_rl import Config
from wayfare.studies.knapsack_rl.allocation import MEASURES, MIXES, RULES
from wayfare.studies.knapsack_rl.checks import largest, taught, taught_prompts
from wayfare.studies.knapsack_rl.plan import Tuned
from wayfare.studies.language_runs import Runs
from wayfare.studies.language_tables import arms_table, course_table
from wayfare.studies.language_tables import notes as common_notes
from wayfare.studies.stated import half_width

__all__ = ["notes", "tables"]

SHOWN = ("pass@1", "pass@4", "pass@16", "distinct", "entropy", "malformed", "clipped")


def tables(config: Config, runs: Runs, tuning: Runs, allocation: Arrays) -> dict[str, Table]:
    """In reading order."""
    return {
        "arms": arms_table(runs, SHOWN),
        "teaching": _teaching(config, runs),
        "allocation": _allocation(allocation),
        "tuning": arms_table(tuning, ("pass@1", "pass@16", "entropy"), "on other seeds and selection prompts"),
        "course": course_table(runs, ("pass@1", "pass@16", "entropy")),
    }


def _teaching(config: Config, runs: Runs) -> Table:
    """One row an arm, after the first epoch."""
    rows = []
    for arm, each in runs.items():
        if arm == "base":
            continue
        share = np.array([taught(config, run) for run in each])
        prompts = np.array([taught_prompts(config, run) for run in each])
        most = np.array([largest(config, run) for run in each])
        peak = max(float(run["train/groups/largest"].max()) for run in each)
        rows.append(
            (arm, len(each), float(share.mean()), half_width(share), float(prompts.mean()), half_width(prompts),
             float(most.mean()), peak)
        )  # fmt: skip
    columns = ("arm", "seeds", "answers that teach", "95 % +-", "prompts that teach", "95 % +- ",
               "largest group, times the mean", "largest group of all, answers")  # fmt: skip
    return Table("once prompts are known", columns, tuple(rows))


def _allocation(found: Arrays) -> Table:
    rows = [
        (mix, rule, *(float(found[f"{mix}|{rule}|{measure}"].mean()) for measure in MEASURES))
        for mix in MIXES
        for rule in RULES
    ]
    columns = ("chances", "rule", "answers that teach", "prompts that teach", "summed value", "largest group")
    return Table("256 drawn chances, 8 answers each in the mean, no model", columns, tuple(rows))


def notes(config: Config, runs: Runs, tuned: Tuned, allocation: Mapping[str, np.ndarray]) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    mix = next(iter(MIXES))
    equal, exact = (float(allocation[f"{mix}|{rule}|prompts"].mean()) for rule in ("uniform", "estimated"))
    return [
        *common_notes(runs),
        f"The knapsack sees {config.train_prompts} prompts again and again; on a stream of new ones it would know no "
        "chance and be equal groups.",
        f"Chosen on {config.tuning_seeds} other seeds by pass@1: {tuned.baseline.name} as the baseline, learning rate "
        f"{tuned.rate:g} for the knapsack, which the arms beside it share.",
        "Answers that teach are counted by answers, as published. By prompts little changes: answers are moved off "
        f"prompts that are dead or solved, not onto new ones (without a model, {mix}: {equal:.2f} with equal groups, "
        f"{exact:.2f} with the knapsack).",
        f"'{tuned.baseline.name}, twice the rollouts' draws twice as many tokens as the others; dynamic sampling's "
        "tokens hold what it threw away.",
        f"Measures of teaching are of the steps after the first epoch, in which nothing is known; arms that no check "
        f"asks about have {config.other_seeds} seeds and no verdict.",
    ]
