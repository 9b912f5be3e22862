from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules import Scores, Softmax


def test_softmax_acts_as_the_textbook(same_actions: Any) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        means = [s / n if n else 0.0 for s, n in zip(sums, pulls, strict=True)]
        noisy = [m / 0.3 - math.log(-math.log(u)) for m, u in zip(means, draws.uniform(3), strict=True)]
        return noisy.index(max(noisy))

    same_actions(Softmax(0.3), choose)


def test_propensities_by_hand() -> None:
    p = Softmax(2.0).propensities(Scores(np.array([0.0, 2.0 * math.log(3.0), 77.0])), np.array([True, True, False]))
    assert p == pytest.approx([0.25, 0.75, 0.0])


def test_scores_of_any_size_do_not_overflow() -> None:
    p = Softmax(1.0).propensities(Scores(np.array([1e6, 1e6 - 1.0, -1e6])), None)
    assert p == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1)), 0.0])


def test_infinite_scores_are_refused() -> None:
    with pytest.raises(BadValue, match="finite"):
        Softmax(1.0).decide(Scores(np.array([[np.inf, 0.0]])), None, Stream(0, "policy").at(np.arange(1)))
