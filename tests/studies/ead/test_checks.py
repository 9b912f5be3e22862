"""Checks and plan of the study: each check can pass and fail, and arms are one trainer with other samplers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.studies.language_players import Case, run_of
from wayfare.agents.language_rl.addresses import made
from wayfare.errors import BadValue
from wayfare.language.sampler import Sampler
from wayfare.studies.ead import STUDY, checks, plan
from wayfare.studies.ead.schedules import Schedule, sampler
from wayfare.studies.language_cells import controls, grid
from wayfare.studies.language_runs import Run

LAPTOP = STUDY.scales["laptop"]
PLAIN = controls(LAPTOP.rates, **plan.common())[1]
TUNED = plan.Tuned(PLAIN, plan.annealed(LAPTOP).but(plan.METHOD, learning_rate=1e-3))


def case() -> Case:
    """What its checks are tried with; its players start where no base stands."""
    return Case(
        checks.rules(LAPTOP, TUNED),
        ("above the frontier, untrained", "more breadth at equal pass@1, trained", "entropy falls less",
         "better at the worst"),
        checks.refuse_wrong_checks, checks.player,  # type: ignore[arg-type]
        lambda rule, runs: checks.check_of(LAPTOP, rule, runs),
    )  # fmt: skip


def test_worst_is_the_chance_that_all_answers_drawn_are_right() -> None:
    run = Run("a", 0, {"answers": np.array([4]), "right": np.array([[0, 2, 3, 4]])})
    assert checks.worst(run, 2) == pytest.approx([(0 + 1 / 6 + 3 / 6 + 1) / 4])
    with pytest.raises(BadValue, match="between 1 and 4"):
        checks.worst(run, 5)


def test_height_above_the_frontier_is_taken_at_equal_pass_at_one() -> None:
    def of(*points: tuple[float, float]) -> Run:
        return Run("a", 0, {"ks": np.array([1, plan.K]), "pass": np.array(points)})

    fixed = of((0.1, 0.8), (0.2, 0.6))
    assert plan.above(fixed, of((0.15, 0.75))) == pytest.approx(0.05)
    assert plan.above(fixed, of((0.3, 0.7))) == pytest.approx(0.1)  # beyond what any temperature reaches
    assert plan.above(fixed, of((0.05, 0.7))) == pytest.approx(-0.1)


def test_a_schedule_is_hot_first_and_passes_one_where_it_says() -> None:
    def at(told: Sampler, position: int) -> float:
        return told.at(position, 0)

    shape = Schedule(1.5, 0.3, 0.5, 12.0)
    forth, back = sampler(**shape.to_json()), sampler(**replace(shape, backwards=True).to_json())
    assert at(forth, 0) == pytest.approx(1.5) and at(forth, 6) == pytest.approx(1.0)
    assert [at(back, each) for each in range(12)] == pytest.approx([at(forth, 11 - each) for each in range(12)])
    assert sampler(**Schedule(0.8).to_json()) == Sampler(0.8)
    assert (Schedule(0.8).name, shape.name) == ("0.8", "annealed 1.5 to 0.3, 1 at 0.5")


def test_arms_differ_in_their_sampler_and_weights_alone() -> None:
    method = TUNED.method
    for arm in (method, plan.warm(LAPTOP, 1.2), *plan.others(LAPTOP)):
        assert set(arm.parts) == set(plan.SEAMS) and {**method.trainer, **arm.trainer} == {
            **method.trainer, "learning_rate": arm.trainer.get("learning_rate", 1e-3)
        }  # fmt: skip
        address, given = arm.parts["sampler"]
        assert isinstance(made(address, given, {}), Sampler)
    trained = sampler(**method.parts["sampler"][1])
    assert callable(trained.temperature)
    assert trained.temperature(torch.tensor([0.0, LAPTOP.length / 3]), 0).tolist() == pytest.approx([1.2, 1.0])
    cells = plan.arm_cells_of(LAPTOP, TUNED)
    assert {(cell.kwargs["token_budget"], cell.kwargs["split"]) for cell in cells} == {(LAPTOP.token_budget, "test")}
    drawn = [cell.kwargs["split"] for cell in plan.first_cells(LAPTOP) if "draws" in cell.name]
    assert drawn == ["selection"] * LAPTOP.tuning_seeds
    shape = plan.shapes(LAPTOP)[0]
    assert {cell.kwargs["split"] for cell in plan.inference_cells(LAPTOP, plan.Shapes(shape, shape))} == {"test"}


def test_shapes_are_the_highest_above_the_frontier_on_other_bases() -> None:
    tried = len(plan.shapes(LAPTOP))
    right = np.full((len(LAPTOP.fixed) + 2 * tried, 4), 8)
    right[len(LAPTOP.fixed) + 3] = [8, 8, 8, 16]
    right[len(LAPTOP.fixed) + tried + 2] = [8, 8, 8, 16]
    cell = {"right": right, "answers": np.array([32]), "malformed": np.zeros(len(right)), "length": np.ones(len(right))}
    told = plan.shapes_chosen(LAPTOP, {"base": {}, "draws to choose by, base 100": cell})
    assert told.cooled == plan.shapes(LAPTOP)[3]
    assert told.backwards == replace(plan.shapes(LAPTOP)[2], backwards=True)


def test_baseline_and_rate_are_the_best_by_both_ends_of_pass_at_k() -> None:
    found = {}
    for arm in (*controls(LAPTOP.rates), *grid(plan.annealed(LAPTOP), LAPTOP.rates)):
        end = {"reverse KL 0.1": 0.7, "annealed lr 0.0003": 0.6}.get(arm.name, 0.4)
        run = run_of([0.1, 0.2], [0.8, end], arm=arm.name)
        found[arm.name] = {**run.arrays, "ks": np.array([1, plan.K])}
    tuned = plan.chosen(LAPTOP, found)
    assert (tuned.baseline.name, tuned.method.trainer["learning_rate"]) == ("reverse KL 0.1", 3e-4)
