"""Intervals against their equations in plain loops, and against the truth: how often they hold it."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.evaluation import evaluate
from wayfare.explore.evaluation.estimators import Terms
from wayfare.explore.evaluation.intervals import (
    bootstrap,
    confidence_sequence,
    empirical_bernstein,
    normal,
    off_policy_sequence,
)


def _mean(x: np.ndarray) -> Terms:
    return Terms(x, np.ones_like(x))


def test_normal_of_a_mean_by_hand_and_of_a_ratio_by_the_delta_method() -> None:
    low, high = normal(_mean(np.array([1.0, 2.0, 3.0, 6.0])), 0.9)
    error = math.sqrt(14 / 3 / 4)
    assert (low, high) == pytest.approx((3 - 1.6448536269514722 * error, 3 + 1.6448536269514722 * error))
    r, w = np.array([1.0, 0.0, 2.0, 1.0]), np.array([2.0, 1.0, 0.5, 0.5])
    value = 3.5 / 4
    off = [w[i] * (r[i] - value) for i in range(4)]  # the mean of the weights is 1
    error = math.sqrt(sum(x * x for x in off) / 3 / 4)
    assert normal(Terms(w * r, w)) == pytest.approx(
        (value - 1.959963984540054 * error, value + 1.959963984540054 * error)
    )


def test_the_bootstraps_agree_with_scipy() -> None:
    x = Stream(0, "x").log_gamma(np.full(60, 0.8), 0, np.arange(60))
    x = np.exp(x)
    for kind, name in (("percentile", "percentile"), ("bca", "BCa")):
        ours = bootstrap(_mean(x), 0.9, kind=kind, draws=20_000)
        generator = np.random.default_rng(0)
        theirs = stats.bootstrap(
            (x,), np.mean, n_resamples=20_000, confidence_level=0.9, method=name, rng=generator
        ).confidence_interval
        assert ours == pytest.approx((theirs.low, theirs.high), abs=0.015)
    assert bootstrap(_mean(x), kind="bca")[1] > bootstrap(_mean(x), kind="percentile")[1]  # skewed to the right


def test_the_bca_of_a_ratio_leaves_out_one_row_at_a_time() -> None:
    n = 40
    w, r = Stream(1, "w").uniform(0, np.arange(n)) * 4, Stream(1, "r").uniform(0, np.arange(n))
    terms = Terms(w * r, w)
    generator = np.random.default_rng(1)
    theirs = stats.bootstrap(
        (w * r, w),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True, vectorized=True, n_resamples=20_000, method="BCa", rng=generator,
    ).confidence_interval  # fmt: skip
    assert bootstrap(terms, draws=20_000) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_empirical_bernstein_is_the_theorem_and_cross_fitted_folds_each_have_their_own() -> None:
    x = Stream(2, "x").uniform(0, np.arange(800))
    log = math.log(2 / 0.025)
    width = math.sqrt(2 * float(x.var(ddof=1)) * log / 800) + 7 * log / (3 * 799)
    assert empirical_bernstein(x, 0.0, 1.0) == pytest.approx((x.mean() - width, x.mean() + width))
    scaled = empirical_bernstein(10 * x - 4, -4.0, 6.0)
    assert scaled == pytest.approx((10 * (x.mean() - width) - 4, 10 * (x.mean() + width) - 4))
    groups = np.arange(800) % 4
    low, high = empirical_bernstein(x, 0.0, 1.0, groups=groups)
    each = [empirical_bernstein(x[groups == k], 0.0, 1.0, 1 - 0.05 / 4) for k in range(4)]
    assert low == pytest.approx(np.mean([bound[0] for bound in each]))
    assert high == pytest.approx(np.mean([bound[1] for bound in each]))


def test_the_sequence_is_its_equations_in_a_loop() -> None:
    """Waudby-Smith & Ramdas, theorem 2, as the paper writes it: v = 4 (x - m)^2, psi(l) = (-log(1 - l) - l) / 4."""
    x = Stream(3, "x").uniform(0, np.arange(80))
    lower, upper = confidence_sequence(x, 0.0, 1.0, 0.9)
    top, bottom, spent = 0.0, 0.0, 0.0
    best_low, best_high = 0.0, 1.0
    total, squares = 0.0, 0.0
    before, spread = 0.5, 0.25
    for t, value in enumerate(x.tolist(), start=1):
        bet = min(0.5, math.sqrt(2 * math.log(2 / 0.1) / (spread * t * math.log(1 + t))))
        top += bet * value
        bottom += bet
        spent += 4 * (value - before) ** 2 * (-math.log(1 - bet) - bet) / 4
        centre, width = top / bottom, (math.log(2 / 0.1) + spent) / bottom
        best_low, best_high = max(best_low, centre - width), min(best_high, centre + width)
        assert (lower[t - 1], upper[t - 1]) == pytest.approx((best_low, best_high), abs=1e-12)
        total += value
        before = (0.5 + total) / (t + 1)
        squares += (value - before) ** 2
        spread = (0.25 + squares) / (t + 1)


def test_the_sequence_of_a_log_is_the_same_on_its_own_decisions_and_scales_with_the_rewards() -> None:
    rewards = Stream(4, "r").uniform(0, np.arange(300))
    plain = confidence_sequence(rewards, 0.0, 1.0)
    for ours, theirs in zip(off_policy_sequence(np.ones(300), rewards, (0.0, 1.0)), plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    weights = np.where(np.arange(300) % 3 == 0, 3.0, 0.0)
    low, high = off_policy_sequence(weights, rewards, (0.0, 1.0))
    low2, high2 = off_policy_sequence(weights, 20 * rewards - 5, (-5.0, 15.0))
    np.testing.assert_allclose(low2, 20 * low - 5, atol=1e-9)
    np.testing.assert_allclose(high2, 20 * high - 5, atol=1e-9)
    assert (np.diff(low) >= 0).all() and (np.diff(high) <= 0).all()


@pytest.mark.parametrize(
    ("estimator", "interval", "least", "most"),
    [
        ("ips", "normal", 0.91, 0.98),
        ("snips", "normal", 0.91, 0.98),
        ("dr", "normal", 0.91, 0.98),
        ("dr", "bootstrap", 0.91, 0.98),
        ("ips", "bernstein", 0.99, 1.0),
        ("dr", "bernstein", 0.99, 1.0),
        ("ips", "anytime", 0.97, 1.0),
    ],
)
def test_intervals_hold_the_truth_as_often_as_they_say(
    draw: Callable[..., object], estimator: str, interval: str, least: float, most: float
) -> None:
    """400 logs of 300 rows: 95 % give or take 2.2 %; the bounds that hold at every N give away more."""
    options = {"bernstein": {"reward_range": (0, 1), "max_weight": 6.0}, "anytime": {"reward_range": (0, 1)}}
    options["bootstrap"] = {"draws": 200}
    held = []
    for copy in range(400):
        drawn = draw(rows=300, copy=copy)
        found = evaluate(drawn.log, drawn.target, estimator, interval, **options.get(interval, {}))
        held.append(found.low <= drawn.value <= found.high)
    assert least <= np.mean(held) <= most


def test_the_anytime_sequence_holds_at_all_times_where_looking_daily_breaks_the_normal_interval(
    draw: Callable[..., object],
) -> None:
    """300 logs of 1,000 rows, looked at after every row from the 30th on."""
    normal_held, always, clipped = [], [], []
    t = np.arange(1, 1001)
    for copy in range(300):
        drawn = draw(rows=1000, copy=copy)
        log = drawn.log
        w = drawn.target[np.arange(1000), log.actions] / log.propensities
        low, high = off_policy_sequence(w, log.rewards, (0.0, 1.0))
        always.append(bool(((low <= drawn.value) & (drawn.value <= high)).all()))
        low, high = off_policy_sequence(np.minimum(w, 2.0), log.rewards, (0.0, 1.0))
        clipped.append(bool(((low <= drawn.value) & (drawn.value <= high)).all()))
        x = w * log.rewards
        mean = np.cumsum(x) / t
        error = np.sqrt(np.maximum(np.cumsum(x * x) / t - mean**2, 0) / t)
        z = NormalDist().inv_cdf(0.975)
        normal_held.append(bool((np.abs(mean - drawn.value) <= z * error)[30:].all()))
    assert np.mean(always) >= 0.95
    assert np.mean(clipped) >= 0.95  # what is cut off is counted, on both sides
    assert np.mean(normal_held) < 0.75


def test_the_sequence_needs_no_bound_on_the_weights_nor_a_log_that_knows_all_actions() -> None:
    """Weights of 200 with chance 1/400, and half of what the target does never done: that half may pay 0, or 1."""
    stream, t = Stream(5, "heavy"), np.arange(2000)
    held = []
    for copy in range(200):
        heavy = stream.uniform(copy, t, 0) < 1 / 400
        w = np.where(heavy, 200.0, 0.0)  # mean 1/2
        r = (stream.uniform(copy, t, 1) < 0.6).astype(float)
        low, high = off_policy_sequence(w, r, (0.0, 1.0))
        held.append(low[-1] <= 0.3 and high[-1] >= 0.8)
    assert np.mean(held) >= 0.95


def test_what_gives_no_interval_is_refused() -> None:
    x = np.array([0.1, 0.9, 1.4])
    with pytest.raises(BadValue, match=r"x\[2\] must be between 0 and 1, the range given, got 1.4"):
        confidence_sequence(x, 0.0, 1.0)
    with pytest.raises(BadValue, match=r"rewards\[2\]"):
        off_policy_sequence(np.ones(3), x, (0.0, 1.0))
    with pytest.raises(BadValue, match="range must be"):
        empirical_bernstein(x, 1.0, 0.0)
    with pytest.raises(BadValue, match="level must be between 0 and 1"):
        normal(_mean(x), 95)
    with pytest.raises(BadValue, match="at least 2 rows"):
        normal(_mean(x[:1]))
    with pytest.raises(BadValue, match="'bca' or 'percentile'"):
        bootstrap(_mean(x), kind="t")
    with pytest.raises(BadValue, match="draws must be an integer of at least 100"):
        bootstrap(_mean(x), draws=10)
