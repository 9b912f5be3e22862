"""What a log of cases is cleaned of before anything is learned from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from wayfare.errors import BadValue
from wayfare.learn.case_rows import (
    CaseRows,
    area_under_curve,
    guarded,
    inverse_propensity,
    same_question,
    split_by_question,
)


def rows(pairs: list[tuple[str, str]], rewards: list[float] | None = None) -> CaseRows:
    queries, questions = zip(*pairs, strict=True)
    told = [1.0] * len(pairs) if rewards is None else rewards
    return CaseRows(queries, tuple(f"[CASE] {q} [PLAN] p" for q in questions), np.array(told), questions)


def test_own_cases_evaluated_questions_and_missing_rewards_are_dropped_and_counted() -> None:
    log = rows(
        [("Who?", "who? "), ("a", "b"), ("a", "c"), ("x", "b"), ("b", "X"), ("a", "b")], [1, 1, math.nan, 1, 0, 0]
    )
    kept, dropped = guarded(log, never=["x"])
    assert [(q, c) for q, c in zip(kept.queries, kept.questions, strict=True)] == [("a", "b"), ("a", "b")]
    assert kept.rewards.tolist() == [1, 0]  # the row without a reward is not a failure
    assert dropped == {"the query's own case": 1, "no reward": 1, "evaluated on": 2}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=60), st.integers(0, 5))
def test_no_question_is_on_both_sides(pairs, seed) -> None:
    learn, held = split_by_question(rows([(f"Q {a}", f"q  {b}") for a, b in pairs]), 0.3, seed)
    asked = {same_question(each) for each in held.queries}
    assert asked.isdisjoint(map(same_question, learn.queries))
    assert asked.isdisjoint(map(same_question, learn.questions))
    assert len(held) == sum(same_question(f"q {a}") in asked for a, _ in pairs)  # all rows of a question together


def test_about_the_share_that_was_asked_for_is_held_out() -> None:
    _, held = split_by_question(rows([(f"q{i}", "") for i in range(1000)]), 0.2)
    assert 150 < len(held) < 250


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_that_of_scikit_learn(told) -> None:
    scores, good = [t[0] for t in told], [t[1] for t in told]
    if any(good) and not all(good):
        assert area_under_curve(scores, good) == pytest.approx(roc_auc_score(good, scores))
    else:
        assert math.isnan(area_under_curve(scores, good))


def test_inverse_propensities_undo_what_was_shown_often() -> None:
    """Two cases, one shown nine times as often: weighed, both count alike."""
    chances = np.array([0.9] * 9 + [0.1])
    weights = inverse_propensity(chances)
    assert weights.mean() == pytest.approx(1) and weights[:9].sum() == pytest.approx(weights[9])
    assert inverse_propensity([0.001, 0.5], clip=4.0).tolist() == pytest.approx([4 / 3, 2 / 3])


@pytest.mark.parametrize("given", [{"rewards": [2.0]}, {"rewards": [1.0, 0.0]}, {"propensities": [0.0]}])
def test_impossible_rows_are_refused(given) -> None:
    with pytest.raises(BadValue):
        CaseRows(("q",), ("c",), **{"rewards": [1.0], **given})  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="held_out"):
        split_by_question(rows([("a", "b")]), 1.0)
    with pytest.raises(BadValue, match="clip"):
        inverse_propensity([0.5], clip=0.5)
