from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from wayfare.explore.rules import UCB1, ArmTable


@pytest.mark.parametrize("alpha", [0.0, 0.2, 1.0])
def test_ucb_acts_as_the_textbook(same_actions: Any, first_of_best: Any, alpha: float) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        t = sum(pulls)
        upper = [
            s / n + alpha * math.sqrt(2.0 * math.log(t) / n) if n else math.inf
            for s, n in zip(sums, pulls, strict=True)
        ]
        return int(first_of_best(upper, draws.uniform(3)))

    same_actions(UCB1(alpha), choose)


def test_value_and_bonus_stand_apart() -> None:
    table = ArmTable(np.array([4.0, 0.0, 12.0]), np.array([2.0, 0.0, 3.0]), np.zeros(3))
    rule = UCB1(0.5)
    assert rule.value(table) == pytest.approx([0.5, 0.0, 0.25])
    assert rule.bonus(table) == pytest.approx(
        [0.5 * math.sqrt(math.log(16) / 2), math.inf, 0.5 * math.sqrt(math.log(16) / 6)]
    )
