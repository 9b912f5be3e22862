"""Checks and plan of the study: each check can pass and fail, priors differ in their loss and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.studies.language_players import Case, run_of
from wayfare.agents.language_rl import Arm
from wayfare.studies.language_cells import controls
from wayfare.studies.language_runs import Run
from wayfare.studies.ntp_precision import STUDY, checks, plan, probes

LAPTOP = STUDY.scales["laptop"]
TUNED = plan.Tuned(Arm("reverse KL 0.1", {"learning_rate": 1e-3, "beta": 0.1}), 3e-4, 0.9)


def prior_of(entropy: float, end: float = 0.1, arm: str = "base") -> Run:
    """A run from a prior whose entropy is proportional to the temperature."""
    found = run_of([0.1, end], [0.7, 0.7], arm=arm)
    told = {"probe/prior/loss": np.full(2, 0.6), "probe/prior/entropy": np.full(2, entropy)}
    told |= {f"probe/prior/entropy at {each:g}": np.full(2, each * entropy) for each in probes.TEMPERATURES}
    return Run(arm, 0, {**found.arrays, **told})


def case() -> Case:
    """What its checks are tried with."""
    return Case.of(
        checks, LAPTOP, checks.rules(LAPTOP, "GRPO"), prior_of(0.4),
        "a sharper prior ends higher", "above the tuned baseline", "a broader prior ends lower",
    )  # fmt: skip


def test_priors_differ_in_their_loss_and_arms_in_their_prior_alone() -> None:
    bases = [plan.base_of(LAPTOP, name, 3) for name in plan.priors(LAPTOP)]
    assert len({str(each) for each in bases}) == len(bases) == 9
    assert len({str(replace(each, loss="", loss_knobs={})) for each in bases}) == 1
    cells = plan.arm_cells_of(LAPTOP, TUNED)
    by_arm = {cell.kwargs["arm"].name: cell.kwargs["arm"] for cell in cells}
    assert not any(arm.parts for arm in by_arm.values())
    usual = [arm for name, arm in by_arm.items() if name not in (plan.BASELINE, plan.MATCHED)]
    assert all(arm.trainer == {"learning_rate": 3e-4} for arm in usual) and len(usual) == 9
    assert {name: by_arm[plan.MATCHED].trainer[name] for name in ("temperature", "eval_temperature")} == {
        "temperature": 0.9, "eval_temperature": 0.9
    }  # fmt: skip
    assert all(cell.kwargs["seed"] == cell.kwargs["base"].seed for cell in [*cells, *plan.tuning_cells(LAPTOP)])
    assert {cell.kwargs["split"] for cell in plan.tuning_cells(LAPTOP)} == {"selection"}


def test_every_prior_that_is_learned_from_was_made_before() -> None:
    made = {str(cell.kwargs["base"]) for cell in plan.prior_cells(LAPTOP)}
    for cells in (plan.tuning_cells(LAPTOP), plan.arm_cells_of(LAPTOP, TUNED)):
        assert {str(cell.kwargs["base"]) for cell in cells} <= made
        assert len({cell.name for cell in cells}) == len(cells)


def test_settings_are_the_best_on_tuning_runs_and_the_temperature_is_that_of_equal_entropy() -> None:
    ends = {"reverse KL 0.1": 0.3, f"{plan.PRECISE} lr 0.0001": 0.25}
    names = [arm.name for arm in controls(LAPTOP.rates, beta=LAPTOP.reverse, entropy=LAPTOP.entropy)]
    found = {name: prior_of(0.4, ends.get(name, 0.2), name).arrays for name in names}
    found |= {
        name: prior_of(0.35, ends.get(name, 0.2), name).arrays
        for name in (f"{plan.PRECISE} lr {rate:g}" for rate in LAPTOP.rates)
    }
    tuned = plan.chosen(LAPTOP, found)
    assert (tuned.baseline.name, tuned.rate) == ("reverse KL 0.1", 1e-4)
    assert tuned.temperature == pytest.approx(0.35 / 0.4)
