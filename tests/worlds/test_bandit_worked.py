"""A decision worked out in words: by hand, over all tables, and read back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.worlds.bandit_worked import read_last_name, worked

NAMES = ("Red button", "Blue button", "Green button")


def test_a_decision_by_hand() -> None:
    assert worked(NAMES, [2, 0, 1], [0.25, 0.0, 1.0], [0.833, np.inf, 1.2], 1) == (
        "Red button: mean 0.25, bonus 0.83, value 1.08\n"
        "Blue button: never tried, value inf\n"
        "Green button: mean 1.00, bonus 1.20, value 2.20\n"
        "Blue button"
    )


@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(-3, 3), st.floats(0, 3)), min_size=1, max_size=3),
    st.floats(0, 0.999),
)
def test_the_arm_taken_has_the_highest_value_printed_and_is_read_back(
    rows: list[tuple[int, float, float]], u: float
) -> None:
    counts, value, bonus = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    index = np.where(counts > 0, value + bonus, np.inf)
    arm = int(index.argmax())
    names = NAMES[: len(rows)]
    text = worked(names, counts, value, bonus, arm)
    printed = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines()[:-1]]
    assert printed[arm] == max(printed)
    assert read_last_name(text, names, u) == (arm, True)


def test_an_arm_that_the_index_does_not_take_is_refused() -> None:
    with pytest.raises(BadValue, match="highest index"):
        worked(NAMES, [1, 1, 1], [0.0, 1.0, 0.5], [0.1, 0.1, 0.1], 0)
    with pytest.raises(BadValue, match="one number a name"):
        worked(NAMES, [1, 1], [0.0, 1.0, 0.5], [0.1, 0.1, 0.1], 1)


@pytest.mark.parametrize(
    ("text", "arm"),
    [
        ("Blue button looks good, but I take the RED   Button.", 0),
        ("red\nbutton", 0),
        ("Red button? No: Green button!", 2),
    ],
)
def test_the_last_name_counts_in_any_case_and_spacing(text: str, arm: int) -> None:
    assert read_last_name(text, NAMES, 0.99) == (arm, True)


def test_of_names_that_overlap_the_longer_is_meant_and_part_of_a_word_is_none() -> None:
    assert read_last_name("a sun hat", ("Sun", "Hat", "Sun Hat"), 0.0) == (2, True)
    assert read_last_name("bad apples", ("Ad A", "Ad B"), 0.6) == (1, False)
    assert read_last_name("Ad AB", ("Ad A", "Ad B"), 0.1) == (0, False)


@pytest.mark.parametrize("text", ["", None, "I press the button.", "Redbutton"])
def test_an_answer_without_a_name_is_a_random_arm_and_flagged(text: str | None) -> None:
    assert [read_last_name(text, NAMES, u) for u in (0.0, 0.5, 0.999)] == [(0, False), (1, False), (2, False)]
    with pytest.raises(BadValue, match="uniform"):
        read_last_name(text, NAMES, 1.0)
