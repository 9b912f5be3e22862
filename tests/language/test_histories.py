"""A history becomes text and comes back with every bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.language.histories import History, from_text, to_text

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
NUMBERS = st.one_of(st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, 3.4e38]), FLOATS)


@st.composite
def histories(draw: st.DrawFn) -> History:
    steps, columns = draw(st.integers(0, 6)), draw(st.integers(1, 4))
    return History(
        np.array([[draw(NUMBERS) for _ in range(columns)] for _ in range(steps + 1)], np.float32),
        np.array([draw(st.integers(0, 25)) for _ in range(steps)], np.int64),
        np.array([draw(NUMBERS) for _ in range(steps)], np.float32),
        np.array([draw(st.integers(0, 4)) for _ in range(steps)], np.int8),
    )


@given(histories())
@settings(max_examples=100, deadline=None)
def test_a_history_survives_the_way_to_text_and_back(history: History) -> None:
    assert from_text(to_text(history), history.observation.shape[1]) == history


def test_the_text_of_a_small_history_is_as_the_module_says() -> None:
    history = History(np.eye(3)[[0, 1, 0]], [1, 0], [0, 0.25], [0, 1])  # type: ignore[arg-type]
    assert to_text(history) == "begin 0 act B 1 act A reward 0.25 end begin 0 act"


def test_a_reward_is_written_only_when_it_is_not_zero() -> None:
    texts = [to_text(History(np.zeros((2, 1)), [0], [reward], [1])) for reward in (0.0, 0.1)]  # type: ignore[arg-type, list-item]
    assert texts == ["begin act A end begin act", "begin act A reward 0.1 end begin act"]


NO_HISTORIES = [
    "", "act", "begin", "begin 7 act", "begin act a", "begin act A reward x act", "begin act A task act",
    "begin act A end act", "begin 0=. act",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_HISTORIES)
def test_a_text_that_is_no_history_is_refused_by_the_word(text: str) -> None:
    with pytest.raises(BadValue, match="word"):
        from_text(text, 2)


@pytest.mark.parametrize(
    "field, changed",
    [
        ("reward", [np.nan]),
        ("observation", [[np.inf], [0]]),
        ("action", [26]),
        ("boundary", [5]),
        ("observation", [[0]]),
    ],
)
def test_an_impossible_history_is_refused_by_its_field(field: str, changed: list[float]) -> None:
    good = {"observation": [[0], [0]], "action": [0], "reward": [0], "boundary": [0]}
    with pytest.raises(BadValue, match=field):
        History(**{**good, field: changed})  # type: ignore[arg-type]
