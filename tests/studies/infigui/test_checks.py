"""Checks and plan of the study: each check can pass and fail, and arms differ in what is asked and how it is paid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.studies.language_players import Case, run_of
from wayfare.studies.infigui import STUDY, checks, plan
from wayfare.studies.infigui.asking import OneSlot, Paid
from wayfare.studies.language_cells import grid
from wayfare.studies.language_runs import Run
from wayfare.worlds.verifiable import IconGrounding

LAPTOP = STUDY.scales["laptop"]
TUNED = plan.Tuned(plan.one_answer(LAPTOP)[0], plan.aepo(LAPTOP).but(plan.METHOD, learning_rate=1e-3))
TASK = IconGrounding(train=64, held_out=8)
BASE = run_of([0.7, 0.7], [0.7, 0.7], arm="base")
"""Where no check looks."""


def case() -> Case:
    """What its checks are tried with."""
    return Case.of(
        checks, LAPTOP, checks.rules(LAPTOP, TUNED), BASE,
        "right where it was wrong", "no worse where it was right", "short where it is right",
    )  # fmt: skip


def test_ignorance_counts_the_steps_and_intents_where_the_first_slot_is_seldom_right() -> None:
    told = {
        "train/intent0/first_correct": np.array([0.0, 0.05, 0.5, np.nan]),
        "train/intent0/num_pred": np.array([4.0, 3.0, 1.0, np.nan]),
        "train/intent3/first_correct": np.array([0.2, 0.0]), "train/intent3/num_pred": np.array([1.0, 2.0]),
    }  # fmt: skip
    assert checks.proposed_in_ignorance(LAPTOP, Run("a", 0, told)) == 3.0


def test_arms_differ_in_what_is_asked_and_how_it_is_paid_alone() -> None:
    method, (any_hit, no_gate, spread, single) = TUNED.method, plan.others(LAPTOP, TUNED)
    assert method.trainer == any_hit.trainer == no_gate.trainer == single.trainer
    assert spread.parts == method.parts and spread.trainer == {**method.trainer, "entropy_coef": 0.1}
    assert set(single.parts) == set(plan.SEAMS) and set(method.parts) == {"advantage", "reward_funcs"}
    assert {arm.trainer["generation_batch_size"] for arm in plan.one_answer(LAPTOP)} == {256, 768}
    assert all(plan.way_of(arm.name) == "single" and "transform" in arm.parts for arm in plan.one_answer(LAPTOP))
    cells = plan.arm_cells_of(LAPTOP, TUNED)
    assert {(cell.kwargs["token_budget"], cell.kwargs["split"]) for cell in cells} == {(LAPTOP.token_budget, "test")}
    assert {cell.kwargs["split"] for cell in plan.tuning_cells(LAPTOP)} == {"selection"}


def test_baseline_and_rate_are_the_best_by_both_kinds_of_screens() -> None:
    found = {}
    for arm in (*plan.one_answer(LAPTOP), *grid(plan.aepo(LAPTOP), LAPTOP.rates)):
        hard = {"one answer, entropy bonus 0.1": 0.3, "AEPO lr 0.0003": 0.4, "AEPO lr 0.001": 0.5}.get(arm.name, 0.0)
        easy = 0.5 if arm.name == "AEPO lr 0.001" else 1.0
        told = {f"probe/{plan.way_of(arm.name)}/{split}/first": np.array([0.0, value])
                for split, value in (("hard", hard), ("easy", easy))}  # fmt: skip
        found[arm.name] = {**run_of([0.1, 0.1], [0.1, 0.1], arm=arm.name).arrays, **told}
    tuned = plan.chosen(LAPTOP, found)
    assert tuned.baseline.name == "one answer, entropy bonus 0.1"
    assert (tuned.method.name, tuned.method.trainer["learning_rate"]) == ("AEPO", 3e-4)


def test_one_slot_is_asked_of_the_same_screen_in_words_that_the_corpus_knows() -> None:
    row = TASK.rows("train")[0]
    assert OneSlot().encode(row) == replace(TASK, mode="single").rows("train")[0]["prompt"]
    assert OneSlot().parse("slot1") == "slot1"


def test_what_is_paid_is_the_tasks_score_and_is_told_apart_for_hard_and_easy_screens() -> None:
    rows = TASK.rows("train")
    hard, easy = (next(row for row in rows if row["hard"] is kind) for kind in (True, False))
    right, wrong = f"slot{hard['target']}", f"slot{hard['target'] % 6 + 1}"
    asked = [(hard, f"{wrong} {right}"), (hard, wrong), (easy, f"slot{easy['target']}"), (easy, "slot1 slot1")]
    columns = {
        "prompts": [row["prompt"] for row, _ in asked], "completions": [text for _, text in asked],
        **{name: [row[name] for row, _ in asked] for name in ("target", "hard", "decoy")},
    }  # fmt: skip

    def told(**how: object) -> tuple[list[float], dict[str, float]]:
        logged: dict[str, float] = {}
        found = Paid(TASK, **how)(**columns, log_metric=logged.__setitem__)  # type: ignore[arg-type]
        return found, logged

    paid, logged = told()
    assert paid == pytest.approx([1 + 1 / 2, 0.0, 2.0, -1.0])
    intent = hard["prompt"].split(" ")[1]
    assert logged["hard/equal"] == logged["easy/equal"] == 0 == logged[f"{intent}/first_correct"]
    assert (logged["hard/has_correct"], logged["hard/num_pred"], logged["easy/first_correct"]) == (0.5, 1.5, 0.5)
    again = {name: 2 * values for name, values in columns.items()}
    again["completions"] = 2 * [wrong, right, "slot1", "slot2"]
    again["prompts"] = [*"abcd", *"abcd"]  # groups of their own, each of equal rewards
    Paid(TASK)(**{**again, "hard": [False] * 8}, log_metric=logged.__setitem__)
    assert logged["easy/equal"] == 1
    assert told(paid="any hit")[0] == [2.0, 0.0, 2.0, -1.0]
    assert told(gate=False)[0][3] > -1 and told(mode="single")[0] == [-1.0, 0.0, 2.0, -1.0]
