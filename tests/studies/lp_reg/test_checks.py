"""Checks and plan of the study: each check can pass and fail, and arms are one trainer with other regularisers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.studies.language_players import Case, run_of
from wayfare.agents.language_rl import Arm, task_of
from wayfare.language.nano import Nano, WordReader
from wayfare.language.nano_model import NanoModel
from wayfare.studies.language_cells import controls
from wayfare.studies.language_runs import Run
from wayfare.studies.lp_reg import STUDY, checks, plan, probes

LAPTOP = STUDY.scales["laptop"]
TUNED = plan.Tuned(Arm("GRPO lr 0.0003", {"learning_rate": 3e-4}), 1e-3)
WORDS = {checks.LOG_WAIT: np.full(2, -2.4), checks.WAIT: np.full(2, 0.1), checks.JUNK: np.full(2, 0.001)}
BASE = Run("base", 0, {**run_of([0.1, 0.1], [0.7, 0.7], arm="base").arrays, **WORDS})


def case() -> Case:
    """What its checks are tried with."""
    return Case.of(
        checks, LAPTOP, checks.rules(LAPTOP, TUNED), BASE,
        "the word is kept", "noise is not", "no worse at equal tokens",
    )  # fmt: skip


def test_a_word_is_extinct_below_one_in_a_hundred() -> None:
    assert checks.extinct(checks.player(LAPTOP, BASE, "extinguishes"))
    assert not checks.extinct(checks.player(LAPTOP, BASE, "shields"))


def test_arms_differ_in_their_regulariser_and_the_published_settings_are_the_method() -> None:
    cells = plan.arm_cells_of(LAPTOP, TUNED)
    arms = {cell.kwargs["arm"].name: cell.kwargs["arm"] for cell in cells}
    assert len({cell.name for cell in cells}) == len(cells)
    ((_, told),) = arms[plan.LP_REG].parts["regularisers"]
    assert told == {"share": 0.01, "kappa": 0.02, "beta": 1.0}  # mode: 'replace' where nothing is said
    for name in (plan.PLAIN, plan.LP_REG, plan.AMPLIFIED, plan.LIFTING):
        assert arms[name].trainer["learning_rate"] == TUNED.rate and set(arms[name].parts) <= set(plan.SEAMS)
    assert {cell.kwargs["token_budget"] for cell in cells} == {LAPTOP.token_budget}
    assert {cell.kwargs["split"] for cell in cells} == {"test"}
    assert {cell.kwargs["split"] for cell in plan.tuning_cells(LAPTOP)} == {"selection"}
    low = [cell.kwargs for cell in cells if cell.kwargs["base"].knobs["wait_rate"] == LAPTOP.low_wait_rate]
    assert {each["arm"].name for each in low} == {f"{plan.BELOW}{plan.PLAIN}", f"{plan.BELOW}{plan.AMPLIFIED}"}


def test_baseline_and_rate_are_the_best_on_tuning_runs() -> None:
    found = {}
    arms = [arm.name for arm in controls(LAPTOP.rates, beta=LAPTOP.reverse, entropy=LAPTOP.entropy)]
    for name in [*arms, *(f"Lp-Reg lr {rate:g}" for rate in LAPTOP.rates)]:
        end = {"entropy bonus 0.01": 0.3, "Lp-Reg lr 0.0001": 0.25}.get(name, 0.2)
        found[name] = {**run_of([0.1, end], [0.9, 0.9], arm=name).arrays, "ks": np.array([1, 16])}
    tuned = plan.chosen(LAPTOP, found)
    assert (tuned.baseline.name, tuned.rate) == ("entropy bonus 0.01", 1e-4)


def test_the_probe_reads_the_words_behind_wrong_and_right_attempts() -> None:
    task = task_of(plan.base_of(LAPTOP))
    rows = task.rows("test")[:4]
    for row in rows:
        said = probes.wrong_attempt(task, row)
        assert said is not None and said == probes.wrong_attempt(task, row)
        assert task.well_formed(said, row)
        paid = [
            task.reward(prompts=[row["prompt"]], completions=[text], numbers=[row["numbers"]], goal=[row["goal"]])
            for text in (said, task.oracle(row))
        ]
        assert paid == [[0.0], [1.0]]
    reader = WordReader(task.words)
    told = probes.behind_attempts(NanoModel(Nano(len(reader), "xs"), reader), task, rows)
    even = 1 / len(reader)  # of a model that has learned nothing
    assert told["wait/wrong"] == pytest.approx(even, rel=0.5) and told["junk/wrong"] == pytest.approx(4 * even, rel=0.5)
    assert told["log wait/wrong"] <= np.log(told["wait/wrong"]) + 1e-6
