"""Failure diagnostics, on histories short enough to count by hand and on slow loops."""

import math

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.explore.diagnostics import (
    best_fractions,
    diagnose,
    disagreements,
    early_catastrophic_failures,
    fit_regret,
    greedy_fractions,
    min_fraction_curve,
    min_fractions,
    pseudo_regret,
    suffix_failure_curve,
    suffix_failures,
    sweep_lengths,
)
from wayfare.explore.rules import UCB1

# Rounds run down, runs run right: arm 0 is best in the first three runs, all arms are alike in the last.
ACTIONS = np.array([[0, 1, 0, 0], [1, 2, 0, 1], [2, 0, 0, 2], [1, 1, 0, 0], [1, 1, 0, 1], [1, 0, 0, 2]])
MEANS = np.array([[0.9, 0.5, 0.2]] * 3 + [[0.5, 0.5, 0.5]])
REWARDS = np.array([[0, 1, 1, 0], [1, 0, 1, 1], [0, 1, 0, 0], [1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 1]], dtype=float)


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_suffix_fails_where_no_best_arm_is_taken_from_its_start_on():
    same(suffix_failures(ACTIONS, MEANS, 2), [1, 0, 0, np.nan])
    same(suffix_failures(ACTIONS, MEANS, 1), [0, 0, 0, np.nan])
    same(suffix_failures(ACTIONS, MEANS, 6), [1, 0, 0, np.nan])
    same(suffix_failures(ACTIONS[:5], MEANS, 4), [1, 1, 0, np.nan])
    same(suffix_failures(ACTIONS[:5], MEANS, 3), [1, 0, 0, np.nan])
    same(suffix_failures(ACTIONS[:5], MEANS), suffix_failures(ACTIONS[:5], MEANS, 3))
    same(suffix_failure_curve(ACTIONS, MEANS), [0, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3])
    same(suffix_failure_curve(ACTIONS[:5], MEANS), [0, 1 / 3, 1 / 3, 2 / 3, 2 / 3])


def test_several_best_arms_will_do():
    same(suffix_failures([[0], [1]], [[0.5, 0.5, 0.1]], 2), [0])
    same(suffix_failures([[0], [2]], [0.5, 0.5, 0.1], 2), [1])


def test_early_catastrophic_failure_is_a_suffix_that_begins_after_the_given_share():
    actions = np.array([[0], [0], [0], [1]])
    same(early_catastrophic_failures(actions, [0.9, 0.1]), [0])
    same(early_catastrophic_failures(actions, [0.9, 0.1], 0.75), [1])
    same(early_catastrophic_failures(actions[[0, 0, 3, 3]], [0.9, 0.1]), [1])
    same(suffix_failures(actions[[0, 0, 3, 3]], [0.9, 0.1]), [0])


def test_the_least_taken_arm_by_hand():
    same(min_fractions(ACTIONS, 3), [3 / 6, 3 / 6, 0, 1])
    same(min_fraction_curve(ACTIONS[:, :1], 3), [0, 0, 1, 3 / 4, 3 / 5, 3 / 6])
    same(min_fraction_curve(ACTIONS, 3)[-1], (0.5 + 0.5 + 0 + 1) / 4)


def test_greedy_rounds_by_hand():
    """Run 1 of the table: 0 pays 0; 1 is new (no); 2 is new (no); 1 leads with 1 (yes); yes; 1 pays 0 in round 5, so
    that it has 2/3 and still leads (yes)."""
    same(greedy_fractions(ACTIONS, REWARDS, 3)[0], 3 / 5)
    same(greedy_fractions(ACTIONS, REWARDS, 3)[2], 1)
    same(greedy_fractions([[0], [1], [0]], [[1], [1], [0]], 2), [1 / 2])


def test_diagnostics_equal_slow_loops_on_random_histories():
    rng = np.random.default_rng(0)
    rounds, runs, arms = 25, 7, 4
    actions, rewards = rng.integers(arms, size=(rounds, runs)), rng.integers(2, size=(rounds, runs)).astype(float)
    means = rng.uniform(size=(runs, arms))
    for start in (1, 9, 20, 25):
        loop = [means[r].argmax() not in actions[start - 1 :, r] for r in range(runs)]
        same(suffix_failures(actions, means, start), loop)
        same(suffix_failure_curve(actions, means)[start - 1], np.mean(loop))
    greedy = np.zeros(runs)
    for r in range(runs):
        for t in range(1, rounds):
            seen = {a: rewards[:t, r][actions[:t, r] == a].mean() for a in set(actions[:t, r])}
            greedy[r] += seen.get(actions[t, r], -1) == max(seen.values())
        share = min((actions[:, r] == a).mean() for a in range(arms))
        same(min_fractions(actions, arms)[r], arms * share)
        tried = [set(actions[:t, r]) == set(range(arms)) for t in range(1, rounds + 1)]
        same(sweep_lengths(actions, arms)[r], tried.index(True) + 1 if True in tried else math.inf)
        paid = sum(means[r].max() - means[r, a] for a in actions[:, r])
        same(pseudo_regret(actions, means)[-1, r], paid)
        same(best_fractions(actions, means)[r], (actions[:, r] == means[r].argmax()).mean())
    same(greedy_fractions(actions, rewards, arms), greedy / (rounds - 1))


def test_an_arm_never_tried_makes_the_sweep_infinite():
    same(sweep_lengths(ACTIONS, 3), [3, 3, math.inf, 3])


def test_a_teacher_agrees_with_itself_and_a_greedy_pupil_departs_greedily():
    """UCB1 takes the arm never tried; the pupil stays with the one that paid."""
    apart, greedy = disagreements([[0], [0], [0]], [[1], [1], [1]], 2, UCB1())
    same(apart, [1])
    same(greedy, [1])
    apart, greedy = disagreements([[0], [1]], [[1], [1]], 2, UCB1())
    same(apart, [0])
    assert np.isnan(greedy).all()
    apart, greedy = disagreements([[0], [1], [1]], [[1], [0], [0]], 2, UCB1())
    same(apart, [1 / 2])
    same(greedy, [0])


@pytest.mark.parametrize(
    ("weight", "exponent", "slope", "offset"),
    [(0.7, 1.0, 0.0, 0.0), (0.7, 2.0, 0.05, 3.0), (2.0, 0.5, 0.2, -1.0), (0.3, 1.37, 0.01, 0.5)],
)
def test_the_regret_curve_is_found_again(weight, exponent, slope, offset):
    t = np.arange(1, 1001)
    regret = weight * np.log(t) ** exponent / 0.2 + slope * t + offset
    fit = fit_regret(t, regret, 0.2)
    assert fit.error < 1e-3
    assert fit.exponent == pytest.approx(exponent, abs=0.02)
    assert fit.slope == pytest.approx(slope, abs=1e-3)
    assert fit.log_weight == pytest.approx(weight, rel=0.03)
    np.testing.assert_allclose(fit.at(t), regret, atol=0.01)


def test_signs_are_kept_where_least_squares_alone_would_not():
    t = np.arange(1, 200)
    falling = fit_regret(t, -0.1 * t, 0.5)
    assert falling.slope == 0 and falling.log_weight == 0
    assert falling.offset == pytest.approx(-10.0)
    straight = fit_regret(t, 0.3 * t, 0.5)
    assert straight.slope == pytest.approx(0.3) and straight.error < 1e-9


def test_the_whole_table_of_an_agent_that_is_stuck_and_one_that_is_not():
    rounds, runs = 100, 50
    rng = np.random.default_rng(1)
    means = np.array([0.2, 0.8])
    stuck = np.broadcast_to(np.arange(runs) % 2, (rounds, runs))
    clever = np.where(np.arange(rounds)[:, None] < 5, rng.integers(2, size=(rounds, runs)), 1)
    tables = [diagnose(a, (rng.uniform(size=a.shape) < means[a]).astype(float), means) for a in (stuck, clever)]
    assert tables[0]["suffix_failure"] == tables[0]["early_catastrophic_failure"] == 0.5
    assert tables[1]["suffix_failure"] == 0 and tables[1]["best_fraction"] > 0.95
    assert tables[0]["regret_slope"] == pytest.approx(0.3, abs=1e-3) and tables[1]["regret_slope"] < 0.01
    assert tables[0]["median_sweep_length"] == math.inf
    assert tables[0]["regret_q90"] == pytest.approx(60)


def test_what_is_not_defined_is_not_a_number():
    table = diagnose(ACTIONS, REWARDS, [0.5, 0.5, 0.5])
    for name in ("suffix_failure", "early_catastrophic_failure", "regret_exponent", "regret_slope"):
        assert math.isnan(table[name])
    assert math.isnan(diagnose([[0]], [[1.0]], [0.1, 0.9])["greedy_fraction"])
    assert diagnose(ACTIONS, REWARDS, MEANS)["suffix_failure"] == pytest.approx(1 / 3)
    with pytest.raises(BadValue, match="means"):
        suffix_failure_curve(ACTIONS, [0.5, 0.5, 0.5])
    with pytest.raises(BadValue, match="gap"):
        fit_regret(range(1, 9), range(8), 0.0)


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda: suffix_failures(ACTIONS, MEANS, 0), "start"),
        (lambda: suffix_failures(ACTIONS, MEANS, 7), "start"),
        (lambda: suffix_failures(ACTIONS, MEANS[:2]), "means"),
        (lambda: suffix_failures(ACTIONS, [0.1, np.nan, 0.2]), "means"),
        (lambda: suffix_failures(ACTIONS, [0.1, 0.2]), "actions"),
        (lambda: suffix_failures(ACTIONS[0], MEANS), "actions"),
        (lambda: suffix_failures(ACTIONS * 1.0, MEANS), "actions"),
        (lambda: early_catastrophic_failures(ACTIONS, MEANS, 1.0), "early"),
        (lambda: greedy_fractions(ACTIONS, REWARDS[:2], 3), "rewards"),
        (lambda: greedy_fractions(ACTIONS, REWARDS * np.nan, 3), "rewards"),
        (lambda: greedy_fractions(ACTIONS[:1], REWARDS[:1], 3), "actions"),
        (lambda: min_fractions(ACTIONS, 2), "actions"),
        (lambda: fit_regret([1, 2, 3], [1, 2, 3], 0.1), "times"),
        (lambda: fit_regret([0, 1, 2, 3], [1, 2, 3, 4], 0.1), "times"),
        (lambda: fit_regret([1, 2, 3, 4], [1, 2, 3], 0.1), "regret"),
        (lambda: fit_regret([1, 2, 3, 4], [1, 2, 3, np.inf], 0.1), "regret"),
    ],
)
def test_a_history_that_does_not_fit_is_refused_by_name(ask, field):
    with pytest.raises(BadValue) as refused:
        ask()
    assert refused.value.field == field
