"""SquareCB and FastCB: the equations by hand, a plain loop action for action, ties, floors and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules import ArmTable, FastCB, Scores, SquareCB, gamma_at

RULES = [SquareCB(0.0), SquareCB(8.0), SquareCB(float("inf")), FastCB(8.0), FastCB(30.0, 1e-3, 0.01)]


def square(f: list[float], b: int, gamma: float) -> list[float]:
    """(1) for one best action b, in plain Python."""
    p = [1.0 / (len(f) + gamma * (f[b] - x)) for x in f]
    p[b] = 1.0 - sum(p[:b] + p[b + 1 :])
    return p


def fast(f: list[float], b: int, gamma: float, least_loss: float = 1e-6) -> list[float]:
    loss = [min(max(1.0 - x, least_loss), 1.0) for x in f]
    p = [loss[b] / (len(f) * loss[b] + gamma * (x - loss[b])) for x in loss]
    p[b] = 1.0 - sum(p[:b] + p[b + 1 :])
    return p


def textbook(formula: Any, f: list[float], mask: list[bool], gamma: float) -> list[float]:
    """The formula over the allowed actions, averaged over which of the exact ties is b."""
    places = [a for a, ok in enumerate(mask) if ok]
    seen = [f[a] for a in places]
    ties = [i for i, x in enumerate(seen) if x == max(seen)]
    p = [0.0] * len(f)
    for b in ties:
        for place, share in zip(places, formula(seen, b, gamma), strict=True):
            p[place] += share / len(ties)
    return p


def test_squarecb_by_hand() -> None:
    p = chances(SquareCB(10.0), [0.1, 0.5, 0.4, 9.0], [True, True, True, False])
    assert p == pytest.approx([1 / 7, 1 - 1 / 7 - 1 / 4, 1 / 4, 0.0])


def test_fastcb_by_hand() -> None:
    """Losses 0.1, 0.3, 0.2: weights 0.1 / (0.3 + 5 * 0.2) and 0.1 / (0.3 + 5 * 0.1)."""
    p = chances(FastCB(5.0), [0.9, 0.7, 0.8])
    assert p == pytest.approx([1 - 1 / 13 - 1 / 8, 1 / 13, 1 / 8])


def chances(rule: Any, scores: Any, mask: Any = None) -> np.ndarray:
    """Propensities of one row: the loop over a short row must agree with the arrays of a batch."""
    row = np.array(scores, dtype=float)
    alone = rule.propensities(Scores(row), None if mask is None else np.array(mask))
    batch = rule.propensities(Scores(row[None]), None if mask is None else np.array(mask)[None])
    assert alone == pytest.approx(batch[0], abs=1e-14, rel=1e-12)
    return np.asarray(batch[0])


@pytest.mark.parametrize(("rule", "formula"), [(SquareCB, square), (FastCB, fast)])
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_row_is_the_textbook_averaged_over_ties(rule: Any, formula: Any, data: st.DataObject) -> None:
    f = [x / 8 for x in data.draw(st.lists(st.integers(0, 8), min_size=1, max_size=7))]
    mask = data.draw(st.lists(st.booleans(), min_size=len(f), max_size=len(f)).filter(any))
    gamma = data.draw(st.floats(0.0, 1e4))
    p = chances(rule(gamma), f, mask)
    assert p == pytest.approx(textbook(formula, f, mask, gamma), abs=1e-12)
    best = max(x for x, ok in zip(f, mask, strict=True) if ok)
    ties = [x == best and ok for x, ok in zip(f, mask, strict=True)]
    assert p[ties].sum() >= sum(ties) / sum(mask) - 1e-12
    assert p.sum() == pytest.approx(1.0, abs=1e-12) and p.min() >= 0


@pytest.mark.parametrize(("rule", "formula"), [(SquareCB(7.0), square), (FastCB(7.0), fast)])
def test_a_plain_loop_chooses_the_same_actions(rule: Any, formula: Any) -> None:
    rng = np.random.default_rng(0)
    scores, mask = rng.integers(0, 5, (300, 5)) / 4, rng.random((300, 5)) < 0.7
    mask[:, 0] = True
    batch = rule.decide(Scores(scores), mask, Stream(4, "policy").at(np.arange(300), 9)).action
    for row in range(300):
        p = textbook(formula, scores[row].tolist(), mask[row].tolist(), 7.0)
        u, action = float(Stream(4, "policy").at(row, 9).uniform()), 0
        while u >= p[action]:
            u -= p[action]
            action += 1
        assert batch[row] == action, f"row {row}"
    assert set(batch.tolist()) == set(range(5))


def test_ties_are_chosen_equally_often_and_not_by_place() -> None:
    scores = np.tile([0.2, 0.7, 0.1, 0.7], (20_000, 1))
    action = SquareCB(50.0).decide(Scores(scores), None, Stream(1, "policy").at(np.arange(20_000))).action
    share = np.bincount(action, minlength=4) / 20_000
    assert share == pytest.approx([1 / 29, 0.5 * (1 - 1 / 29 - 1 / 34), 1 / 34, 0.5 * (1 - 1 / 29 - 1 / 34)], abs=0.015)


def test_greed_nought_is_uniform_and_infinite_greed_is_greedy() -> None:
    scores, mask = [0.3, 0.9, 0.9, 0.5], np.array([True, True, True, False])
    assert chances(SquareCB(0.0), scores, mask) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    assert chances(FastCB(0.0), scores, mask) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    for rule in (SquareCB(np.inf), FastCB(np.inf)):
        assert chances(rule, scores, mask) == pytest.approx([0, 0.5, 0.5, 0])
        taken = rule.decide(Scores(np.tile(scores, (500, 1))), mask, Stream(0, "policy").at(np.arange(500)))
        assert set(taken.action.tolist()) == {1, 2}


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_one_allowed_action_is_certain(rule: Any) -> None:
    mask = np.array([[False, True, False], [True, False, False]])
    scores = Scores(np.array([[0.9, 0.1, 0.5], [0.0, 1.0, 1.0]]))
    assert rule.propensities(scores, mask).tolist() == mask.astype(float).tolist()
    decision = rule.decide(scores, mask, Stream(0, "policy").at(np.arange(2)))
    assert decision.action.tolist() == [1, 0] and decision.propensity.tolist() == [1.0, 1.0]


def test_each_row_may_have_a_greed_of_its_own() -> None:
    scores, greed = np.array([[0.1, 0.6, 0.3]] * 4), np.array([0.0, 2.0, 20.0, np.inf])
    together = SquareCB(greed).propensities(Scores(scores))
    for i, gamma in enumerate(greed):
        assert together[i] == pytest.approx(SquareCB(float(gamma)).propensities(Scores(scores[i])))
    in_torch = SquareCB(greed).propensities(Scores(torch.tensor(scores)))
    assert np.allclose(in_torch.numpy(), together, atol=1e-12)
    with pytest.raises(BadValue, match=r"^gamma must be a number, or broadcastable to \[4\], got \[3\]"):
        SquareCB(greed[:3]).propensities(Scores(scores))


def test_a_perfect_best_action_still_leaves_something_to_explore() -> None:
    p = chances(FastCB(2.0), [1.0, 1.0 - 1e-9, 0.5, 3.0])
    assert p.sum() == pytest.approx(1.0) and np.all(p > 0)
    assert p[2] == pytest.approx(1e-6 / (4e-6 + 2.0 * (0.5 - 1e-6)))
    assert p[0] == pytest.approx(0.25) and p[3] > 0.4  # within the floor no gap is left


def test_no_propensity_falls_below_the_least_asked_for() -> None:
    scores = [0.0, 0.9, 0.95, 1.0]
    p = chances(SquareCB(1e6, least=0.02), scores)
    assert p == pytest.approx([0.02, 0.02, 0.02, 0.94])
    assert chances(FastCB(1e6, least=0.9), scores) == pytest.approx([0.25] * 4)


def test_infinite_scores_count_only_where_they_are_allowed() -> None:
    scores = Scores(np.array([[0.0, np.inf], [0.5, 0.1]]))
    assert SquareCB(1.0).propensities(scores, np.array([[True, False], [True, True]]))[0].tolist() == [1.0, 0.0]
    for wrong in (scores, Scores(scores.scores[0])):
        with pytest.raises(BadValue, match="finite for SquareCB"):
            SquareCB(1.0).propensities(wrong)
    assert SquareCB(1.0).propensities(Scores(scores.scores[0]), np.array([True, False])).tolist() == [1.0, 0.0]


def test_a_table_of_arms_is_read_by_its_means() -> None:
    table = ArmTable(np.array([4.0, 0.0, 2.0]), np.array([3.0, 0.0, 1.0]), np.zeros(3))
    assert SquareCB(9.0).propensities(table) == pytest.approx(
        SquareCB(9.0).propensities(Scores(np.array([0.75, 0.0, 0.5])))
    )


def test_greed_by_schedule() -> None:
    assert gamma_at(0) == 0.0 and gamma_at(400) == pytest.approx(200.0)
    assert gamma_at(4000, 6, scale=1.0) == pytest.approx(np.sqrt(24_000))
    assert gamma_at(np.array([1.0, 16.0]), exponent=0.25) == pytest.approx([10.0, 20.0])
    with pytest.raises(BadValue, match=r"^learned must be at least 0"):
        gamma_at(-1)
