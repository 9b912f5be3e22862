"""The moving average against its closed forms, which are themselves held to a textbook loop."""

from __future__ import annotations

from itertools import product

import pytest

from wayfare.studies.memrl.theory import closed_mean, closed_variance, follow


def quiet(*_: float, **__: float) -> None:
    pass


def test_closed_forms_are_those_of_all_sequences_of_rewards() -> None:
    for b, steps in ((0.3, 1), (0.3, 4), (0.8, 6)):
        mean = square = 0.0
        for rewards in product((0, 1), repeat=steps):
            q, chance = 0.5, 1.0
            for reward in rewards:
                q, chance = q + 0.3 * (reward - q), chance * (b if reward else 1 - b)
            mean, square = mean + chance * q, square + chance * q * q
        assert closed_mean(b, steps) == pytest.approx(mean)
        assert closed_variance(b, steps) == pytest.approx(square - mean**2)


def test_the_library_agrees_and_another_step_would_be_seen() -> None:
    told = {step: follow(quiet, seeds=[1, 2], copies=1500, steps=18, step=step) for step in (0.3, 0.2)}
    for measure in ("mean deviation", "variance deviation"):
        assert told[0.3][f"estimator|{measure}"].max() < 4.5 < 6 < told[0.2][f"estimator|{measure}"].min()
