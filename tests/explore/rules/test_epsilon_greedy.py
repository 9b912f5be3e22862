from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wayfare.explore.rules import EpsilonGreedy, Greedy, Scores, Uniform


@pytest.mark.parametrize("epsilon", [0.1, 0.5])
def test_epsilon_greedy_acts_as_the_textbook(same_actions: Any, first_of_best: Any, epsilon: float) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        if float(draws.uniform()) < epsilon:
            return int(np.argmax(draws.uniform(3)))
        return int(first_of_best([s / n if n else 0.0 for s, n in zip(sums, pulls, strict=True)], draws.uniform(3)))

    same_actions(EpsilonGreedy(epsilon), choose)


def test_propensities_by_hand() -> None:
    p = EpsilonGreedy(0.2).propensities(Scores(np.array([1.0, 3.0, 3.0, 9.0])), np.array([True, True, True, False]))
    assert p == pytest.approx([0.2 / 3, 0.4 + 0.2 / 3, 0.4 + 0.2 / 3, 0.0])


def test_the_ends_are_greedy_and_uniform() -> None:
    scores = Scores(np.random.default_rng(0).integers(0, 3, (50, 4)))
    assert np.allclose(EpsilonGreedy(0.0).propensities(scores), Greedy().propensities(scores))
    assert np.allclose(EpsilonGreedy(1.0).propensities(scores), Uniform().propensities(scores))
