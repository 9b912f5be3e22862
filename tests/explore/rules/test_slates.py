"""Slates against enumeration: every set of 3 out of 6, exactly, and the cases in which formulas break."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules.slates import ConditionalPoisson, SlateMixture, Top

N, K = 6, 3
WEIGHTS = (0.5, 3.0, 1.0, 0.02, 7.0, 1.5)
OTHER = (2.0, 0.1, 1.0, 4.0, 0.3, 1.0)
SCORES = (0.1, 0.9, 0.4, 0.4, 0.2, 0.8)


def _mixture() -> SlateMixture:
    return SlateMixture([(0.2, Top(SCORES)), (0.5, ConditionalPoisson(WEIGHTS)), (0.3, ConditionalPoisson(OTHER))], K)


def _enumerated(mixture: SlateMixture) -> dict[tuple[int, ...], float]:
    """P of every set, from the definition."""
    sets = list(combinations(range(mixture.n), mixture.k))
    found = dict.fromkeys(sets, 0.0)
    for share, part in mixture.parts:
        if isinstance(part, Top):
            best = sorted(range(mixture.n), key=lambda i, part=part: (-part.scores[i], i))[: mixture.k]
            found[tuple(sorted(best))] += share
        else:
            products = {chosen: math.prod(part.weights[i] for i in chosen) for chosen in sets}
            whole = math.fsum(products.values())
            for chosen in sets:
                found[chosen] += share * products[chosen] / whole
    return found


def test_probability_inclusion_and_pairs_of_a_mixture_are_those_of_enumeration() -> None:
    mixture = _mixture()
    exact = _enumerated(mixture)
    assert math.fsum(exact.values()) == pytest.approx(1, abs=1e-14)
    gamma = np.zeros((N, N))
    for chosen, chance in exact.items():
        assert mixture.probability(chosen) == pytest.approx(chance, rel=1e-13)
        assert mixture.probability(chosen[::-1]) == pytest.approx(chance, rel=1e-13)
        gamma[np.ix_(chosen, chosen)] += chance
    np.testing.assert_allclose(mixture.pairs(), gamma, rtol=1e-12)
    np.testing.assert_allclose(mixture.inclusion(), np.diag(gamma), rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_small_mixture_is_enumerated(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 6))
    k = data.draw(st.integers(0, 7))
    numbers = st.lists(st.floats(-6, 6), min_size=n, max_size=n)
    first, second, third = data.draw(numbers), data.draw(numbers), data.draw(numbers)
    share = data.draw(st.floats(0, 1))
    mixture = SlateMixture(
        [(share / 2, Top(first)), (share / 2, ConditionalPoisson(np.exp(second))),
         (1 - share, ConditionalPoisson(np.exp(third)))], k,
    )  # fmt: skip
    exact = _enumerated(mixture)
    gamma = np.zeros((n, n))
    for chosen, chance in exact.items():
        assert mixture.probability(chosen) == pytest.approx(chance, rel=1e-12, abs=1e-300)
        gamma[np.ix_(chosen, chosen)] += chance
    np.testing.assert_allclose(mixture.pairs(), gamma, rtol=1e-11, atol=1e-300)
    assert mixture.inclusion().sum() == pytest.approx(min(n, k))


def test_the_sampled_frequencies_are_the_probabilities() -> None:
    mixture, stream, many = _mixture(), Stream(3, "slates"), 20_000
    exact = _enumerated(mixture)
    counts = dict.fromkeys(exact, 0)
    parts = [0, 0, 0]
    for t in range(many):
        chosen, part = mixture.sample(stream.at(0, t))
        assert chosen == sorted(chosen)
        counts[tuple(chosen)] += 1
        parts[part] += 1
    squares = sum((counts[chosen] - many * p) ** 2 / (many * p) for chosen, p in exact.items())
    assert squares < 19 + 4 * math.sqrt(2 * 19)  # chi-square, 19 degrees of freedom
    np.testing.assert_allclose(np.array(parts) / many, [0.2, 0.5, 0.3], atol=0.015)


def test_weights_that_span_e12_keep_ten_digits() -> None:
    """Against exact fractions; the recursion that divides an item out again loses six digits here."""
    logs = np.linspace(-6, 6, 14)
    weights, k = np.exp(np.roll(logs, 5)), 5
    fractions = [Fraction(float(w)) for w in weights]

    def e(items: list[Fraction], size: int) -> Fraction:
        row = [Fraction(1)] + [Fraction(0)] * size
        for w in items:
            for j in range(size, 0, -1):
                row[j] += w * row[j - 1]
        return row[size]

    design, whole = SlateMixture([(1.0, ConditionalPoisson(weights))], k), e(fractions, k)
    pi, gamma = design.inclusion(), design.pairs()
    for i in range(14):
        others = fractions[:i] + fractions[i + 1 :]
        assert pi[i] == pytest.approx(float(fractions[i] * e(others, k - 1) / whole), rel=1e-12)
        for j in range(i):
            left = others[:j] + others[j + 1 :]
            exact = float(fractions[i] * fractions[j] * e(left, k - 2) / whole)
            assert gamma[i, j] == pytest.approx(exact, rel=1e-10)
            assert gamma[j, i] == gamma[i, j]
    slate = [0, 3, 5, 9, 13]
    exact = float(math.prod(fractions[i] for i in slate) / whole)
    assert design.probability(slate) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e-20, 1e20, 1e200])
def test_a_common_factor_of_the_weights_changes_nothing(scale: float) -> None:
    plain = SlateMixture([(1.0, ConditionalPoisson(WEIGHTS))], K)
    scaled = SlateMixture([(1.0, ConditionalPoisson(np.array(WEIGHTS) * scale))], K)
    np.testing.assert_allclose(scaled.pairs(), plain.pairs(), rtol=1e-12)
    assert scaled.probability([0, 1, 2]) == pytest.approx(plain.probability([0, 1, 2]), rel=1e-12)


def test_fifty_candidates_of_which_eight_are_shown_stay_consistent() -> None:
    weights = np.exp(Stream(1, "weights").normal(0, np.arange(50)) * 3)
    mixture = SlateMixture([(0.3, Top(weights[::-1])), (0.7, ConditionalPoisson(weights))], 8)
    pi, gamma = mixture.inclusion(), mixture.pairs()
    assert pi.sum() == pytest.approx(8)
    np.testing.assert_allclose(gamma.sum(axis=1), 8 * pi, rtol=1e-10)  # sets have a fixed size
    assert (np.linalg.eigvalsh(gamma) > -1e-12).all()


def test_equal_scores_go_to_the_earlier_place() -> None:
    assert Top([0.5, 0.7, 0.5, 0.5]).best(3) == [1, 0, 2]
    mixture = SlateMixture([(1.0, Top([0.5, 0.7, 0.5, 0.5]))], 3)
    assert mixture.probability([0, 1, 2]) == 1
    assert mixture.probability([1, 2, 3]) == 0
    assert mixture.inclusion().tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize("k", [6, 7, 100])
def test_as_many_as_there_are_are_all_shown(k: int) -> None:
    mixture = SlateMixture([(0.4, Top(SCORES)), (0.6, ConditionalPoisson(WEIGHTS))], k)
    assert mixture.k == N
    assert mixture.probability(range(N)) == pytest.approx(1)
    assert mixture.pairs() == pytest.approx(np.ones((N, N)))
    assert mixture.sample(Stream(0, "all").at(0, 0))[0] == list(range(N))


def test_none_are_shown_of_none_or_where_none_are_wanted() -> None:
    for mixture in (SlateMixture([(1.0, Top([]))], 5), SlateMixture([(1.0, ConditionalPoisson([1.0, 2.0]))], 0)):
        assert mixture.k == 0
        assert mixture.probability([]) == 1
        assert mixture.inclusion().sum() == 0
        assert mixture.sample(Stream(0, "none").at(0, 0)) == ([], 0)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Top([0.1, math.nan]), "scores"),
        (lambda: Top([[0.1, 0.2]]), "scores"),
        (lambda: ConditionalPoisson([1.0, 0.0]), "weights"),
        (lambda: ConditionalPoisson([1.0, -1.0]), "weights"),
        (lambda: ConditionalPoisson([1.0, math.inf]), "weights"),
        (lambda: ConditionalPoisson([1.0, math.nan]), "weights"),
        (lambda: SlateMixture([], 2), "parts"),
        (lambda: SlateMixture([(0.5, Top([1, 2])), (0.5, Top([1, 2, 3]))], 2), "parts"),
        (lambda: SlateMixture([(0.5, Top([1, 2]))], 1), "shares"),
        (lambda: SlateMixture([(1.5, Top([1, 2])), (-0.5, Top([2, 1]))], 1), "shares"),
        (lambda: SlateMixture([(1.0, Top([1, 2]))], -1), "k"),
        (lambda: SlateMixture([(1.0, Top([1, 2]))], True), "k"),
        (lambda: SlateMixture([(1.0, Top([1, 2]))], 1.0), "k"),
        (lambda: SlateMixture([(1.0, Top([1, 2, 3]))], 2).probability([0]), "slate"),
        (lambda: SlateMixture([(1.0, Top([1, 2, 3]))], 2).probability([0, 0]), "slate"),
        (lambda: SlateMixture([(1.0, Top([1, 2, 3]))], 2).probability([0, 3]), "slate"),
        (lambda: SlateMixture([(1.0, Top([1, 2, 3]))], 2).probability([0, -1]), "slate"),
    ],
)
def test_bad_input_is_refused_by_name(make: object, field: str) -> None:
    with pytest.raises(BadValue) as refused:
        make()  # type: ignore[operator]
    assert refused.value.field == field
