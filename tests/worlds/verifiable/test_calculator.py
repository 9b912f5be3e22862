"""The calculator reads arithmetic exactly, evaluates nothing else, and ends a conversation without a call."""

from __future__ import annotations

from fractions import Fraction

import pytest

from wayfare.worlds.verifiable.calculator import Calculator, calculated


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("12 * 7", 84), ("2 + 3 * 4", 14), ("(2 + 3) * 4", 20), ("7 - 2 - 1", 4), ("8 / 4 / 2", 1), ("-3 + 5", 2),
        ("2 * -3", -6), ("0.1 + 0.2", Fraction(3, 10)), ("1 / 3", Fraction(1, 3)), ("((1))", 1),
    ],
)  # fmt: skip
def test_arithmetic_is_exact(expression: str, value: int | Fraction) -> None:
    assert calculated(expression) == value


@pytest.mark.parametrize(
    "text",
    ["", "2 +", "1 / 0", "2 ** 9", "9" * 30, "(1", "1)", "()", "1e9", "__import__('os')", "2,000", "1 2", "\u0663 + 1",
     "1.", "(" * 100 + "1" + ")" * 100, "-" * 150 + "1", "1+" * 150 + "1"],
)  # fmt: skip
def test_what_is_no_arithmetic_is_not_read(text: str) -> None:
    assert calculated(text) is None


def test_calls_are_answered_and_useless_ones_are_counted() -> None:
    world = Calculator()
    state, other = world.start({}), world.start({})
    said = ["so <call>12 * 7</call>", "#### 84"]
    assert world.respond_all([state, other], said) == ["84", None]
    told = [world.respond_all([state], [f"<call>{each}</call>"])[0] for each in ("1/3", "1/8", "12 *  7", "?", "1-3")]
    assert told == ["1/3", "0.125", "84", "error", "-2"] and state.useless == 2 and other.useless == 0
    assert world.respond_all([state], ["<call>1 + 1</call> is 2"]) == [None]  # the call does not end the turn
    assert world.respond_all([state], ["1 + 1</call>"]) == [None]
    huge = "*".join(["9" * 20] * 9)
    assert world.respond_all([state], [f"<call>{huge}</call>"]) == ["error"]
