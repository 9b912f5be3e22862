from __future__ import annotations

import math
from typing import Any

import pytest

from wayfare.explore.rules import GaussianArms, Greedy


@pytest.mark.parametrize("untried", [0.0, math.inf])
def test_greedy_acts_as_the_textbook(same_actions: Any, first_of_best: Any, untried: float) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        means = [s / n if n else untried for s, n in zip(sums, pulls, strict=True)]
        return int(first_of_best(means, draws.uniform(3)))

    same_actions(Greedy(untried=untried), choose)


def test_a_prior_shrinks_the_means(same_actions: Any, first_of_best: Any) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        return int(first_of_best([s / (n + 1) for s, n in zip(sums, pulls, strict=True)], draws.uniform(3)))

    same_actions(Greedy(prior=GaussianArms()), choose)
