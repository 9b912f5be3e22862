from __future__ import annotations

import numpy as np
import pytest
import torch

from wayfare.errors import BadValue
from wayfare.explore.rules import ArmTable, BernoulliArms, GaussianArms


def test_gaussian_beliefs_follow_the_precision_form() -> None:
    table = ArmTable(np.array([0.0, 1.0, 7.0]), np.array([0.0, 2.0, -3.0]), np.zeros(3))
    mean, sd = GaussianArms(mean=0.4, sd=(0.5, 1.5, 2.0), noise_sd=0.8).posterior(table)
    for i, (n, total, tau) in enumerate([(0, 0, 0.5), (1, 2, 1.5), (7, -3, 2.0)]):
        precision = 1 / tau**2 + n / 0.64
        assert mean[i] == pytest.approx((0.4 / tau**2 + total / 0.64) / precision)
        assert sd[i] == pytest.approx(precision**-0.5)


def test_known_arms_learn_nothing_and_noiseless_arms_all_at_once() -> None:
    table = ArmTable(np.array([5.0, 0.0]), np.array([50.0, 0.0]), np.zeros(2))
    mean, sd = GaussianArms(mean=0.5, sd=0.0).posterior(table)
    assert np.array_equal(mean, [0.5, 0.5]) and np.array_equal(sd, [0, 0])
    mean, sd = GaussianArms(sd=1.0, noise_sd=0.0).posterior(table)
    assert np.array_equal(mean, [10, 0]) and np.array_equal(sd, [0, 1])
    mean, sd = GaussianArms(mean=0.5, sd=0.0, noise_sd=0.0).posterior(table)
    assert np.array_equal(mean, [0.5, 0.5]) and np.array_equal(sd, [0, 0])


def test_bernoulli_beliefs_count_successes_and_failures() -> None:
    table = ArmTable(torch.tensor([3, 0]), torch.tensor([2.0, 0.0]), torch.zeros(2))
    a, b = BernoulliArms(a=(0.5, 1.0), b=2.0).posterior(table)
    assert a.tolist() == [2.5, 1.0] and b.tolist() == [3.0, 2.0]


def test_bernoulli_arms_refuse_rewards_outside_their_range() -> None:
    with pytest.raises(BadValue, match="sums"):
        BernoulliArms().posterior(ArmTable(np.array([1.0]), np.array([1.5]), np.zeros(1)))
