"""Weights that explore by a number of items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import Scores
from wayfare.explore.rules.inverse_gap import SquareCB
from wayfare.explore.rules.slate_weights import (
    SMOOTHING,
    boltzmann,
    inverse_gap,
    outside,
    softmax,
    thompson,
    top_shares,
)
from wayfare.explore.rules.slates import ConditionalPoisson, SlateMixture, Top

DRAWS = Stream(0, "test").at(3, 1)
rows = st.lists(st.floats(0, 1).map(lambda x: round(x, 3)), min_size=3, max_size=20, unique=True)


@given(rows, st.integers(1, 6), st.floats(0.05, 0.8))
def test_every_rule_shows_as_many_items_outside_the_best_as_it_was_told(scores, k, explore) -> None:
    f = np.array(scores)
    k = min(k, len(f) - 1)
    top, most = Top(f).best(k), k * (1 - k / len(f))
    for weights in (boltzmann(f, k, explore), inverse_gap(f, k, explore)):
        assert (weights > 0).all()
        assert outside(weights, top, k) == pytest.approx(min(explore, most), abs=2e-4)


@given(rows, st.integers(1, 5))
def test_a_better_score_never_has_a_smaller_chance(scores, k) -> None:
    f = np.sort(np.array(scores))[::-1]
    for weights in (boltzmann(f, k, 0.3), inverse_gap(f, k, 0.3)):
        shown = SlateMixture([(1.0, ConditionalPoisson(weights))], k).inclusion()
        assert (np.diff(shown) <= 1e-9).all()


def test_one_of_many_is_square_cb() -> None:
    f = np.array([0.9, 0.5, 0.4, 0.1])
    weights = inverse_gap(f, 1, 0.25)
    gap = (f.max() - f) / (f.max() - f.min())
    # the gamma at which SquareCB leaves a quarter to the others, found by a plain scan
    gammas = np.linspace(0, 100, 200_001)
    rest = np.array([1 / (4 + g * gap[1:]) for g in gammas]).sum(axis=1)
    gamma = gammas[np.argmin(np.abs(rest - 0.25))]
    expected = SquareCB(float(gamma)).propensities(Scores(-gap))
    assert weights / weights.sum() == pytest.approx(expected, abs=1e-3)


def test_without_exploration_the_best_are_shown_and_yet_every_set_stays_possible() -> None:
    f = np.array([0.9, 0.8, 0.3, 0.1])
    for rule in (boltzmann, inverse_gap):
        weights = rule(f, 2, 0.0)
        mixture = SlateMixture([(1.0, ConditionalPoisson(weights))], 2)
        assert mixture.probability([0, 1]) > 0.999
        assert mixture.probability([2, 3]) > 0


def test_shares_of_posterior_draws_are_those_of_a_plain_simulation() -> None:
    mean, width = np.array([0.6, 0.5, 0.45, 0.1]), np.array([0.05, 0.2, 0.3, 0.1])
    found = np.mean([top_shares(mean, width, 2, Stream(s, "x").at(0)) for s in range(50)], axis=0)
    drawn = mean + width * np.random.default_rng(0).standard_normal((200_000, 4))
    among = np.argsort(-drawn, axis=1)[:, :2]
    expected = np.array([(among == i).any(axis=1).mean() for i in range(4)])
    assert found == pytest.approx(expected, abs=0.01)


def test_an_uncertain_item_is_tried_more_than_a_certain_one_of_the_same_mean() -> None:
    mean, width = np.array([0.6, 0.4, 0.4]), np.array([0.1, 0.3, 0.01])
    weights = thompson(mean, width, 1, 0.3, DRAWS)
    assert weights[1] > 5 * weights[2]


@pytest.mark.parametrize(("width", "strays"), [(0.5, 0.3), (0.0, 0.03), (0.05, None)])
def test_thompson_strays_as_far_as_it_doubts(width, strays) -> None:
    """Two pairs, 0.1 apart; with deviation 0.05 each, doubts are between the bounds and nothing is solved for."""
    mean = np.array([0.6, 0.6, 0.5, 0.5])
    weights = thompson(mean, np.full(4, width), 2, 0.3, DRAWS, least=0.03)
    found = outside(weights, Top(mean).best(2), 2)
    if strays is None:
        assert 0.03 < found < 0.3
        strays = top_shares(mean, np.full(4, width), 2, DRAWS)[2:].sum() - 2 * SMOOTHING
    assert found == pytest.approx(strays, abs=1e-3)


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("scores", lambda: boltzmann([[1.0]], 1, 0.3)),
        ("scores", lambda: inverse_gap([float("nan"), 1.0], 1, 0.3)),
        ("k", lambda: boltzmann([1.0, 2.0], -1, 0.3)),
        ("explore", lambda: boltzmann([1.0, 2.0], 1, -0.3)),
        ("width", lambda: thompson([1.0, 2.0], [-1.0, 1.0], 1, 0.3, DRAWS)),
    ],
)
def test_bad_input_is_refused(field, call) -> None:
    with pytest.raises(BadValue, match=field):
        call()


def test_equal_scores_and_few_items_are_uniform() -> None:
    assert (boltzmann([0.5] * 4, 2, 0.3) == 1).all() and (inverse_gap([0.5] * 4, 2, 0.3) == 1).all()
    assert (boltzmann([0.1, 0.9], 2, 0.3) == 1).all() and len(boltzmann([], 3, 0.3)) == 0


def test_what_is_shown_outside_the_best_is_what_inclusion_chances_say() -> None:
    for n, k in ((2, 1), (7, 3), (50, 8)):
        weights = np.exp(4 * Stream(0, "weights").normal(n, np.arange(n)))
        top = Top(Stream(0, "scores").normal(n, np.arange(n))).best(k)
        inside = SlateMixture([(1.0, ConditionalPoisson(weights))], k).inclusion()[top].sum()
        assert outside(weights, top, k) == pytest.approx(k - inside, rel=1e-9, abs=1e-12)


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=12), st.floats(0.1, 50))
def test_softmax_for_one_of_many_is_exp_of_the_score_over_its_sum(scores, temperature) -> None:
    f = np.array(scores)
    wanted = np.exp((f - f.max()) / temperature)
    found = SlateMixture([(1.0, ConditionalPoisson(softmax(f, 1, temperature)))], 1).inclusion()
    assert found == pytest.approx(wanted / wanted.sum(), rel=1e-9, abs=1e-13)


@given(st.lists(st.sampled_from([-0.5, 0.0, 0.3, 1.0]), min_size=2, max_size=9), st.integers(1, 4))
def test_a_cold_softmax_takes_the_best_and_shares_ties_and_a_hot_one_is_uniform(scores, k) -> None:
    f = np.array(scores)
    k, n = min(k, len(f)), len(f)
    edge = np.sort(f)[-k]
    above, ties = f > edge, f == edge
    wanted = above + ties * (k - above.sum()) / ties.sum()
    for temperature in (0.0, 1e-9, 1e-300):
        cold = SlateMixture([(1.0, ConditionalPoisson(softmax(f, k, temperature)))], k).inclusion()
        assert cold == pytest.approx(wanted, abs=1e-9)
    hot = SlateMixture([(1.0, ConditionalPoisson(softmax(f, k, 1e9)))], k).inclusion()
    assert hot == pytest.approx(np.full(n, k / n), abs=1e-6)


@pytest.mark.parametrize("temperature", [-0.1, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_refused(temperature) -> None:
    with pytest.raises(BadValue, match="temperature"):
        softmax([0.0, 1.0], 1, temperature)
