"""Rank efficiency: its two branches, the list length that it prefers, and the reader of points on a screen."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.worlds.verifiable.efficiency import MOST_POINTS, aer_score, collinear, parse_points, rank_efficiency

BOX = (10, 10, 20, 20)


def points(*pairs: object) -> str:
    return json.dumps([{"point_2d": pair} for pair in pairs])


def test_hits_are_paid_by_rank_and_length_and_misses_by_length() -> None:
    assert rank_efficiency(1, 1) == 1 and rank_efficiency(1, None) == -1
    assert rank_efficiency(4, 1) == 0.5 and rank_efficiency(4, 4) == 0.25 and rank_efficiency(4, None) == -0.25
    for bad in ((0, None), (2, 3), (2, 0)):
        with pytest.raises(BadValue):
            rank_efficiency(*bad)


@pytest.mark.parametrize(
    ("chances", "expected"), [((0.9, 0.05), (0.80, 0.64)), ((0.3, 0.2, 0.15), (-0.40, 0.06, 0.19))]
)
def test_a_likely_answer_is_best_alone_and_an_unlikely_one_in_a_list(
    chances: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    found = []
    for n in range(1, len(chances) + 1):
        hit = sum(p * rank_efficiency(n, k) for k, p in enumerate(chances[:n], 1))
        found.append(hit + (1 - sum(chances[:n])) * rank_efficiency(n, None))
    assert found == pytest.approx(expected, abs=0.011)


def test_a_response_is_scored_by_all_the_names_of_the_release() -> None:
    found = aer_score("<think>there</think>" + points([0, 0], [15, 20], [3, 50]), BOX)
    assert found["score"] == pytest.approx(1 + 1 / math.sqrt(6)) and found["accuracy"] == 1 / math.sqrt(6)
    assert found["pred"] == [(0, 0), (15, 20), (3, 50)] and found["num_pred"] == 3 and found["format"] == 1
    assert found["has_correct"] and not found["first_correct"] and not found["only_correct"]
    assert not found["is_collinear"]
    alone = aer_score(points([10, 20]), BOX, thinking=False)
    assert alone["only_correct"] and alone["first_correct"] and alone["score"] == 2
    assert aer_score(points([9.99, 20], [0, 0]), BOX, thinking=False)["score"] == 0.5


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", points([1]), points([1, 2, 3]), points([True, 2]), points(["1", 2]), points([None, 2]),
     points([1, [2]]), '[{"point_2d": [NaN, 1]}]', '[{"point_2d": [Infinity, 1]}]', '[{"point_2d": [1e999, 1]}]',
     '[{"point_2d": [1' + "0" * 5000 + ", 1]}]", '[{"point": [1, 2]}]', '[{"point_2d": [1, 2], "label": "x"}]',
     "[[1, 2]]", points([15, 15]) + points([15, 15]), "so: " + points([15, 15]),
     points([15, 15]) + " done", "[" * 10_000,
     "```json\n" + points([15, 15]) + "\n```", points([15, 15]).replace("15", "\u0661\u0665"), '[{"point_2d": (1, 2)}]',
     "__import__('os')", "1" * 10**6, points(*([i, i * i] for i in range(MOST_POINTS + 1)))],
)  # fmt: skip
def test_what_is_no_list_of_points_is_a_failure_of_form(text: str) -> None:
    begun = time.process_time()
    found = aer_score(text, BOX, thinking=False)
    assert found["score"] == -1 and found["format"] == 0 and found["num_pred"] == 0
    assert time.process_time() - begun < 0.5


def test_the_thought_is_there_when_it_is_asked_for_and_not_otherwise() -> None:
    bare = points([15, 15])
    assert parse_points(bare) is None and parse_points("<think>x</think>" + bare, thinking=False) is None
    assert parse_points("<think>x</think>\n" + bare) == parse_points(bare, thinking=False) == [(15, 15)]
    assert parse_points("x</think>" + bare) is None and parse_points("<think>x" + bare) is None


def test_three_points_in_a_line_and_repeated_ones_make_a_list_worth_nothing() -> None:
    assert collinear([(0, 0), (5, 9), (1, 1), (2, 2)]) and not collinear([(0, 0), (1, 1), (2, 2.1)])
    line = aer_score(points([15, 15], [30, 30], [40, 40]), BOX, thinking=False)
    assert line["score"] == line["accuracy"] == -1 and line["is_collinear"] and line["format"] == 1
    twice = points([15, 15], [15, 15])
    assert aer_score(twice, BOX, thinking=False)["score"] == -1
    assert aer_score(twice, BOX, thinking=False, distinct=False)["score"] == pytest.approx(1 + 1 / math.sqrt(2))


def test_a_box_that_is_none_is_refused() -> None:
    for box in ((1, 2, 3), (5, 0, 1, 9), (0, 0, np.nan, 1)):
        with pytest.raises(BadValue, match="bbox"):
            aer_score(points([1, 1]), box, thinking=False)
