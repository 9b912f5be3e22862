from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

import wayfare.explore.rules.best_of as best_of
from wayfare.explore.rules.best_of import beta_is_best, gaussian_is_best


def gaussian_reference(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    marks = np.unique((mean[:, None] + sd[:, None] * np.linspace(-9, 9, 25)).ravel())
    p = []
    for i in range(len(mean)):
        rest = [j for j in range(len(mean)) if j != i]

        def f(x: float, i: int = i, rest: list[int] = rest) -> float:
            return float(stats.norm.pdf(x, mean[i], sd[i]) * np.prod(special.ndtr((x - mean[rest]) / sd[rest])))

        pieces = pairwise(marks)
        p.append(sum(integrate.fixed_quad(np.vectorize(f), a, b, n=20)[0] for a, b in pieces))
    return np.array(p)


def beta_reference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Integration over the quantiles of arm i: E prod_j F_j(F_i^{-1}(u)), adaptively."""
    p = []
    for i in range(len(a)):
        rest = [j for j in range(len(a)) if j != i]

        def f(u: float, i: int = i, rest: list[int] = rest) -> float:
            return float(np.prod(special.betainc(a[rest], b[rest], special.betaincinv(a[i], b[i], u))))

        edges = (1e-9, 1e-6, 1e-3, 0.999, 1 - 1e-6, 1 - 1e-9)
        p.append(integrate.quad(f, 0, 1, epsabs=1e-9, epsrel=1e-9, limit=400, points=edges)[0])
    return np.array(p)


GAUSSIAN = [
    ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),
    ([0.3, -0.2, 0.1, 0.0], [1.0, 0.01, 0.3, 5.0]),
    ([0.0, 1e-3, 100.0], [1e-3, 1e-3, 50.0]),
    ([0.0, 30.0], [1.0, 1.0]),
]


@pytest.mark.parametrize(("mean", "sd"), GAUSSIAN)
def test_gaussian_quadrature_is_right_to_a_millionth(mean: list[float], sd: list[float]) -> None:
    p = gaussian_is_best(np.array(mean), np.array(sd), np.ones(len(mean), dtype=bool))
    assert np.abs(p - gaussian_reference(np.array(mean), np.array(sd))).max() < 1e-9


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
        ([3.0, 8.0, 1.0], [2.0, 6.0, 1.0]),
        ([0.5, 2.0, 0.05], [0.5, 5.0, 0.2]),
        ([400.0, 380.0, 1.0], [100.0, 90.0, 1.0]),
        ([0.3, 90.0], [700.0, 40000.0]),
        ([30000.0, 30100.0, 5.0], [10000.0, 10000.0, 2.0]),
        ([500.0, 2.0, 1.0, 300.0, 90.0], [100.0, 30.0, 1.0, 500.0, 20.0]),
        ([50.0, 5.0, 4.0, 4.0, 3.0, 2.0, 2.0], [5.0, 2.0, 2.0, 9.0, 30.0, 4.0, 40.0]),
    ],
)
def test_beta_quadrature_is_right_to_a_millionth(a: list[float], b: list[float]) -> None:
    p = beta_is_best(np.array(a), np.array(b), np.ones(len(a), dtype=bool))
    assert np.abs(p - beta_reference(np.array(a), np.array(b))).max() < 1e-7


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.02, 60.0), st.floats(0.02, 60.0))
@settings(max_examples=40, deadline=None)
def test_two_beta_arms_agree_with_the_finite_sum(a1: int, b1: int, a2: float, b2: float) -> None:
    """P(p1 > p2) = sum over i < a1 of B(a2 + i, b1 + b2) / ((b1 + i) B(1 + i, b1) B(a2, b2)), for integer a1."""
    i = np.arange(a1)
    terms = special.betaln(a2 + i, b1 + b2) - np.log(b1 + i) - special.betaln(1 + i, b1) - special.betaln(a2, b2)
    first_wins = float(np.exp(terms).sum())
    p = beta_is_best(np.array([a1, a2], dtype=float), np.array([b1, b2], dtype=float), np.ones(2, dtype=bool))
    assert p[0] == pytest.approx(first_wins, abs=1e-7)


def test_arms_off_the_mask_do_not_count() -> None:
    mean, sd = np.array([0.1, 9.0, 0.0]), np.array([1.0, 1.0, 2.0])
    p = gaussian_is_best(mean, sd, np.array([True, False, True]))
    assert p[1] == 0 and p[[0, 2]] == pytest.approx(gaussian_reference(mean[[0, 2]], sd[[0, 2]]), abs=1e-9)
    a = np.array([2.0, 90.0, 1.0])
    p = beta_is_best(a, np.ones(3), np.array([True, False, True]))
    assert p[1] == 0 and p[0] == pytest.approx(2 / 3, abs=1e-9)


def test_equal_numbers_share_and_the_largest_number_wins() -> None:
    every = np.ones(4, dtype=bool)
    assert gaussian_is_best(np.array([1.0, 2.0, 2.0, 0.0]), np.zeros(4), every) == pytest.approx([0, 0.5, 0.5, 0])
    p = gaussian_is_best(np.array([1.0, 2.0, 2.0, 1.0]), np.array([0.0, 0.0, 0.0, 3.0]), every)
    above = 0.5 * (1 - math.erf(1 / 3 / math.sqrt(2)))
    assert p == pytest.approx([0, (1 - above) / 2, (1 - above) / 2, above], abs=1e-10)


def test_portions_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    mean, sd, mask = rng.normal(size=(7, 5, 3)), rng.random((7, 5, 3)), np.ones((7, 5, 3), dtype=bool)
    whole = gaussian_is_best(mean, sd, mask)
    monkeypatch.setattr(best_of, "MOST", 1)
    assert np.allclose(gaussian_is_best(mean, sd, mask), whole, atol=1e-14)
    assert gaussian_is_best(mean[:0], sd[:0], mask[:0]).shape == (0, 5, 3)


def test_arms_that_never_win_are_left_out_whatever_their_number() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(1, 40, (6, 9)).astype(float), rng.integers(1, 40, (6, 9)).astype(float)
    a[:, 4], b[:, 4] = 4000.0, 100.0
    p = beta_is_best(a, b, np.ones((6, 9), dtype=bool))
    for i in range(6):
        assert np.abs(p[i] - beta_reference(a[i], b[i])).max() < 1e-7
        assert np.abs(beta_is_best(a[i], b[i], np.ones(9, dtype=bool)) - p[i]).max() < 1e-12
    assert (p == 0).any() and (p > 0.01).any()


def test_the_series_of_the_gamma_function() -> None:
    x = np.array([1e-3, 0.05, 0.7, 1.0, 3.5, 40.0, 1e4, 1e7])
    exact = special.gammaln(x) - (x - 0.5) * np.log(x) + x - 0.5 * np.log(2 * np.pi)
    assert np.allclose(best_of._stirling(x), exact, rtol=0, atol=np.maximum(1e-10, 1e-15 * x * np.log(x + 2)))
