"""Budgets: exact optima, sums, fallbacks, and the shares that the method is known by."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.explore.budgets import (
    Knapsack,
    allocate_dynamic,
    allocate_knapsack,
    effective_share,
    gain,
    proportional_to_variance,
    uniform,
    value,
)


def test_value_and_gain_are_those_of_the_formula():
    p = np.linspace(0, 1, 21)[:, None]
    n = np.arange(1, 40)
    np.testing.assert_allclose(gain(p, n), value(p, n + 1) - value(p, n), atol=1e-15)
    assert (np.diff(gain(p[1:-1], n)) < 0).all()
    assert (value(p, 0) == 0).all()
    assert (value(p, 1) == 0).all()
    assert np.argmax(value(np.linspace(0, 1, 1001), 10_000)) == 333


def test_taking_the_largest_gains_is_the_optimum_of_every_small_case():
    p, total = np.array([0.03, 0.4, 0.9]), 13
    choices = [n for n in product(range(1, 9), repeat=3) if sum(n) == total]
    best = max(choices, key=lambda n: value(p, np.array(n)).sum())
    assert tuple(allocate_knapsack(p, total, 1, 8)) == best


def test_greedy_and_dynamic_programming_agree():
    rng = np.random.default_rng(0)
    for _ in range(60):
        tasks, low = int(rng.integers(1, 7)), int(rng.integers(1, 3))
        up = low + int(rng.integers(0, 9))
        total = int(rng.integers(low * tasks, up * tasks + 1))
        p = rng.choice([0.0, 1.0, *rng.beta(0.5, 0.8, 5)], tasks)
        greedy, dynamic = (solve(p, total, low, up) for solve in (allocate_knapsack, allocate_dynamic))
        assert value(p, greedy).sum() == pytest.approx(value(p, dynamic).sum(), abs=1e-14)
        for n in (greedy, dynamic):
            assert n.sum() == total
            assert low <= n.min() <= n.max() <= up


def test_equal_tasks_share_alike():
    assert allocate_knapsack([0.3] * 4, 22).tolist() == [6, 6, 5, 5]
    assert allocate_knapsack([0.0] * 4, 22).tolist() == [6, 6, 5, 5]
    assert uniform(4, 22).tolist() == [6, 6, 5, 5]


@pytest.mark.parametrize(
    ("a", "b", "plain", "samples", "tasks", "guessed"),
    [(0.3, 0.6, 0.52, 0.79, 0.53, 0.75), (0.5, 3, 0.49, 0.76, 0.52, 0.70), (1, 1, 0.78, 0.87, 0.77, 0.86)],
)
def test_the_shares_of_the_card_come_out(a, b, plain, samples, tasks, guessed):
    rng, found = np.random.default_rng(1), []
    for _ in range(12):
        p = rng.beta(a, b, 256)
        seen = rng.binomial(16, p) / 16
        exact = effective_share(p, allocate_knapsack(p, 2048))
        est = effective_share(p, allocate_knapsack(seen, 2048))
        found.append((effective_share(p, uniform(256, 2048)).samples, exact.samples, exact.tasks, est.samples))
    assert np.mean(found, axis=0) == pytest.approx([plain, samples, tasks, guessed], abs=0.03)


def test_a_proportional_budget_follows_the_variance_within_limits():
    n = proportional_to_variance([0.5, 0.25, 0.0, 1.0], 40, 2, 30)
    assert n.sum() == 40
    assert n[2:].tolist() == [2, 2]
    assert n[0] / n[1] == pytest.approx(4 / 3, abs=0.1)
    assert proportional_to_variance([0.5, 0.0, 0.0], 40, 2, 16).tolist() == [16, 12, 12]
    assert proportional_to_variance([0.5, np.nan, 0.0], 24, 2, 64).tolist() == [14, 8, 2]
    assert proportional_to_variance([np.nan] * 3, 7).tolist() == [3, 2, 2]
    rng = np.random.default_rng(2)
    for _ in range(30):
        p = rng.beta(0.3, 0.6, 9)
        got = proportional_to_variance(p, 60, 2, 20)
        assert got.sum() == 60
        assert 2 <= got.min() <= got.max() <= 20


def test_unknown_tasks_get_the_mean_and_settled_ones_a_fixed_few():
    got = Knapsack().allocate([np.nan, 0.0, 1.0, 0.1, 0.1, 0.05], 48)
    assert got.n[:3].tolist() == [8, 2, 2]
    assert got.n.sum() == 48
    assert got.how == "knapsack"


def test_a_surplus_goes_to_the_dead_and_else_to_the_others():
    easy = [0.5, 0.5]  # each needs floor(ln 0.1 / ln 0.5) = 3
    dead = Knapsack().allocate([*easy, 0.0, 1.0, np.nan], 60)
    assert dead.how == "surplus"
    assert dead.n.tolist() == [3, 3, 40, 2, 12]
    none_dead = Knapsack().allocate([*easy, 1.0, np.nan], 60)
    assert none_dead.n.tolist() == [3, 3, 21, 33]
    alone = Knapsack().allocate(easy, 60)
    assert alone.n.tolist() == [30, 30]
    assert Knapsack(n_low=4).allocate([*easy, 0.0], 60).n.tolist() == [4, 4, 52]
    by_mean = Knapsack(need="mean").allocate([*easy, 0.0], 60)
    assert by_mean.n.tolist() == [3, 3, 54]


def test_with_none_between_the_dead_get_what_is_left_and_else_all_alike():
    got = Knapsack().allocate([0.0, 0.0, 1.0], 24)
    assert got.n.tolist() == [11, 11, 2]
    assert got.how == "none between"
    assert Knapsack().allocate([np.nan] * 3, 25).n.tolist() == [9, 8, 8]
    assert Knapsack().allocate([1.0] * 3, 24).n.tolist() == [8, 8, 8]


def test_a_budget_over_the_limit_raises_the_limit_and_says_so():
    got = Knapsack(n_up=10).allocate([0.3, 0.2], 50)
    assert got.n.sum() == 50
    assert got.n_up == 25
    assert Knapsack(n_up=10).allocate([0.3, 0.2], 16).n_up == 10


def test_every_allocation_sums_to_the_budget():
    rng = np.random.default_rng(3)
    for _ in range(200):
        p = rng.choice([0.0, 1.0, np.nan, *rng.beta(0.3, 0.6, 4)], int(rng.integers(1, 12)))
        total = int(rng.integers(2 * len(p), 30 * len(p)))
        got = Knapsack(n_up=int(rng.integers(2, 40))).allocate(p, total)
        assert got.n.sum() == total
        assert 2 <= got.n.min() <= got.n.max() <= got.n_up


def test_what_cannot_be_allocated_is_refused():
    for wrong, field in (([0.5, 1.2], "p"), ([0.5, np.nan], "p"), ([[0.5]], "p")):
        with pytest.raises(BadValue, match=field):
            allocate_knapsack(wrong, 10)
    with pytest.raises(BadValue, match="total"):
        allocate_knapsack([0.5, 0.5], 3)
    with pytest.raises(BadValue, match="total"):
        Knapsack().allocate([0.5, 0.5], 3)
    with pytest.raises(BadValue, match="n_low"):
        allocate_knapsack([0.5], 3, 0)
