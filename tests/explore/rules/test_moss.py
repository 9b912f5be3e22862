from __future__ import annotations

import math
from typing import Any

import pytest

from wayfare.errors import BadValue
from wayfare.explore.rules import MOSS, UCB1, EpsilonGreedy, Exp3, FiniteHorizonIndex, LinearDecay, is_anytime


@pytest.mark.parametrize("horizon", [14, None])
def test_moss_acts_as_the_textbook(same_actions: Any, first_of_best: Any, horizon: int | None) -> None:
    def choose(pulls: list[float], sums: list[float], left: int, draws: Any) -> int:
        scores = []
        for s, n in zip(sums, pulls, strict=True):
            if not n:
                scores.append(math.inf)
                continue
            share = (horizon or sum(pulls)) / (3 * n)
            factor = 1.0 if horizon else (1.0 + 1.35) / 2.0
            scores.append(s / n + 2.0 * math.sqrt(factor * max(0.0, math.log(share)) / n))
        return int(first_of_best(scores, draws.uniform(3)))

    same_actions(MOSS(horizon, scale=2.0), choose)


def test_rules_say_whether_they_are_made_for_a_horizon() -> None:
    assert all(is_anytime(rule) for rule in (UCB1(), MOSS(), Exp3(), EpsilonGreedy(LinearDecay(1.0, 0.1, 5))))
    assert not any(is_anytime(rule) for rule in (MOSS(5), Exp3(5), FiniteHorizonIndex(5)))


@pytest.mark.parametrize(("field", "value"), [("horizon", 0), ("scale", 0.0), ("alpha", -1.0)])
def test_numbers_out_of_range_are_refused(field: str, value: Any) -> None:
    with pytest.raises(BadValue, match=field):
        MOSS(**{field: value})
