"""Exact regularised rewards: slopes are the objective's, ends the closed forms', their order RAPO's."""

from __future__ import annotations

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.explore.softmax_bandit import RegularisedReward, climb, hole, optimum

REWARD = np.array([1.0, 0.6, 0.2, 0.0])
REFERENCE = np.array([0.1, 0.4, 0.3, 0.2])


def _value(objective: RegularisedReward, z: np.ndarray) -> float:
    logp = z - np.logaddexp.reduce(z)
    pi, logq = np.exp(logp), np.log(REFERENCE)
    apart = {"none": 0.0, "reverse": pi @ (logp - logq), "forward": REFERENCE @ (logq - logp)}[objective.divergence]
    return float(pi @ REWARD - objective.alpha * apart - objective.beta * (pi @ logp))


@pytest.mark.parametrize("divergence", ["none", "reverse", "forward"])
def test_the_slope_is_that_of_the_objective(divergence: str) -> None:
    objective = RegularisedReward(divergence, 0.3, 0.2)  # type: ignore[arg-type]
    z = np.array([0.3, -0.5, 1.0, 0.1])
    steps = 1e-6 * np.eye(4)
    wanted = [(_value(objective, z + h) - _value(objective, z - h)) / 2e-6 for h in steps]
    assert objective.slope(z, REWARD, REFERENCE) == pytest.approx(wanted, abs=1e-8)


@pytest.mark.parametrize("divergence", ["reverse", "forward"])
@pytest.mark.parametrize("beta", [0.0, 0.05])
def test_a_long_climb_ends_at_the_closed_form(divergence: str, beta: float) -> None:
    objective = RegularisedReward(divergence, 0.2, beta)  # type: ignore[arg-type]
    best = optimum(objective, REWARD, REFERENCE)
    assert best.sum() == pytest.approx(1.0)
    assert objective.slope(np.log(best), REWARD, REFERENCE) == pytest.approx(0.0, abs=1e-9)
    assert climb(objective, REWARD, REFERENCE, steps=800)[-1] == pytest.approx(best, abs=1e-3)


def test_a_hole_is_filled_by_forward_more_than_by_reverse_and_not_without_either() -> None:
    reward, reference = hole(0.1)

    def way(objective: RegularisedReward) -> np.ndarray:
        return climb(objective, reward, reference)[:, :2].sum(axis=1)

    forward, reverse = way(RegularisedReward("forward", 0.1, 0.01)), way(RegularisedReward("reverse", 0.1))
    whole = way(RegularisedReward("tempered", 0.1, 0.01))
    assert forward[-1] > reverse[-1] + 0.2 and reverse[-1] > 0.5
    assert max(way(RegularisedReward())[-1], way(RegularisedReward(beta=0.01))[-1]) < 1e-3
    sooner = np.argmax(whole >= 0.5) / np.argmax(forward >= 0.5)
    assert 0.8 < sooner < 0.95  # a tempered reference lifts what is rare


def test_answers_of_next_to_no_chance_are_optimal_under_forward_alone() -> None:
    reward, reference = hole(1e-11)
    kept = {name: optimum(RegularisedReward(name, 0.1), reward, reference)[:2].sum() for name in ("forward", "reverse")}
    assert kept["forward"] > 0.8 and kept["reverse"] < 1e-6


def test_a_floor_of_one_leaves_the_reference_as_it_is() -> None:
    z = np.array([0.3, -0.5, 1.0, 0.1])
    told = [RegularisedReward(name, 0.3, 0.0, 1.0).slope(z, REWARD, REFERENCE) for name in ("forward", "tempered")]
    assert told[0] == pytest.approx(told[1])


def test_impossible_values_are_refused_by_name() -> None:
    for field, told in (("alpha", {"alpha": -1.0}), ("beta", {"beta": np.inf}), ("floor", {"floor": 2.0})):
        with pytest.raises(BadValue) as refused:
            RegularisedReward(**told)
        assert refused.value.field == field
    with pytest.raises(BadValue, match="q must be"):
        climb(RegularisedReward(), REWARD, [0.5, 0.5, 0.0, 0.0])
    with pytest.raises(BadValue, match="depth"):
        hole(0.0)
    with pytest.raises(BadValue, match="divergence"):
        optimum(RegularisedReward("tempered", 0.1), REWARD, REFERENCE)
