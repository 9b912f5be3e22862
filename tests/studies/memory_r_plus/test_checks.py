"""Checks and plan of the study: each check can pass and fail, and arms are one trainer with another bonus."""

from __future__ import annotations

import numpy as np
import pytest

from tests.studies.language_players import Case, run_of
from wayfare.agents.language_rl import Arm, task_of
from wayfare.studies.language_cells import controls
from wayfare.studies.language_runs import Run
from wayfare.studies.memory_r_plus import STUDY, checks, plan

LAPTOP = STUDY.scales["laptop"]
TUNED = plan.Tuned(
    Arm("reverse KL 0.1", {**plan.common(LAPTOP), "learning_rate": 1e-3, "beta": 0.1}),
    plan.memory(LAPTOP, order="before").but(plan.MEMORY, learning_rate=3e-4),
    plan.fine_tuning(LAPTOP).but(plan.FINE_TUNING, learning_rate=1e-4),
)
STANDS = {"ks": np.array([1, 16]), "right": np.array([[2, 6, 11]] * 2)}
BASE = Run("base", 0, {**run_of([0.1, 0.1], [0.7, 0.7], arm="base").arrays, **STANDS})


def case() -> Case:
    """What its checks are tried with."""
    return Case.of(
        checks, LAPTOP, checks.rules(LAPTOP, TUNED), BASE,
        "Memory-R+ does not", "more is right than with R1", "more is right than with the tuned baseline",
        "fewer silent groups",
        seeds=LAPTOP.seeds,
    )  # fmt: skip


def test_one_seed_of_six_may_go_another_way_before_collapse_is_undecided() -> None:
    """More than half by Clopper-Pearson takes all of six; that is what the number of seeds was chosen by."""
    rule = checks.rules(LAPTOP, TUNED)[0]
    players = [checks.player(LAPTOP, BASE, script) for script in ("formal",) * 5 + ("learns",)]
    assert checks.check_of(LAPTOP, rule, {plan.R1_FAST: players}).state == "undecided"
    assert checks.check_of(LAPTOP, rule, {plan.R1_FAST: players[:5] + players[:1]}).state == "holds"


def test_collapse_is_fewer_right_answers_in_perfect_form_or_another_length() -> None:
    told = {script: checks.player(LAPTOP, BASE, script) for script in ("learns", "formal", "briefly", "stays")}
    assert {script: checks.collapsed(run) for script, run in told.items()} == {
        "learns": False, "formal": True, "briefly": True, "stays": False
    }  # fmt: skip
    bad = {**told["formal"].arrays, "train/rewards/has_answer/mean": np.full(20, 0.5)}
    assert not checks.collapsed(Run("formless", 0, bad))


def test_silent_groups_are_those_of_answers_that_are_all_right_or_all_wrong() -> None:
    run = Run("a", 0, {**BASE.arrays, "answers": np.array([32]), "right": np.array([[0, 32, 16, 1]])})
    # a half are always silent; 16 of 32 almost never, one of 32 in every other draw of 16
    assert checks.silent(LAPTOP, run) == pytest.approx((1 + 1 + 0 + 0.5) / 4, abs=1e-6)


def test_arms_differ_in_memories_rewards_or_rows_alone() -> None:
    cells = plan.arm_cells_of(LAPTOP, TUNED)
    arms = {cell.kwargs["arm"].name: cell.kwargs["arm"] for cell in cells}
    memories = [arm for arm in arms.values() if "bonus" in arm.parts]
    assert len(memories) == 8 and all(tuple(arm.parts) == plan.SEAMS for arm in memories)
    assert [arm.trainer["learning_rate"] for arm in memories] == [1e-3, 3e-4, 3e-4, 3e-4, 1e-3, 3e-4, 3e-4, 3e-4]
    told = [dict(arm.parts["bonus"][1]) for arm in memories]
    usual = told[0]
    assert [{name: v for name, v in each.items() if usual.get(name) != v} for each in told] == [
        {}, {}, {"shuffled": True}, {"explore": 0.0}, {"explore": 0.0}, {"order": "after"}, {"k": LAPTOP.fewer},
        {"exploit": 0.1, "explore": 0.1},
    ]  # fmt: skip
    assert arms[plan.R1_FAST].trainer == memories[0].trainer and not arms[plan.R1_FAST].parts
    assert tuple(arms[plan.FINE_TUNING].parts) == ("auxiliary",)
    assert {cell.kwargs["token_budget"] for cell in cells} == {LAPTOP.token_budget}
    assert {cell.kwargs["split"] for cell in cells} == {"test"}
    assert {cell.kwargs["split"] for cell in plan.tuning_cells(LAPTOP)} == {"selection"}
    assert len({cell.name for cell in cells}) == len(cells) == 6 * LAPTOP.seeds + 8 * LAPTOP.other_seeds


def test_a_success_is_a_right_answer_and_not_a_well_formed_one() -> None:
    task = task_of(plan.base_of(LAPTOP))
    right, *forms = task.reward_weights  # type: ignore[attr-defined]
    assert sum(forms) < plan.RIGHT < right


def test_settings_are_the_best_on_tuning_runs() -> None:
    best = {"reverse KL 0.1": 0.3, f"{plan.MEMORY} as released lr 0.0001": 0.25, f"{plan.FINE_TUNING} lr 0.001": 0.4}
    methods = [
        f"{name} lr {rate:g}"
        for name in (plan.MEMORY, f"{plan.MEMORY} as released", plan.FINE_TUNING)
        for rate in LAPTOP.rates
    ]
    found = {
        name: run_of([0.1, best.get(name, 0.2)], [0.9, 0.9], arm=name).arrays
        for name in [*(arm.name for arm in controls(LAPTOP.rates)), *methods]
    }
    tuned = plan.chosen(LAPTOP, found)
    assert (tuned.baseline.name, tuned.method.name, tuned.rate) == ("reverse KL 0.1", plan.MEMORY, 1e-4)
    assert tuned.method.parts["bonus"][1]["order"] == "before"
    assert tuned.fine_tuning.trainer["learning_rate"] == 1e-3
