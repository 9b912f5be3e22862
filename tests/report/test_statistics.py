"""Intervals: exact against SciPy, covering what they promise, refusing what they cannot answer."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.report.statistics import (
    PERCENTILE_BOOTSTRAP_OF_FIVE,
    Interval,
    clustered_share_interval,
    crossed_interval,
    holm,
    interquartile_mean,
    iqm_interval,
    mean_interval,
    paired_interval,
    paired_p,
    share_interval,
    share_of_span_interval,
    student_quantile,
)

REPEATS = 4000


def covers(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def slack(level: float, repeats: int) -> float:
    """Four standard errors of a measured coverage."""
    return 4 * math.sqrt(level * (1 - level) / repeats)


@pytest.mark.parametrize("n", [5, 10, 20])
def test_student_intervals_cover_the_mean_in_95_percent_of_repetitions(n: int) -> None:
    values = np.random.default_rng(n).normal(2.0, 3.0, size=(REPEATS, n))
    coverage = np.mean([covers(mean_interval(row), 2.0) for row in values])
    assert abs(coverage - 0.95) < slack(0.95, REPEATS)


@pytest.mark.parametrize("n", [5, 10, 20])
def test_paired_intervals_cover_the_difference_and_profit_from_shared_noise(n: int) -> None:
    rng = np.random.default_rng(n)
    shared = rng.normal(0, 10, size=(REPEATS, n))
    a, b = shared + rng.normal(0.5, 1, size=shared.shape), shared + rng.normal(0, 1, size=shared.shape)
    intervals = [paired_interval(x, y) for x, y in zip(a, b, strict=True)]
    assert abs(np.mean([covers(i, 0.5) for i in intervals]) - 0.95) < slack(0.95, REPEATS)
    alone = mean_interval(a[0])
    assert intervals[0].high - intervals[0].low < (alone.high - alone.low) / 2


def test_a_percentile_bootstrap_of_five_seeds_would_cover_only_84_percent() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(REPEATS, 5))
    means = np.stack([row[rng.integers(5, size=(400, 5))].mean(axis=1) for row in values])
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    coverage = np.mean((low <= 0) & (high >= 0))
    assert abs(coverage - PERCENTILE_BOOTSTRAP_OF_FIVE) < 0.02


@pytest.mark.parametrize("n", [10, 20])
def test_bca_intervals_of_the_interquartile_mean_cover_at_least_91_percent(n: int) -> None:
    values = np.random.default_rng(n).normal(size=(800, n))
    coverage = np.mean([covers(iqm_interval(row), 0.0) for row in values])
    assert 0.91 < coverage < 0.97


@pytest.mark.parametrize("truth", [0.02, 0.3, 0.9])
def test_clopper_pearson_never_covers_less_than_it_says(truth: float) -> None:
    counts = np.random.default_rng(1).binomial(40, truth, size=2000)
    known = {int(k): share_interval(int(k), 40) for k in np.unique(counts)}
    assert np.mean([covers(known[int(k)], truth) for k in counts]) > 0.95 - slack(0.95, 2000)


@pytest.mark.parametrize("n", [5, 10, 20])
def test_clustered_shares_cover_where_counting_every_episode_would_not(n: int) -> None:
    rng = np.random.default_rng(n)
    by_seed = rng.beta(12, 8, size=(500, n))  # agents differ: mean 0.6, sd 0.11
    trials = np.full(n, 200)
    successes = rng.binomial(200, by_seed)
    clustered = np.mean([covers(clustered_share_interval(s, trials), 0.6) for s in successes])
    independent = np.mean([covers(share_interval(int(s.sum()), 200 * n), 0.6) for s in successes[:100]])
    assert abs(clustered - 0.95) < slack(0.95, 500)
    assert independent < 0.7


@pytest.mark.parametrize(("seeds", "questions", "spread"), [(5, 64, 0.1), (3, 40, 0.02), (2, 20, 0.05)])
def test_crossed_intervals_cover_where_seeds_alone_would_not(seeds: int, questions: int, spread: float) -> None:
    draw = np.random.default_rng(seeds)
    effects = [draw.normal(size=shape) for shape in ((400, seeds, 1), (400, 1, questions), (400, seeds, questions))]
    values = spread * effects[0] + 0.3 * effects[1] + 0.2 * effects[2]
    both = [crossed_interval(each) for each in values]
    alone = [mean_interval(each.mean(axis=1)) for each in values]
    assert np.mean([each.low <= 0 <= each.high for each in both]) >= 0.925
    assert np.mean([each.low <= 0 <= each.high for each in alone]) < 0.92


def test_crossed_intervals_of_questions_that_do_not_matter_are_those_of_seeds() -> None:
    values = np.array([0.1, 0.4, 0.2])[:, None] + np.zeros((1, 8))
    both, alone = crossed_interval(values), mean_interval(values.mean(axis=1))
    assert (both.low, both.high) == pytest.approx((alone.low, alone.high))
    one = crossed_interval([[0.0, 1.0, 1.0]])
    assert one.high == pytest.approx(mean_interval([0.0, 1.0, 1.0]).high) and "one seed" in one.method
    with pytest.raises(BadValue, match="values"):
        crossed_interval([0.0, 1.0])


def test_agreeing_seeds_promise_no_more_than_independent_trials() -> None:
    interval = clustered_share_interval([50, 50, 50], [50, 50, 50])
    exact = share_interval(150, 150)
    assert (interval.low, interval.high) == (exact.low, 1.0)
    assert interval.n == 3


def test_seeds_that_happen_to_agree_are_as_wide_as_independent_trials() -> None:
    interval, exact = clustered_share_interval([25, 25, 25], [50, 50, 50]), share_interval(75, 150)
    assert (interval.low, interval.high) == (exact.low, exact.high)


def test_bca_intervals_of_skewed_values_equal_scipys() -> None:
    values = np.random.default_rng(5).lognormal(size=15)
    ours = iqm_interval(values)
    theirs = scipy.stats.bootstrap(
        (values,), lambda x, axis: interquartile_mean(np.moveaxis(x, axis, -1)), n_resamples=9999, rng=1
    ).confidence_interval
    width = theirs.high - theirs.low
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.05 * width)


def test_clustered_shares_of_equal_size_are_student_t_on_the_shares() -> None:
    successes = np.array([40, 60, 65, 50])
    ours, t = clustered_share_interval(successes, np.full(4, 100)), mean_interval(successes / 100)
    assert np.allclose([ours.estimate, ours.low, ours.high], [t.estimate, t.low, t.high])


@given(st.floats(0.001, 0.999), st.floats(1, 300))
@settings(max_examples=60, deadline=None)
def test_student_quantiles_equal_scipys(p: float, freedom: float) -> None:
    exact = float(scipy.stats.t.ppf(p, freedom))
    assert student_quantile(p, freedom) == pytest.approx(exact, rel=1e-7, abs=1e-7)


@given(st.integers(1, 3000), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_clopper_pearson_equals_scipys(trials: int, share: float) -> None:
    successes = round(share * trials)
    ours = share_interval(successes, trials)
    theirs = scipy.stats.binomtest(successes, trials).proportion_ci(method="exact")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-10)


def test_student_interval_of_a_hand_worked_case() -> None:
    interval = mean_interval([1.0, 2.0, 3.0])  # sd 1, t(0.975, 2) = 4.302653
    assert (interval.estimate, interval.n, interval.method) == (2.0, 3, "Student t")
    assert interval.high - 2.0 == pytest.approx(4.302652730 / math.sqrt(3))
    assert str(interval) == "2 [-0.484, 4.48]"


def test_share_of_span_is_taken_seed_by_seed() -> None:
    interval = share_of_span_interval([1.5, 2.0, 4.0], [1.0, 1.0, 2.0], [2.0, 3.0, 4.0])
    assert interval.estimate == pytest.approx((0.5 + 0.5 + 1.0) / 3)


def test_interquartile_mean_weights_the_quartiles_by_what_lies_inside() -> None:
    assert interquartile_mean(np.array([9.0, 1.0, 2.0, 0.0])) == 1.5  # the middle two of 0 1 2 9
    # six values: 1.5 of them are cut at each end, so the second and the fifth count by half
    assert interquartile_mean(np.array([0.0, 1, 2, 3, 5, 90])) == pytest.approx((0.5 * 1 + 2 + 3 + 0.5 * 5) / 3)


def test_bca_intervals_repeat_and_scale_with_the_values() -> None:
    x = np.random.default_rng(3).normal(size=12)
    one, same, doubled = iqm_interval(x), iqm_interval(x), iqm_interval(2 * x)
    assert one == same
    assert (doubled.low, doubled.high) == pytest.approx((2 * one.low, 2 * one.high))
    constant = iqm_interval(np.full(10, 4.0))
    assert (constant.low, constant.high) == (4.0, 4.0)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: mean_interval([1.0]), "values"),
        (lambda: mean_interval([1.0, float("nan")]), "values"),
        (lambda: mean_interval([[1.0, 2.0]]), "values"),
        (lambda: mean_interval([1.0, 2.0], level=1.0), "level"),
        (lambda: paired_interval([1.0, 2.0], [1.0, 2.0, 3.0]), "b"),
        (lambda: paired_interval([1.0, 2.0], [1.0, float("inf")]), "b"),
        (lambda: iqm_interval(np.zeros(9)), "values"),
        (lambda: share_interval(1, 0), "trials"),
        (lambda: share_interval(6, 5), "successes"),
        (lambda: clustered_share_interval([1, 7], [5, 5]), r"successes\[1\]"),
        (lambda: clustered_share_interval([1, 0], [5, 0]), "trials"),
        (lambda: share_of_span_interval([1.0, 1.0], [0.0, 2.0], [1.0, 1.0]), r"top\[1\]"),
        (lambda: student_quantile(0.0, 3), "p"),
        (lambda: student_quantile(0.9, 0), "freedom"),
    ],
)
def test_what_has_no_interval_is_refused_by_name(call: object, field: str) -> None:
    with pytest.raises(BadValue, match=f"^{field} must be"):
        call()  # type: ignore[operator]


def test_the_package_needs_numpy_alone() -> None:
    code = (
        "import sys, wayfare.report.statistics, wayfare.report.tables, wayfare.report.plots, wayfare.report.html, "
        "wayfare.report.site; print([m for m in ('scipy', 'matplotlib', 'torch', 'pandas') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=3, max_size=12))
def test_the_p_of_a_paired_test_is_scipys(pairs: list[tuple[float, float]]) -> None:
    a, b = np.array(pairs).T
    if np.ptp(a - b) > 1e-6:
        assert paired_p(a, b) == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue, abs=1e-9)


def test_a_paired_test_of_equal_differences_is_certain() -> None:
    assert paired_p([1.0, 2.0], [1.0, 2.0]) == 1.0
    assert paired_p([2.0, 3.0], [1.0, 2.0]) == 0.0


def test_holm_adjusts_as_worked_by_hand_and_never_reorders() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0]) and len(holm([])) == 0
    with pytest.raises(BadValue, match="between 0 and 1"):
        holm([0.5, 1.5])
