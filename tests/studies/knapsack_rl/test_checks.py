"""Checks and plan of the study: each check can pass and fail, and arms are one trainer with other budgets."""

from __future__ import annotations

import numpy as np
import pytest

from tests.studies.language_players import Case, run_of
from wayfare.agents.language_rl import Arm
from wayfare.explore.budgets import allocate_dynamic, value
from wayfare.studies.knapsack_rl import STUDY, allocation, checks, plan
from wayfare.studies.language_runs import Run

LAPTOP = STUDY.scales["laptop"]
PLAIN = Arm("GRPO lr 0.0003", {**plan.common(LAPTOP), "learning_rate": 3e-4})
TUNED = plan.Tuned(PLAIN, plan.knapsack(LAPTOP).but("knapsack", learning_rate=1e-3))
SOLVED = np.tile([0, 0, 0, 0, 0, 1, 2, 5, 10, 16], 4)[None].repeat(2, 0)
BASE = Run("base", 0, {**run_of([0.1, 0.1], [0.7, 0.7], arm="base").arrays, "answers": np.array([16]), "right": SOLVED})
"""Many prompts at 0, some between, few at 1."""


def case() -> Case:
    """What its checks are tried with."""
    return Case.of(
        checks, LAPTOP, checks.rules(LAPTOP, TUNED), BASE,
        "more answers teach", "no worse at equal tokens", "sooner",
    )  # fmt: skip


def test_what_teaches_is_told_of_the_steps_after_the_first_epoch() -> None:
    played = checks.player(LAPTOP, BASE, "equal").arrays
    values = np.concatenate([np.zeros(plan.first_epoch(LAPTOP)), np.full(10, 0.5)])
    assert checks.taught(LAPTOP, Run("a", 0, {**played, "train/groups/taught": values})) == 0.5


def test_arms_differ_in_their_budget_alone() -> None:
    method, simple = TUNED.method, plan.variance(LAPTOP, TUNED.rate)
    for arm in (method, simple, *plan.others(LAPTOP, TUNED)):
        assert set(arm.parts) <= set(plan.SEAMS)
        assert {**arm.trainer, "learning_rate": 0, "dynamic_sampling": 0} == {
            **PLAIN.trainer, "learning_rate": 0, "dynamic_sampling": 0
        }  # fmt: skip
    cells = plan.arm_cells_of(LAPTOP, TUNED)
    by_arm = {cell.kwargs["arm"].name: cell.kwargs for cell in cells}
    assert by_arm["knapsack"]["token_budget"] == by_arm["dynamic sampling"]["token_budget"] == LAPTOP.token_budget
    assert by_arm[f"{PLAIN.name}, twice the rollouts"]["token_budget"] == 2 * LAPTOP.token_budget
    assert {cell.kwargs["split"] for cell in cells} == {"test"}
    assert {cell.kwargs["split"] for cell in plan.tuning_cells(LAPTOP)} == {"selection"}


def test_baseline_and_rate_are_the_best_at_pass_at_one_on_tuning_runs() -> None:
    planned = [cell.kwargs["arm"] for cell in plan.tuning_cells(LAPTOP)][:: LAPTOP.tuning_seeds]
    assert [arm.trainer["learning_rate"] for arm in planned] == [1e-4, 3e-4, 6e-4, 3e-4, 3e-4, 1e-4, 3e-4, 6e-4]
    found = {}
    for name in (arm.name for arm in planned):
        end = {"GRPO lr 0.0003": 0.3, "knapsack lr 0.0001": 0.25}.get(name, 0.2)
        found[name] = run_of([0.1, end], [0.9, 1.0 - end], arm=name).arrays
    tuned = plan.chosen(LAPTOP, found)
    assert (tuned.baseline.name, tuned.method.name, tuned.rate) == ("GRPO lr 0.0003", "knapsack", 1e-4)
    assert tuned.method.parts == plan.knapsack(LAPTOP).parts


@pytest.fixture(scope="module")
def shares() -> dict[str, float]:
    found = allocation.allocate(lambda *_, **__: None, repeats=12, seed=3)
    return {name: float(values.mean()) for name, values in found.items()}


@pytest.mark.parametrize(
    ("mix", "equal", "exact", "estimated"),
    [
        ("Beta(0.3, 0.6)", (0.52, 0.52), (0.79, 0.53), (0.75, 0.51)),
        ("Beta(0.5, 3)", (0.49, 0.49), (0.76, 0.52), (0.70, 0.51)),
        ("Beta(0.3, 6)", (0.23, 0.23), (0.68, 0.29), (0.58, 0.26)),
        ("Beta(1, 1)", (0.78, 0.78), (0.87, 0.77), (0.86, 0.75)),
    ],
)
def test_the_share_of_answers_that_teach_rises_by_a_fifth_or_more_and_that_of_prompts_hardly(
    shares: dict[str, float], mix: str, equal: tuple[float, float], exact: tuple[float, float],
    estimated: tuple[float, float],
) -> None:  # fmt: skip
    for rule, wanted in (("uniform", equal), ("knapsack", exact), ("estimated", estimated)):
        told = [shares[f"{mix}|{rule}|{measure}"] for measure in ("answers", "prompts")]
        assert told == pytest.approx(wanted, abs=0.04), rule
    assert shares[f"{mix}|knapsack|largest"] >= 2 * allocation.MEAN * 0.95


def test_what_is_shared_out_is_the_optimum_of_the_knapsack() -> None:
    p = np.linspace(0.02, 0.7, 12)
    found = allocation.shared_out("knapsack", p, p)
    assert value(p, found).sum() == pytest.approx(value(p, allocate_dynamic(p, 8 * len(p))).sum())
    assert value(p, found).sum() > 1.02 * value(p, allocation.shared_out("uniform", p, p)).sum()
