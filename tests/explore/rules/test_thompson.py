from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wayfare.explore.rules import ArmTable, BernoulliArms, BetaThompson, GaussianArms, GaussianThompson


def test_gaussian_thompson_acts_as_the_textbook(same_actions: Any) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        z = draws.normal(3)
        sampled = [s / (1 + n) + z[a] / math.sqrt(1 + n) for a, (s, n) in enumerate(zip(sums, pulls, strict=True))]
        return sampled.index(max(sampled))

    same_actions(GaussianThompson(), choose)


def test_beta_thompson_acts_as_the_textbook(same_actions: Any) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        a = np.array([0.5 + s for s in sums])
        b = np.array([2.0 + n - s for s, n in zip(sums, pulls, strict=True)])
        return int(np.argmax(draws.beta(a, b)))

    same_actions(BetaThompson(BernoulliArms(0.5, 2.0)), choose, payoffs="bernoulli")


def test_two_gaussian_arms_by_hand() -> None:
    """P(a is best) = Phi((m_a - m_b) / sqrt(v_a + v_b))."""
    table = ArmTable(np.array([3.0, 8.0]), np.array([1.0, 6.0]), np.zeros(2))
    z = (1 / 4 - 6 / 9) / math.sqrt(1 / 4 + 1 / 9)
    p = GaussianThompson().propensities(table)
    assert p[0] == pytest.approx(0.5 * (1 + math.erf(z / math.sqrt(2))), abs=1e-10)


def test_a_known_arm_is_best_when_all_others_sample_below_it() -> None:
    prior = GaussianArms(mean=(0.5, 0.0, 0.0), sd=(0.0, 1.0, 1.0))
    p = GaussianThompson(prior).propensities(ArmTable.empty((3,), np.zeros(1)))
    below = 0.5 * (1 + math.erf(0.5 / math.sqrt(2)))
    assert p == pytest.approx([below**2, (1 - below**2) / 2, (1 - below**2) / 2], abs=1e-10)
