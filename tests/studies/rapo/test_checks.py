"""Checks and plan of the study: each check can pass and fail, and arms are one trainer with other divergences."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tests.studies.language_players import Case, run_of
from wayfare.agents.language_rl import Arm, task_of
from wayfare.studies.language_cells import controls
from wayfare.studies.language_runs import Run
from wayfare.studies.rapo import STUDY, checks, exact, halves, plan

LAPTOP = STUDY.scales["laptop"]
PLAIN = Arm("GRPO lr 0.0003", {"learning_rate": 3e-4})
TUNED = plan.Tuned(
    PLAIN, plan.rapo(LAPTOP).but(plan.RAPO, learning_rate=3e-4), plan.entropies(LAPTOP, 3e-4)[0].but(plan.ENTROPY)
)


@cache
def base() -> Run:
    """Two problems of each half in turn; those within are solved once in eight answers, the others never."""
    found = run_of([0.1, 0.1], [0.7, 0.7], arm="base")
    rows = task_of(plan.base_of(LAPTOP)).rows("test")[:8]
    right = np.array([0 if row["needs_times"] else 64 for row in rows])
    told = {
        "answers": np.array([512]),
        "right": right[None].repeat(2, 0),
        "index": np.array([r["index"] for r in rows]),
    }
    return Run("base", 0, {**found.arrays, **told})


def case() -> Case:
    """What its checks are tried with."""
    return Case.of(
        checks, LAPTOP, checks.rules(LAPTOP, TUNED), base(),
        "above the base's ceiling", "above the reverse KL", "above the tuned baseline", "what the base can do is kept",
    )  # fmt: skip


def test_each_half_is_told_of_its_own_problems() -> None:
    start = base()
    assert halves.beyond(start).tolist() == [False, True] * 4
    assert halves.pass_half(start, "within", 1) == pytest.approx([0.125] * 2)
    opened = checks.player(LAPTOP, start, "opens")
    assert halves.pass_half(opened, "beyond", 1)[[0, -1]] == pytest.approx([0.0, 0.125])
    assert halves.found(opened, start) == 1.0 and halves.found(start, start) == 0.0


def test_arms_differ_in_their_divergence_alone() -> None:
    for arm in (TUNED.method, *plan.others(LAPTOP, TUNED.method)):
        assert set(arm.parts) == set(plan.SEAMS)
        assert set(arm.trainer) == {"learning_rate", "entropy_coef", *plan.common(LAPTOP)}
        assert arm.trainer["learning_rate"] == 3e-4
    assert not any(arm.parts for arm in (plan.reverse(LAPTOP, 3e-4), TUNED.entropy))
    cells = plan.arm_cells_of(LAPTOP, TUNED)
    assert {cell.kwargs["token_budget"] for cell in cells} == {LAPTOP.token_budget}
    assert {cell.kwargs["split"] for cell in cells} == {"test"}
    assert {cell.kwargs["split"] for cell in plan.tuning_cells(LAPTOP)} == {"selection"}
    assert len({cell.name for cell in cells}) == len(cells) == 7 * LAPTOP.seeds + 4 * LAPTOP.other_seeds


def test_settings_are_the_best_on_tuning_runs_and_the_bonus_the_one_that_ends_at_the_same_entropy() -> None:
    arms = [arm.name for arm in controls(LAPTOP.rates, beta=LAPTOP.reverse, entropy=0.01)]
    found = {}
    methods = [f"RAPO lr {rate:g}" for rate in LAPTOP.rates]
    methods += [f"RAPO alpha {alpha:g} lr {max(LAPTOP.rates):g}" for alpha in LAPTOP.alphas]
    assert {cell.name for cell in plan.tuning_cells(LAPTOP)} == {
        f"tuning {name} seed {seed}" for name in [*arms, *methods] for seed in (100, 101)
    }  # as many for either
    for name in [*arms, *methods]:
        end = {"reverse KL 0.1": 0.3, "RAPO lr 0.0001": 0.25}.get(name, 0.2)
        found[name] = run_of([0.1, end], [0.9, 0.9], arm=name).arrays
    baseline, method = plan.chosen(LAPTOP, found)
    assert (baseline.name, method.name) == ("reverse KL 0.1", "RAPO lr 0.0001")
    tuning = {"RAPO lr 0.0001": [run_of([0.1, 0.2], [0.9, 0.9])]}
    for arm, entropy in zip(plan.entropies(LAPTOP, 1e-4), (0.5, 0.21, 0.1), strict=True):
        run = run_of([0.1, 0.2], [0.9, 0.9])
        tuning[arm.name] = [Run(arm.name, 0, {**run.arrays, "entropy": np.full((2, 3), entropy)})]
    tuned = plan.matched(LAPTOP, baseline, method, tuning)
    assert tuned.entropy.trainer == {**plan.common(LAPTOP), "learning_rate": 1e-4, "entropy_coef": LAPTOP.entropies[1]}
    assert (tuned.method.name, tuned.rate) == ("RAPO", 1e-4)
    small = plan.rapo(LAPTOP, alpha=LAPTOP.alphas[0]).but("RAPO", learning_rate=3e-4)
    beside = {arm.name: plan.alpha_of(arm) for arm in plan.others(LAPTOP, small)}
    assert beside["forward KL"] == beside["RAPO without entropy"] == LAPTOP.alphas[0]
    assert sorted(beside.values()) == sorted([LAPTOP.alphas[0], *LAPTOP.alphas, LAPTOP.alpha])


def test_the_exact_toy_tells_the_order_of_the_paper() -> None:
    told = exact.exact(lambda *_, **__: None, depths=(0.1,), climbs=3000)
    mass = {name: told[f"0.1|{name}|mass"][-1] for name in exact.OBJECTIVES}
    assert mass["RAPO"] > mass["reverse KL"] + 0.2 > 0.5 and mass["reward alone"] < 1e-3
    assert told["0.1|RAPO|steps"] < told["0.1|forward KL, entropy|steps"]
    assert mass["reverse KL"] == pytest.approx(float(told["0.1|reverse KL|optimum"][0]), abs=0.01)
