from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from wayfare.errors import BadValue
from wayfare.stopping import (
    bernoulli_finite_horizon_index,
    bernoulli_gittins_index,
    finite_horizon_bonus,
    gittins_bonus,
)


def test_the_bonus_has_the_reference_values() -> None:
    delta = finite_horizon_bonus(30)
    assert delta[0, 30] == pytest.approx(1.14, abs=0.005)
    assert delta[5, 10] == pytest.approx(0.19, abs=0.005)


def test_two_pulls_to_go_solve_the_equation_by_hand() -> None:
    """-m = E max(0, m'), m' ~ N(m, v_n - v_{n+1})."""
    delta = finite_horizon_bonus(5, prior_sd=2.0, noise_sd=0.7)
    for n in range(4):
        v = [1 / (1 / 4 + k / 0.49) for k in (n, n + 1)]
        s = math.sqrt(v[0] - v[1])
        root = optimize.brentq(lambda m, s=s: m + s * stats.norm.pdf(m / s) + m * stats.norm.cdf(m / s), -9, 0)
        assert delta[n, 2] == pytest.approx(-root, abs=2e-5)


def test_three_pulls_to_go_agree_with_nested_integration() -> None:
    delta = finite_horizon_bonus(3)
    s0, s1 = math.sqrt(1 - 1 / 2), math.sqrt(1 / 2 - 1 / 3)
    ramp = lambda m, s: s * stats.norm.pdf(m / s) + m * stats.norm.cdf(m / s)  # noqa: E731

    def worth(m: float) -> float:
        kink = float(delta[1, 2])
        inner = lambda x: max(0.0, x + ramp(x, s1)) * stats.norm.pdf(x, m, s0)  # noqa: E731
        return m + float(integrate.quad(inner, -kink, 8, epsabs=1e-12)[0])

    assert delta[0, 3] == pytest.approx(-optimize.brentq(worth, -2, 0), abs=1e-5)


def test_the_bonus_grows_with_what_is_left_and_shrinks_with_what_is_known() -> None:
    delta = finite_horizon_bonus(20)
    n, h = np.meshgrid(np.arange(21), np.arange(21), indexing="ij")
    assert np.array_equal(np.isnan(delta), n + h > 20)
    assert np.all(delta[:, :2][~np.isnan(delta[:, :2])] == 0)
    assert np.all((np.diff(delta, axis=1) > 0)[(n + h < 20)[:, :-1] & (h >= 1)[:, :-1]])
    assert np.all((np.diff(delta, axis=0) < 0)[(n + h < 20)[:-1] & (h >= 2)[:-1]])


def test_the_bonus_scales_with_its_unit_and_vanishes_for_known_arms() -> None:
    assert np.allclose(finite_horizon_bonus(9, 3.0, 6.0), 3 * finite_horizon_bonus(9, 1.0, 2.0), equal_nan=True)
    assert np.nanmax(finite_horizon_bonus(9, prior_sd=0.0)) == 0
    assert np.all(gittins_bonus(0.9, 4, prior_sd=0.0) == 0)
    assert np.all(gittins_bonus(0.0, 4) == 0)


def test_without_noise_one_pull_tells_all() -> None:
    """-m = (h - 1) E max(0, m'), m' ~ N(m, 1); afterwards the bonus is 0."""
    delta = finite_horizon_bonus(6, noise_sd=0.0)
    root = optimize.brentq(lambda m: m + 5 * (stats.norm.pdf(m) + m * stats.norm.cdf(m)), -9, 0)
    assert delta[0, 6] == pytest.approx(-root, abs=1e-5)
    assert np.nanmax(np.abs(delta[1:])) < 1e-9


@pytest.mark.parametrize("ratio", [0.05, 1.0, 20.0])
def test_the_grid_does_not_show(ratio: float, monkeypatch: pytest.MonkeyPatch) -> None:
    delta = finite_horizon_bonus(12, 1.0, ratio)
    monkeypatch.setattr("wayfare.stopping.POINTS", 16384)
    monkeypatch.setattr("wayfare.stopping.REACH", 8.0)
    finite_horizon_bonus.__globals__["_finite_horizon"].cache_clear()
    assert np.nanmax(np.abs(finite_horizon_bonus(12, 1.0, ratio) - delta)) < 1e-4
    finite_horizon_bonus.__globals__["_finite_horizon"].cache_clear()


def test_gaussian_gittins_agrees_with_value_iteration_by_quadrature() -> None:
    """The same problem with a plain Gaussian weight matrix, for one arm of three pulls' experience."""
    discount, bonus = 0.8, gittins_bonus(0.8, 3)
    m, wide = np.linspace(-4, 4, 801), np.linspace(-6, 6, 1201)
    value = np.maximum(m, 0) / (1 - discount)
    for n in range(49, 2, -1):
        s = math.sqrt(1 / (1 + n) - 1 / (2 + n))
        after = np.interp(wide, m, value) + np.maximum(wide - 4, 0) / (1 - discount)
        z = (m[:, None] - wide) / s
        worth = m + discount * 0.01 / (s * math.sqrt(2 * math.pi)) * np.exp(-0.5 * z * z) @ after
        value = np.maximum(worth, 0)
    assert bonus[3] == pytest.approx(-np.interp(0, worth, m), abs=1e-4)


@pytest.mark.parametrize(
    ("wins", "losses", "index"),
    [(0, 0, 0.7029), (1, 0, 0.8001), (0, 1, 0.5001), (1, 1, 0.6346), (2, 2, 0.6010), (9, 1, 0.8695)],
)
def test_bernoulli_gittins_indices_are_those_of_the_tables(wins: int, losses: int, index: float) -> None:
    """Discount 0.9, uniform prior: as printed in Gittins, Glazebrook & Weber 2011."""
    assert float(bernoulli_gittins_index(wins + 1, losses + 1, 0.9)) == pytest.approx(index, abs=6e-5)


def test_the_uniform_arm_at_discount_99_is_worth_the_tables_8699() -> None:
    assert float(bernoulli_gittins_index(1, 1, 0.99)) == pytest.approx(0.8699, abs=6e-5)


def test_two_bernoulli_pulls_to_go_by_hand() -> None:
    """Beta(1, 1): c = 1/2 + 1/2 (2/3) + 1/2 c over two pulls, hence 2c = 5/6 + c/2."""
    assert float(bernoulli_finite_horizon_index(1, 1, 2)) == pytest.approx(5 / 9, abs=1e-9)
    assert float(bernoulli_finite_horizon_index(3, 4, 1)) == pytest.approx(3 / 7, abs=1e-9)


def test_the_index_against_a_known_arm_is_exactly_optimal() -> None:
    """One unknown Bernoulli arm and one known: dynamic programming over all policies chooses as the index does."""
    known = 0.6

    @cache
    def best(a: int, b: int, h: int) -> float:
        return 0.0 if h == 0 else max(known + best(a, b, h - 1), explored(a, b, h))

    def explored(a: int, b: int, h: int) -> float:
        p = a / (a + b)
        return p * (1 + best(a + 1, b, h - 1)) + (1 - p) * best(a, b + 1, h - 1)

    @cache
    def by_index(a: int, b: int, h: int) -> float:
        if h == 0:
            return 0.0
        p = a / (a + b)
        if float(bernoulli_finite_horizon_index(a, b, h)) <= known:
            return known + by_index(a, b, h - 1)
        return p * (1 + by_index(a + 1, b, h - 1)) + (1 - p) * by_index(a, b + 1, h - 1)

    for h in range(1, 9):
        for a, b in [(1, 1), (1, 2), (2, 1), (2, 2), (1, 3)]:
            explore = float(bernoulli_finite_horizon_index(a, b, h)) > known
            assert explore == (explored(a, b, h) > known + best(a, b, h - 1) + 1e-12)
            assert by_index(a, b, h) == pytest.approx(best(a, b, h), abs=1e-12)


def test_arrays_give_what_single_arms_give() -> None:
    a, b, h = np.array([[1.0, 2.0], [0.5, 3.0]]), 1.5, np.array([3, 7])
    table = bernoulli_finite_horizon_index(a, b, h)
    assert table.shape == (2, 2)
    assert table[1, 0] == pytest.approx(float(bernoulli_finite_horizon_index(0.5, 1.5, 3)))
    assert bernoulli_gittins_index(a, b, 0.5)[0, 1] == pytest.approx(float(bernoulli_gittins_index(2.0, 1.5, 0.5)))


def test_bad_values_are_refused_by_name() -> None:
    for call, field in [
        (lambda: finite_horizon_bonus(0), "horizon"),
        (lambda: finite_horizon_bonus(3, -1.0), "prior_sd"),
        (lambda: finite_horizon_bonus(3, 1.0, math.nan), "noise_sd"),
        (lambda: gittins_bonus(1.0, 3), "discount"),
        (lambda: gittins_bonus(0.5, -1), "pulls"),
        (lambda: bernoulli_gittins_index(0, 1, 0.9), "a"),
        (lambda: bernoulli_finite_horizon_index(1, 1, 0), "horizon"),
    ]:
        with pytest.raises(BadValue, match=f"^{field} "):
            call()
