from __future__ import annotations

from typing import Any

from wayfare.explore.rules import BernoulliArms, GaussianArms, MyopicBayes


def test_gaussian_arms_are_taken_as_in_the_textbook(same_actions: Any, first_of_best: Any) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        precisions = [1 / 4 + n / 0.49 for n in pulls]
        means = [(0.2 / 4 + s / 0.49) / p for s, p in zip(sums, precisions, strict=True)]
        return int(first_of_best([round(m, 12) for m in means], draws.uniform(3)))

    same_actions(MyopicBayes(GaussianArms(0.2, 2.0, 0.7)), choose)


def test_bernoulli_arms_are_taken_as_in_the_textbook(same_actions: Any, first_of_best: Any) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        return int(first_of_best([(1 + s) / (2 + n) for s, n in zip(sums, pulls, strict=True)], draws.uniform(3)))

    same_actions(MyopicBayes(BernoulliArms()), choose, payoffs="bernoulli")
