from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.explore.rules import ArmTable, Decreasing, EpsilonGreedy, LinearDecay, Scores


def test_epsilon_falls_as_the_equations_say() -> None:
    pulls = np.array([0, 1, 9, 99])
    assert Decreasing(0.5, 0.5).at(pulls, 4) == pytest.approx([1.0, 1.0, 0.8, 0.08])
    assert LinearDecay(1.0, 0.2, 10).at(pulls, 4) == pytest.approx([1.0, 0.92, 0.28, 0.2])


@pytest.mark.parametrize("schedule", [Decreasing(0.4, 0.6), LinearDecay(0.9, 0.0, 8)])
def test_epsilon_greedy_by_a_schedule_acts_as_the_textbook(
    same_actions: Any, first_of_best: Any, schedule: Any
) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        epsilon = float(schedule.at(np.array(sum(pulls)), 3))
        explore = draws.uniform() < epsilon
        scores = [0.0 if explore else s / n if n else 0.0 for s, n in zip(sums, pulls, strict=True)]
        return int(first_of_best(scores, draws.uniform(3)))

    same_actions(EpsilonGreedy(schedule), choose)


def test_rows_have_the_epsilon_of_their_own_pulls() -> None:
    counts = np.array([[0.0, 0.0], [8.0, 0.0]])
    table = ArmTable(counts, np.array([[0.0, 0.0], [4.0, 0.0]]), counts)
    p = EpsilonGreedy(LinearDecay(1.0, 0.0, 10)).propensities(table)
    assert p == pytest.approx(np.array([[0.5, 0.5], [0.9, 0.1]]))


def test_scores_have_no_pulls_and_are_refused() -> None:
    with pytest.raises(BadValue, match="evidence"):
        EpsilonGreedy(Decreasing()).propensities(Scores(np.zeros(3)))
    for make in (lambda: Decreasing(c=0.0), lambda: Decreasing(gap=2.0), lambda: LinearDecay(1.5, 0.0, 3)):
        with pytest.raises(BadValue):
            make()
    with pytest.raises(BadValue, match="pulls"):
        LinearDecay(1.0, 0.0, 0)
