"""States of checks, and the scale on which readers compare them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.report.verdict import claimed, format_number, interval_text, lay_out, state, tally


def check(low: float | None, high: float | None, rule: str, threshold: Any, **more: Any) -> Any:
    estimate = None if low is None or high is None else (low + high) / 2
    fields = {"low": low, "high": high, "estimate": estimate, "rule": rule, "threshold": threshold, "unit": "u"}
    return SimpleNamespace(**fields, **more)


@pytest.mark.parametrize(
    ("low", "high", "rule", "threshold", "expected"),
    [
        (0.66, 0.7, "above", 0.65, "holds"),
        (0.64, 0.7, "above", 0.65, "undecided"),
        (0.60, 0.64, "above", 0.65, "fails"),
        (0.65, 0.7, "above", 0.65, "undecided"),  # touching the threshold is not above it
        (0.9, 1.0, "below", 1.1, "holds"),
        (1.0, 1.2, "below", 1.1, "undecided"),
        (1.2, 1.3, "below", 1.1, "fails"),
        (0.49, 0.51, "within", (0.48, 0.52), "holds"),
        (0.47, 0.51, "within", (0.48, 0.52), "undecided"),
        (0.40, 0.60, "within", (0.48, 0.52), "undecided"),
        (0.53, 0.60, "within", (0.48, 0.52), "fails"),
        (None, None, "above", 0.5, "untested"),
        (float("nan"), float("nan"), "above", 0.5, "untested"),
    ],
)
def test_a_check_holds_only_with_its_whole_interval(
    low: float | None, high: float | None, rule: str, threshold: Any, expected: str
) -> None:
    assert state(check(low, high, rule, threshold)) == expected


def test_a_reason_not_to_test_outweighs_the_interval() -> None:
    assert state(check(0.66, 0.7, "above", 0.65, reason="needs laptop scale")) == "untested"


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(BadValue, match="rule must be above, below or within"):
        lay_out([check(0.0, 1.0, "beside", 0.5)])


numbers = st.floats(-5, 5).map(lambda x: round(x, 3))


@given(
    st.lists(st.tuples(numbers, numbers, st.sampled_from(["above", "below", "within"]), numbers, numbers), min_size=1)
)
@settings(max_examples=80, deadline=None)
def test_a_place_shows_the_state(rows: list[tuple[float, float, str, float, float]]) -> None:
    """Inside of the shade when it holds, outside when it fails, across its edge otherwise."""
    checks = []
    for a, b, rule, one, other in rows:
        threshold = (min(one, other), max(one, other) + 0.01) if rule == "within" else one
        checks.append(check(min(a, b), max(a, b), rule, threshold))
    for place in lay_out(checks):
        assert place.low is not None and place.high is not None and place.estimate is not None
        assert -1 <= place.low <= place.estimate <= place.high <= 1
        start, end = place.claimed
        if place.state == "holds":
            assert start <= place.low and place.high <= end
        elif place.state == "fails":
            assert place.high <= start or end <= place.low
        else:
            assert place.low <= start <= place.high or place.low <= end <= place.high


def test_checks_of_one_unit_share_a_scale() -> None:
    near, far = lay_out([check(0.01, 0.02, "above", 0.0), check(0.1, 0.2, "above", 0.0)])
    assert far.high == pytest.approx(10 * near.high)  # type: ignore[operator]


def test_claims_and_intervals_read_well() -> None:
    assert claimed(check(0, 1, "above", 0.65)) == "> 0.65"
    assert claimed(check(0, 1, "within", (-0.03, 0.03))) == "\N{MINUS SIGN}0.03 to 0.03"
    assert interval_text(check(0.701, 0.717, "above", 0)) == "0.709 [0.701, 0.717]"
    assert interval_text(check(1.0, 1.0, "below", 2)) == "1 [1, 1]"
    assert interval_text(check(None, None, "below", 2)) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.7091, "0.709"),
        (-0.5, "\N{MINUS SIGN}0.5"),
        (40000, "40\N{NARROW NO-BREAK SPACE}000"),
        (4000, "4000"),
        (None, "\N{EN DASH}"),
        (True, "yes"),
        ("AB", "AB"),
        (2.0, "2"),
        (1.5e-7, "1.50e\N{MINUS SIGN}07"),
        (float("nan"), "\N{EN DASH}"),
        ((1, 2), "(1, 2)"),
    ],
)
def test_numbers_read_well(value: object, text: str) -> None:
    assert format_number(value) == text


def test_tally_counts_states(checks: list[Any]) -> None:
    assert tally(checks, "claim") == {"holds": 2, "fails": 1, "undecided": 1, "untested": 0}
    assert sum(tally(checks).values()) == 6
