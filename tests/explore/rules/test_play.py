from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules import (
    UCB1,
    EpsilonGreedy,
    FiniteHorizonIndex,
    GaussianArms,
    GaussianThompson,
    Gittins,
    MyopicBayes,
    Uniform,
    play,
)

COPIES, HORIZON = 6000, 30
SAFE = GaussianArms(mean=(0.5, 0.0, 0.0), sd=(0.0, 1.0, 1.0))
PLAIN = GaussianArms()


class Arms:
    """N(0, 1) means, shifted copy by copy in antithetic pairs; unit noise; arm 0 may be safe and pay 0.5."""

    def __init__(self, safe: bool) -> None:
        half = Stream(1, "task").at(np.arange(COPIES // 2)).normal(3)
        self.means = np.concatenate([half, -half])
        self.safe = safe
        if safe:
            self.means[:, 0] = 0.5

    def pull(self, action: np.ndarray, t: int) -> np.ndarray:
        noise = Stream(1, "noise").normal(np.arange(COPIES), t)
        return self.means[np.arange(COPIES), action] + np.where(self.safe & (action == 0), 0.0, noise)

    def result(self, rule: Any) -> tuple[float, float]:
        """Expected reward a pull and distinct arms a copy."""
        played = play(rule, self.pull, 3, COPIES, HORIZON, seed=2)
        return self.means[np.arange(COPIES), played.actions].mean(), (played.table.counts > 0).sum(axis=1).mean()


@pytest.mark.parametrize(
    ("rule", "reward"),
    [
        (FiniteHorizonIndex(HORIZON), 0.675),
        (MyopicBayes(), 0.62),
        (UCB1(), 0.61),
        (UCB1(0.2), 0.66),
        (GaussianThompson(), 0.59),
        (EpsilonGreedy(0.1, PLAIN), 0.58),
        (EpsilonGreedy(0.02, PLAIN), 0.62),
        (Uniform(), 0.0),
    ],
)
def test_the_reference_values_of_three_gaussian_arms(rule: Any, reward: float) -> None:
    assert Arms(safe=False).result(rule)[0] == pytest.approx(reward, abs=0.025)


@pytest.mark.parametrize(
    ("rule", "reward"),
    [(FiniteHorizonIndex(HORIZON, SAFE), 0.734), (GaussianThompson(SAFE), 0.65), (MyopicBayes(SAFE), 0.50)],
)
def test_the_reference_values_with_a_safe_arm(rule: Any, reward: float) -> None:
    assert Arms(safe=True).result(rule)[0] == pytest.approx(reward, abs=0.02)


def test_myopic_bayes_tries_two_arms_without_and_one_with_a_safe_arm() -> None:
    assert Arms(safe=False).result(MyopicBayes())[1] == pytest.approx(2.2, abs=0.06)
    assert Arms(safe=True).result(MyopicBayes(SAFE))[1] == 1


def test_the_indices_lead_and_their_order_is_that_of_the_references() -> None:
    world = Arms(safe=True)
    index, gittins, thompson, myopic = (
        world.result(rule)[0]
        for rule in (FiniteHorizonIndex(HORIZON, SAFE), Gittins(0.95, SAFE), GaussianThompson(SAFE), MyopicBayes(SAFE))
    )
    assert index > gittins - 0.01 > thompson > myopic


def test_a_copy_plays_the_same_among_any_number_and_in_torch() -> None:
    means = Stream(1, "task").at(np.arange(50)).normal(3)

    def pull(action: Any, t: int) -> Any:
        return means[np.arange(len(action)), np.asarray(action)]

    many = play(GaussianThompson(), pull, 3, 50, 9, seed=4)
    few = play(GaussianThompson(), pull, 3, 5, 9, seed=4)
    assert np.array_equal(many.actions[:, :5], few.actions)
    torched = play(
        GaussianThompson(),
        lambda a, t: torch.tensor(pull(a.numpy(), t)),
        3,
        torch.arange(50),
        9,
        seed=torch.full((50,), 4),
    )
    assert np.array_equal(torched.actions.numpy(), many.actions)
    assert np.array_equal(torched.rewards.numpy(), many.rewards)
    assert not np.array_equal(play(GaussianThompson(), pull, 3, 50, 9, seed=5).actions, many.actions)


def test_one_arm_is_allowed_and_none_is_not() -> None:
    assert play(MyopicBayes(), lambda a, t: a * 0.0, 1, 3, 2, seed=0).actions.tolist() == [[0, 0, 0]] * 2
    for wrong in ({"arms": 0}, {"copies": 0}, {"horizon": 0}):
        with pytest.raises(BadValue, match=next(iter(wrong))):
            play(Uniform(), lambda a, t: a * 0.0, **{"arms": 2, "copies": 2, "horizon": 2, "seed": 0, **wrong})
