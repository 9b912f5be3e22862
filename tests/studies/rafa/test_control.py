"""The loop of Game of 24: what feedback does, what is counted, and that a puzzle is played the same in any company."""

from __future__ import annotations

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.studies.rafa.control import LOOPS, PLAN, Simulated, attempt, beam_of_one, carry_out, control
from wayfare.worlds.game24 import start


def quiet(*_: float, **__: float) -> None:
    pass


def _draws(*values: float):
    yield from values
    while True:
        yield 0.99


def test_a_plan_costs_what_is_said_and_a_faultless_model_solves_at_once() -> None:
    model = Simulated(_draws(), remembers=False)
    found = attempt("ToT", model, start((4, 6, 1, 1)), PLAN)
    assert found is not None and found <= PLAN


def test_feedback_on_a_fault_is_not_repeated_and_without_memory_it_is() -> None:
    state = start((4, 6, 1, 1))
    for remembers, again in ((True, False), (False, True)):
        model = Simulated(iter([0.0, 0.1] * 3), remembers)  # always the first move, always a fault
        (move, _, faulty), *_ = model.propose(state, 1)
        assert faulty and carry_out(model, state, [(move, True)]) == state
        assert model.propose(state, 1)[0][2] is again


def test_the_valid_prefix_ends_before_a_fault_and_before_a_dead_end() -> None:
    model, state = Simulated(_draws(), True), start((1, 1, 4, 6))
    assert carry_out(model, state, [("4 * 6 = 24", False), ("1 * 1 = 1", True)]) == start((1, 1, 24))
    assert carry_out(model, start((1, 1, 4, 6)), [("1 - 4 = -3", False)]) in (state, start((1, 6, -3)))
    assert carry_out(model, start((1, 24)), [("1 + 24 = 25", False)]) == start((1, 24))
    assert (start((1, 24)), "1 + 24 = 25") in model.faults and start((25,)) in model.judged


def test_a_beam_prefers_what_is_judged_well() -> None:
    model = Simulated(_draws(), True)
    planned = beam_of_one(model, start((3, 8)))
    assert planned == [("3 * 8 = 24", False)]


def test_puzzles_of_a_seed_do_not_depend_on_the_company_and_calls_stay_in_budget() -> None:
    for loop in LOOPS:
        together = control(quiet, loop=loop, seeds=[1, 2, 3], count=6)
        alone = control(quiet, loop=loop, seeds=[2], count=6)
        assert together[f"24 {loop}|solved"][1] == alone[f"24 {loop}|solved"][0]
        curve = together[f"24 {loop}|curve"]
        assert (np.diff(curve, axis=1) >= 0).all() and (curve[:, -1] == together[f"24 {loop}|solved"]).all()
        assert together[f"24 {loop}|calls"].max() <= 4 * PLAN


def test_an_unknown_loop_is_refused() -> None:
    with pytest.raises(BadValue, match="loop"):
        control(quiet, loop="CoT", seeds=[1], count=1)
