from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.explore.rules import IMED, KLUCB, ArmTable, Family

CHANCE = st.floats(0.0, 1.0)


def kl(p: float, q: float) -> float:
    total = 0.0
    for x, y in ((p, q), (1.0 - p, 1.0 - q)):
        if x > 0:
            total += x * math.log(x / y) if y > 0 else math.inf
    return total


def upper(mean: float, level: float) -> float:
    """By halving, in plain Python."""
    low, high = mean, 1.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if kl(mean, middle) <= level else (low, middle)
    return low


@pytest.mark.parametrize("c", [0.0, 3.0])
def test_kl_ucb_acts_as_the_textbook(same_actions: Any, first_of_best: Any, c: float) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        log_t = math.log(max(sum(pulls), 1.0))
        level = log_t + c * math.log(max(log_t, 1.0))
        # equal arms must tie exactly, which halving does not promise for what Newton's method finds: seen by the counts
        known = {(n, s): upper(s / n, level / n) if n else math.inf for n, s in zip(pulls, sums, strict=True)}
        scores = [known[n, s] for n, s in zip(pulls, sums, strict=True)]
        return int(first_of_best([round(x, 9) for x in scores], draws.uniform(3)))

    same_actions(KLUCB(c=c), choose, payoffs="bernoulli")


def test_gaussian_kl_ucb_acts_as_the_textbook(same_actions: Any, first_of_best: Any) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        log_t = math.log(max(sum(pulls), 1.0))
        scores = [s / n + 0.5 * math.sqrt(2.0 * log_t / n) if n else math.inf for n, s in zip(pulls, sums, strict=True)]
        return int(first_of_best(scores, draws.uniform(3)))

    same_actions(KLUCB(Family("gaussian", 0.5)), choose)


@pytest.mark.parametrize("payoffs", ["bernoulli", "gaussian"])
def test_imed_acts_as_the_textbook(same_actions: Any, first_of_best: Any, payoffs: Any) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        means = [s / n if n else 0.0 for n, s in zip(pulls, sums, strict=True)]
        best = max((m for m, n in zip(means, pulls, strict=True) if n), default=0.0)
        between = kl if payoffs == "bernoulli" else lambda p, q: (p - q) ** 2 / 2.0
        scores = [-(n * between(m, best) + math.log(n)) if n else math.inf for m, n in zip(means, pulls, strict=True)]
        return int(first_of_best(scores, draws.uniform(3)))

    same_actions(IMED(Family(payoffs)), choose, payoffs=payoffs)


@given(CHANCE, st.floats(0.0, 40.0))
def test_the_index_is_where_the_divergence_reaches_its_level(mean: float, level: float) -> None:
    found = float(Family().upper_mean(np.array([mean]), np.array([level]))[0])
    assert mean <= found <= 1.0
    assert found == pytest.approx(upper(mean, level), abs=1e-8)


def test_extreme_means_by_hand() -> None:
    found = Family().upper_mean(np.array([0.0, 1.0, 0.5]), np.array([1.0, 1.0, 0.0]))
    assert found == pytest.approx([1.0 - math.exp(-1.0), 1.0, 0.5], abs=1e-7)


def test_rewards_out_of_range_are_refused_by_value() -> None:
    table = ArmTable(np.array([2.0, 1.0]), np.array([5.0, 0.5]), np.zeros(2))
    for rule in (KLUCB(), IMED()):
        with pytest.raises(BadValue, match=r"mean reward must be between 0 and 1 .*got 2\.5"):
            rule.scores(table)
    with pytest.raises(BadValue, match="family"):
        Family("poisson")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="noise_sd"):
        Family("gaussian", 0.0)
    with pytest.raises(BadValue, match="c must"):
        KLUCB(c=-1.0)
