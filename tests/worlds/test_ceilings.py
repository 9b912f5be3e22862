"""Ceilings, against recursions that are written as one would say them."""

from functools import lru_cache

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.worlds import HiddenGoal, RecurringBandit


def bernoulli_best(arms, n, a, b, safe=None):
    """The best mean reward a pull by plain recursion; the safe arm may be pulled at any time."""

    @lru_cache(None)
    def value(left, counts):
        if left == 0:
            return 0.0
        best = -1.0 if safe is None else safe + value(left - 1, counts)
        for k, (s, f) in enumerate(counts):
            p = (a + s) / (a + b + s + f)
            won, lost = list(counts), list(counts)
            won[k], lost[k] = (s + 1, f), (s, f + 1)
            best = max(best, p * (1 + value(left - 1, tuple(won))) + (1 - p) * value(left - 1, tuple(lost)))
        return best

    return value(n, ((0, 0),) * arms) / n


@pytest.mark.parametrize(("arms", "n", "a", "b"), [(2, 8, 1.0, 1.0), (3, 5, 1.0, 2.0), (2, 6, 0.5, 0.5)])
def test_bernoulli_ceilings_are_exact(arms, n, a, b):
    ceiling = RecurringBandit(1, arms, n, "bernoulli", alpha=a, beta=b).bayes_return()
    assert ceiling.exact
    assert ceiling.value == pytest.approx(bernoulli_best(arms, n, a, b), abs=1e-12)


@pytest.mark.parametrize(("unknown", "n", "safe"), [(1, 9, 0.6), (2, 6, 0.55), (1, 5, 0.9)])
def test_pulls_of_the_safe_arm_may_wait_for_the_end(unknown, n, safe):
    ceiling = RecurringBandit(1, unknown + 1, family="bernoulli", safe=safe).bayes_return(n)
    assert ceiling.exact
    assert ceiling.value == pytest.approx(bernoulli_best(unknown, n, 1.0, 1.0, safe), abs=1e-12)


def test_one_gaussian_arm_against_a_safe_one_in_two_pulls():
    """Pull the unknown arm; go on with it where its posterior mean is above the safe payoff. In closed form."""
    safe, prior, noise = 0.3, 1.5, 0.5
    spread = prior**2 / np.hypot(prior, noise)  # standard deviation of the posterior mean
    x = -safe / spread
    better = spread * (np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)) + -safe * (1 - normal_cdf(-x))
    by_hand = max(2 * safe, 0.0 + safe + better) / 2
    ceiling = RecurringBandit(1, 2, safe=safe, prior_sd=prior, noise_sd=noise).bayes_return(2)
    assert ceiling.exact
    assert ceiling.value == pytest.approx(by_hand, abs=1e-4)


def normal_cdf(x):
    from math import erf, sqrt

    return 0.5 * (1 + erf(x / sqrt(2)))


@pytest.mark.parametrize(("noise_sd", "n"), [(1.0, 30), (0.0, 4)])
def test_the_gaussian_ceiling_is_what_its_index_policy_earns(noise_sd, n):
    """With one unknown arm the index policy is optimal: simulated, it meets the ceiling from the grid."""
    from wayfare.worlds.ceilings import _finite_bonus, _play

    world = RecurringBandit(1, 2, n, safe=0.5, noise_sd=noise_sd)
    value, error = _play(world, n, np.ones(n), _finite_bonus(world, n))
    assert world.bayes_return().value == pytest.approx(value, abs=4 * error)


@pytest.mark.parametrize(("safe", "reference"), [(None, 0.675), (0.5, 0.734)])
def test_index_policies_earn_the_reference_values_and_are_called_so(safe, reference):
    ceiling = RecurringBandit(1, safe=safe).bayes_return()
    assert not ceiling.exact and "index policy" in ceiling.method
    assert 0 < ceiling.standard_error < 0.006
    assert ceiling.value == pytest.approx(reference, abs=4 * ceiling.standard_error)


def test_the_bernoulli_index_policy_stays_below_the_optimum_and_close_to_it():
    from wayfare.worlds.ceilings import _play

    world = RecurringBandit(1, 2, 8, "bernoulli")
    value, error = _play(world, 8, np.ones(8), None)
    best = world.bayes_return().value
    assert best - 0.01 < value < best + 3 * error


def test_geometric_blocks_have_gittins_as_their_ceiling():
    """Blocks of mean 2: the exact discounted value by plain recursion, deep enough."""

    @lru_cache(None)
    def value(depth, counts):
        if depth == 0:
            return 0.0
        best = 0.0
        for k, (s, f) in enumerate(counts):
            p = (1 + s) / (2 + s + f)
            won, lost = list(counts), list(counts)
            won[k], lost[k] = (s + 1, f), (s, f + 1)
            ahead = p * value(depth - 1, tuple(sorted(won))) + (1 - p) * value(depth - 1, tuple(sorted(lost)))
            best = max(best, p + 0.5 * ahead)
        return best

    ceiling = RecurringBandit(1, 2, 2, "bernoulli", law="geometric").bayes_return()
    assert "Gittins" in ceiling.method and "optimal" in ceiling.method and not ceiling.exact
    assert ceiling.value == pytest.approx(value(16, ((0, 0), (0, 0))) / 2, abs=4 * ceiling.standard_error)
    gaussian = RecurringBandit(1, episodes=5, law="geometric").bayes_return()
    assert 0.3 < gaussian.value < 0.6
    capped = RecurringBandit(1, episodes=5, law="geometric", most_episodes=4).bayes_return()
    assert "not optimal" in capped.method


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ({"arms": 1, "prior_mean": 0.2}, 0.2),
        ({"arms": 1, "safe": 0.4}, 0.4),
        ({"arms": 3, "prior_sd": 0.0, "prior_mean": 0.1}, 0.1),
        ({"arms": 3, "episodes": 1, "safe": 0.5}, 0.5),
        ({"arms": 4, "episodes": 1, "family": "bernoulli", "alpha": 3.0}, 0.75),
    ],
)
def test_where_nothing_can_be_learned_the_prior_is_the_ceiling(arguments, value):
    ceiling = RecurringBandit(1, **arguments).bayes_return()
    assert ceiling.exact and ceiling.value == pytest.approx(value)


def test_a_walk_of_four_border_cells_finds_the_goal_in_at_most_four_episodes():
    """(8 + 7 + 6 + 5) * 4/16 of 8 episodes; one episode: 4/16."""
    world = HiddenGoal(1)
    assert world.bayes_return().value == pytest.approx(26 / 4 / 8)
    assert world.bayes_return().exact
    assert world.bayes_return(1).value == 0.25
    assert world.bayes_return(2).value == pytest.approx((2 * 4 + 4) / 16 / 2)


def test_with_an_exit_one_looks_only_while_there_is_time_to_profit():
    world = HiddenGoal(1, exit_reward=0.4)
    assert world.bayes_return(1).value == pytest.approx(0.4)
    two = max(0.8, (2 * 3 / 16 + 13 / 16 * 0.4))
    assert world.bayes_return(2).value == pytest.approx(two / 2)
    assert 0.6 < world.bayes_return().value < 0.75


def test_larger_grids_get_a_lower_bound_that_says_so():
    ceiling = HiddenGoal(1, size=7).bayes_return()
    assert not ceiling.exact and "lower bound" in ceiling.method
    assert ceiling.value <= sum(min(5 * k, 24) + 24 * 0 for k in range(1, 9)) / 24
    from wayfare.worlds.ceilings import _sweep

    small = HiddenGoal(1)
    assert _sweep(small, 8).value == pytest.approx(small.bayes_return().value)


def test_ceilings_that_are_not_known_are_refused():
    with pytest.raises(BadValue, match="obstacles"):
        HiddenGoal(1, obstacles=0.1).bayes_return()
    with pytest.raises(BadValue, match="horizon"):
        RecurringBandit(2, episodes=[1, 30]).bayes_return()
    with pytest.raises(BadValue, match="horizon"):
        HiddenGoal(1, law="geometric").bayes_return()
    with pytest.raises(BadValue, match="horizon"):
        RecurringBandit(1).bayes_return(0)
