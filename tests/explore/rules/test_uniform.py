from __future__ import annotations

from typing import Any

import numpy as np

from wayfare.explore.rules import Scores, Uniform


def test_uniform_acts_as_the_textbook(same_actions: Any) -> None:
    same_actions(Uniform(), lambda pulls, sums, left, draws: int(np.argmax(draws.uniform(3))))


def test_what_is_allowed_is_equally_likely() -> None:
    p = Uniform().propensities(Scores(np.array([9, 1, 5])), np.array([True, False, True]))
    assert np.array_equal(p, [0.5, 0, 0.5])
