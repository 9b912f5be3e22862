"""Safe mixing: certificates that meet the floor, and the ways in which they cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.explore.rules import SafeMix


def textbook(bounds: list[float], floor: float, form: str) -> tuple[int, int, float]:
    """safe, bold, rho of one row, in plain Python."""
    last = len(bounds) - 1
    if bounds[0] >= floor:
        return (0 if form == "step" else last), 0, 0.0
    if form == "eps":
        return (last, 0, (floor - bounds[0]) / (bounds[last] - bounds[0])) if bounds[last] >= floor else (last, 0, 1.0)
    for j, bound in enumerate(bounds):
        if bound >= floor:
            return j, j - 1, (floor - bounds[j - 1]) / (bound - bounds[j - 1])
    return last, last, 1.0


@pytest.mark.parametrize("form", ["step", "eps"])
@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(st.floats(0, 4, width=32), min_size=4, max_size=4), min_size=1, max_size=6),
    floor=st.floats(0, 4, width=32),
)
def test_it_equals_the_textbook_row_by_row_in_both_libraries(form, rows, floor) -> None:
    found = SafeMix(form).mix(np.array(rows), floor)
    again = SafeMix(form).mix(torch.tensor(rows, dtype=torch.float64), floor)
    for i, row in enumerate(rows):
        safe, bold, rho = textbook(row, floor, form)
        assert (found.safe[i], found.bold[i]) == (safe, bold)
        assert found.rho[i] == pytest.approx(rho, abs=1e-12)
    for name in ("safe", "bold", "rho", "certificate", "certified"):
        assert np.array_equal(getattr(found, name), getattr(again, name).numpy())


@settings(max_examples=60, deadline=None)
@given(row=st.lists(st.floats(0, 4, width=32), min_size=2, max_size=5), floor=st.floats(0, 4, width=32))
def test_a_certified_mixture_of_bounds_reaches_the_floor_and_no_more_unless_it_is_fully_bold(row, floor) -> None:
    for form in ("step", "eps"):
        mix = SafeMix(form).mix(np.array(row), floor)
        value = mix.rho * row[int(mix.safe)] + (1 - mix.rho) * row[int(mix.bold)]
        assert 0 <= mix.rho <= 1
        if mix.certified:
            assert value >= floor - 1e-9 and mix.certificate >= floor
            assert mix.rho == 0 or value == pytest.approx(max(floor, 0), abs=1e-6) or mix.rho == 1
        else:
            assert mix.rho == 1 and int(mix.safe) == len(row) - 1


def test_by_hand() -> None:
    bounds = np.array([[0.0, 0.5, 1.5, 2.0], [1.2, 0.0, 0.0, 2.0], [0.0, 0.2, 0.1, 0.9], [0.0, 1.1, 0.3, 2.0]])
    step = SafeMix().mix(bounds, 1.0)
    assert step.safe.tolist() == [2, 0, 3, 1] and step.bold.tolist() == [1, 0, 3, 0]
    assert step.rho.tolist() == pytest.approx([0.5, 0.0, 1.0, 1 / 1.1])
    assert step.certificate.tolist() == pytest.approx([1.0, 1.2, 0.9, 1.0])
    assert step.certified.tolist() == [True, True, False, True]
    eps = SafeMix("eps").mix(bounds, 1.0)
    assert eps.rho.tolist() == pytest.approx([0.5, 0.0, 1.0, 0.5])


def test_with_two_policies_both_forms_are_one() -> None:
    bounds = np.random.default_rng(0).random((50, 2))
    one, other = (SafeMix(form).mix(bounds, 0.5) for form in ("step", "eps"))
    assert np.array_equal(one.rho, other.rho) and np.array_equal(one.certificate, other.certificate)


def test_a_floor_may_differ_by_row_and_an_unknown_bound_is_minus_infinity() -> None:
    mix = SafeMix("eps").mix(np.array([[-np.inf, 2.0], [1.0, 2.0]]), np.array([1.0, 1.5]))
    assert mix.rho.tolist() == [1.0, 0.5] and mix.certified.all()


def test_propensities_are_the_mixture_and_the_coin_follows_rho() -> None:
    policies = np.array([[0.0, 1.0, 0.0], [0.9, 0.05, 0.05], [1.0, 0.0, 0.0]])
    mix = SafeMix("eps").mix(np.array([0.2, 9.0, 1.0]), 0.4)
    assert float(mix.rho) == pytest.approx(0.25)
    assert mix.propensities(policies).tolist() == pytest.approx([0.25, 0.75, 0.0])
    draws = np.random.default_rng(1).random(20_000)
    wide = SafeMix("eps").mix(np.tile([0.2, 9.0, 1.0], (20_000, 1)), 0.4)
    picked = wide.picked(draws)
    assert set(picked.tolist()) == {0, 2} and abs((picked == 2).mean() - 0.25) < 0.02


def test_nonsense_is_refused() -> None:
    with pytest.raises(BadValue, match="step or eps"):
        SafeMix("both")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="NaN"):
        SafeMix().mix(np.array([0.1, np.nan]), 0.5)
    with pytest.raises(BadValue, match="one policy at least"):
        SafeMix().mix(np.zeros((3, 0)), 0.5)
