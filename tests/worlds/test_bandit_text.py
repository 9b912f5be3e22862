"""Bandits in words: what is printed, and what an answer means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.worlds.bandit_text import (
    SCENARIOS,
    decimal,
    guided,
    guided_in_context,
    newest,
    raw,
    raw_in_context,
    read_answer,
    require_names,
    summary,
)

NAMES = ("Red", "Red button", "Blue")


def test_an_answer_in_any_case_and_spacing_is_its_arm() -> None:
    for text, arm in (("Red", 0), (" rEd\n", 0), ("redBUTTON", 1), ("R e d  button", 1), ("blue", 2)):
        assert read_answer(text, NAMES, 0.99) == (arm, True)


@pytest.mark.parametrize("text", ["", None, "   ", "Red.", "the Red button", "Re", "Red buttons", "Red Blue", "0"])
def test_anything_else_is_a_random_arm_and_flagged(text: str | None) -> None:
    assert [read_answer(text, NAMES, u) for u in (0.0, 0.34, 0.99)] == [(0, False), (1, False), (2, False)]


def test_random_arms_are_uniform() -> None:
    draws = (np.arange(3000) + 0.5) / 3000
    assert np.bincount([read_answer("?", NAMES, float(u)).arm for u in draws]).tolist() == [1000] * 3


def test_names_that_differ_in_case_and_spacing_only_are_refused() -> None:
    for names in (("A b", "aB"), ("x", "x"), ("x", " "), ()):
        with pytest.raises(BadValue, match="names"):
            require_names(names)
    with pytest.raises(BadValue, match="uniform"):
        read_answer("Red", NAMES, 1.0)


def test_one_arm_is_a_bandit_too() -> None:
    assert read_answer("nonsense", ("Only",), 0.7) == (0, False)
    assert summary(("Only",), [0], [0], "points") == "Only: pulled never, mean never"


def test_a_summary_by_hand_with_never_for_no_pulls() -> None:
    found = summary(NAMES, [1, 0, 12], [0.5, 0.0, 4.0], "points")
    assert found.split("\n") == [
        "Red: pulled 1 time, mean 0.50 points",
        "Red button: pulled never, mean never",
        "Blue: pulled 12 times, mean 0.33 points",
    ]
    assert summary(NAMES, [1, 0, 12], [0.5, 0, 4], "points", [2, 0, 1]).startswith("Blue: pulled 12")


def test_guidance_is_a_summary_with_two_more_numbers_and_inf_for_no_pulls() -> None:
    found = guided(NAMES, [1, 0, 12], [0.5, 0, 4], [0.5, 0, 1 / 3], [1.117, math.inf, 0.3225], "points", [1, 0, 2])
    assert found.split("\n") == [
        "Red button: pulled never, mean never, exploration bonus inf, exploitation value 0.00",
        "Red: pulled 1 time, mean 0.50 points, exploration bonus 1.12, exploitation value 0.50",
        "Blue: pulled 12 times, mean 0.33 points, exploration bonus 0.32, exploitation value 0.33",
    ]


def test_a_raw_history_keeps_the_newest_pulls() -> None:
    assert raw(NAMES, [], [], "points") == "nothing yet"
    assert raw(NAMES, [0, 2, 1], [1.0, 0.0, 0.126], "points", 2) == "Blue, 0.00 points\nRed button, 0.13 points"
    assert newest(["aa", "b", "c"], 2, len) == (["b", "c"], True)
    assert newest(["aa", "b"], 3, len) == (["aa", "b"], False)


def test_a_contextual_history_shows_the_guide_of_each_pull_as_it_was_then() -> None:
    names, then = ("P", "Q"), ([0.1, 0.2], [0.3, 0.4])
    assert raw_in_context(names, ["young"], [1], [2.0], "stars") == "young -> Q, 2.00 stars"
    found = guided_in_context(names, ["young"], [1], [2.0], [then], "old", [0.5, 0.6], [0.7, 0.8], "stars")
    first, now = found.split("\n")
    assert first == (
        'young -> {"P": {"exploration bonus": 0.30, "exploitation value": 0.10}, '
        '"Q": {"exploration bonus": 0.40, "exploitation value": 0.20}} -> Q, 2.00 stars'
    )
    assert now == (
        'Now: old -> {"P": {"exploration bonus": 0.70, "exploitation value": 0.50}, '
        '"Q": {"exploration bonus": 0.80, "exploitation value": 0.60}}'
    )


@given(st.floats(-1e6, 1e6))
def test_decimals_are_within_half_a_unit_and_never_a_negative_zero(x: float) -> None:
    text = decimal(x)
    assert abs(float(text) - x) <= 0.005 + 1e-9 * abs(x) and text != "-0.00"


def test_what_is_not_a_number_is_not_printed() -> None:
    assert decimal(math.inf) == "inf" and decimal(-0.004) == "0.00"
    with pytest.raises(BadValue, match="number"):
        decimal(math.nan)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 1.0])), max_size=20), st.permutations(range(3)))
def test_the_order_of_rows_permutes_lines_and_nothing_else(pulls: list[tuple[int, float]], order: list[int]) -> None:
    counts, sums = np.zeros(3), np.zeros(3)
    for a, r in pulls:
        counts[a] += 1
        sums[a] += r
    plain = summary(NAMES, counts, sums, "points").split("\n")
    assert summary(NAMES, counts, sums, "points", order).split("\n") == [plain[a] for a in order]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_prompt_has_task_examples_history_and_query_in_this_order(name: str) -> None:
    scenario = SCENARIOS[name]
    names = scenario.named(20)
    require_names(names)
    task = scenario.instruction(names[:5], 300)
    assert all(each in task for each in names[:5]) and "300" in task and "{" not in task
    assert len(scenario.instruction(names, 300, detailed=True)) > len(scenario.instruction(names, 300))
    prompt = scenario.prompt(task, "NOW", [("PAST", scenario.query, "EXPERT")])
    places = [prompt.index(part) for part in (task, "PAST", "EXPERT", "NOW")]
    assert places == sorted(places) and prompt.endswith(f"{scenario.query}\nAnswer:")
    assert "expert" not in scenario.prompt(task, "NOW")


def test_what_does_not_fit_is_refused() -> None:
    for make, field in (
        (lambda: summary(NAMES, [1, 2], [0, 0, 0], "p"), "counts"),
        (lambda: summary(NAMES, [1, 2, 3], [0, 0, 0], "p", [0, 0, 1]), "order"),
        (lambda: guided(NAMES, [1, 1, 1], [0, 0, 0], [1], [1, 1, 1], "p"), "value"),
        (lambda: raw(NAMES, [0, 3], [0, 0], "p"), "actions"),
        (lambda: raw(NAMES, [0], [0, 0], "p"), "rewards"),
        (lambda: raw_in_context(NAMES, [], [0], [0], "p"), "contexts"),
        (lambda: SCENARIOS["ads"].named(21), "arms"),
        (lambda: newest(["a"], 0), "most"),
    ):
        with pytest.raises(BadValue) as refused:
            make()
        assert refused.value.field == field
