"""On one instance the rules come in the order that is known of them, and each near its theory."""

from __future__ import annotations

import numpy as np
import pytest

from wayfare.explore.compare import Comparison, Policy, compare
from wayfare.explore.learners import ImportanceWeighted
from wayfare.explore.rules import (
    IMED,
    KLUCB,
    MOSS,
    UCB1,
    BetaThompson,
    Decreasing,
    EpsilonGreedy,
    Exp3,
    Greedy,
    Uniform,
)
from wayfare.worlds import VariedBandit

pytestmark = pytest.mark.xdist_group("regret-order")  # one worker, so that the comparison is made once

RUNS, HORIZON = 200, 1200


@pytest.fixture(scope="module")
def found() -> Comparison:
    world = VariedBandit(RUNS, arms=5, episodes=HORIZON, gap=0.3)
    return compare(
        {
            "UCB1": UCB1(),
            "KL-UCB": KLUCB(),
            "IMED": IMED(),
            "MOSS": MOSS(HORIZON),
            "MOSS anytime": MOSS(),
            "Thompson": BetaThompson(),
            "epsilon": EpsilonGreedy(Decreasing(5.0, 0.3)),
            "Exp3": Policy(Exp3(HORIZON), ImportanceWeighted),
            "Exp3 anytime": Policy(Exp3(), ImportanceWeighted),
            "greedy": Greedy(untried=float("inf")),
            "uniform": Uniform(),
        },
        world,
        RUNS,
        HORIZON,
        seed=4,
    )


def test_indices_by_divergence_lose_less_than_ucb1(found: Comparison) -> None:
    for better in ("KL-UCB", "IMED", "MOSS", "MOSS anytime", "Thompson"):
        difference = found.paired("UCB1", better)
        assert difference.mean() > 3 * difference.std() / RUNS**0.5, better


def test_rules_for_adversaries_lose_more_than_divergences_and_less_than_no_rule(found: Comparison) -> None:
    uniform = found.of("uniform")[-1].mean()
    assert uniform == pytest.approx(0.3 * 0.8 * HORIZON, rel=2e-2)
    for name in ("Exp3", "Exp3 anytime"):
        assert 1.5 * found.of("KL-UCB")[-1].mean() < found.of(name)[-1].mean() < 0.9 * uniform


def test_exp3_stays_below_its_bound(found: Comparison) -> None:
    bound = 2.63 * np.sqrt(HORIZON * 5 * np.log(5))
    assert found.of("Exp3")[-1].mean() < bound


def test_regret_of_the_best_grows_with_the_logarithm_and_of_greedy_with_time(found: Comparison) -> None:
    half = int(np.searchsorted(found.times, HORIZON // 2))
    for name in ("KL-UCB", "IMED", "Thompson"):
        table = found.of(name)
        assert table[-1].mean() < 1.25 * table[half].mean()
    greedy = found.of("greedy")
    assert greedy[-1].mean() > 1.8 * greedy[half].mean()
