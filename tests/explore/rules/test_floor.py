"""The floor: what it certifies, what it never does, and that it is the same after a pause."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.explore.rules.floor import BETS, LADDER, Floor, FloorSettings


def play(floor: Floor, values: dict[str, float], tasks: int, seed: int) -> list[tuple[int, str]]:
    """Sides whose sets never coincide, Bernoulli rewards; the events by task."""
    random = np.random.default_rng(seed)
    events = []
    for t in range(tasks):
        shares = {side: share for side, share in floor.shares().items() if share > 0}
        side = random.choice(list(shares), p=np.array(list(shares.values())) / sum(shares.values()))
        chances = {each: float(each == side) for each in shares}
        for event in floor.update(float(random.random() < values[side]), chances, shares):
            events.append((t, event.name))
    return events


def test_before_any_outcome_the_learned_share_is_alpha() -> None:
    for alpha in (0.1, 0.2, 0.5):
        shares = Floor(FloorSettings(alpha=alpha)).shares()
        assert shares["baseline"] == pytest.approx(1 - alpha) and shares["incumbent"] == pytest.approx(alpha)


def test_a_better_policy_comes_to_have_all_but_the_least_share() -> None:
    reached = []
    for seed in range(10):
        floor = Floor()
        play(floor, {"baseline": 0.45, "incumbent": 0.65}, 500, seed)
        reached.append(floor.shares()["baseline"])
    assert np.median(reached) == pytest.approx(FloorSettings().rho_min)


def test_the_mixture_is_never_promised_less_than_the_floor() -> None:
    floor = Floor()
    random = np.random.default_rng(0)
    for t in range(400):
        shares = floor.shares()
        trial = floor.challenger.ratio if floor.challenger is not None else 0.0
        promised = shares["baseline"] + floor.certified * shares["incumbent"] + trial * shares["challenger"]
        assert promised >= 1 - floor.settings.alpha - 1e-12
        assert math.fsum(shares.values()) == pytest.approx(1) and min(shares.values()) >= 0
        if t == 150:
            floor.challenge()
        side = random.choice(list(shares), p=list(shares.values()))
        value = {"baseline": 0.4, "incumbent": 0.6, "challenger": 0.9}[side]
        floor.update(float(random.random() < value), {each: float(each == side) for each in shares}, shares)


def test_at_level_delta_few_streams_certify_what_is_false() -> None:
    # worth half the baseline: any ratio above .5 is false
    wrong = 0
    for seed in range(60):
        floor = Floor()
        play(floor, {"baseline": 0.6, "incumbent": 0.3}, 300, seed)
        wrong += floor.policies == 1 and floor.certified > 0.5
    assert wrong <= 6


def test_wealth_is_a_supermartingale_where_the_ratio_is_false_and_grows_where_it_is_true() -> None:
    # one step in expectation over everything random, by hand: V_w = .3, V_b = .6, rho = .8
    floor, rho = Floor(), 0.8
    before = floor.incumbent.wealth.logs.copy()
    expected = np.zeros((len(LADDER), len(BETS)))
    for side, share, value in (("baseline", rho, 0.6), ("incumbent", 1 - rho, 0.3)):
        for reward, chance in ((1.0, value), (0.0, 1 - value)):
            again = Floor()
            again.update(reward, {each: float(each == side) for each in ("baseline", "incumbent")},
                         {"baseline": rho, "incumbent": 1 - rho})  # fmt: skip
            expected += share * chance * np.exp(again.incumbent.wealth.logs - before)
    true = np.array(LADDER) < 0.5
    assert (expected[~true] <= 1 + 1e-12).all() and (expected[true] > 1).all()


def test_drift_is_noticed_and_the_certificates_are_given_back() -> None:
    floor = Floor()
    play(floor, {"baseline": 0.45, "incumbent": 0.75}, 600, 1)
    assert floor.shares()["baseline"] == pytest.approx(0.05)
    events = play(floor, {"baseline": 0.45, "incumbent": 0.1}, 4000, 2)
    assert "alarm" in {name for _, name in events}
    assert floor.certified < 0.8


def test_a_policy_that_proves_nothing_and_loses_is_retired_to_the_least_share() -> None:
    floor = Floor()
    events = play(floor, {"baseline": 0.7, "incumbent": 0.02}, 3000, 3)
    assert events[0][1] == "retired"
    assert floor.shares()["incumbent"] == pytest.approx(0.05)


def test_a_better_challenger_is_promoted_and_a_worse_one_retired() -> None:
    names = []
    for value in (0.9, 0.1):
        floor = Floor()
        play(floor, {"baseline": 0.45, "incumbent": 0.6}, 600, 4)
        floor.challenge()
        events = play(floor, {"baseline": 0.45, "incumbent": 0.6, "challenger": value}, 3000, 5)
        names.append(next(name for _, name in events if name in ("promoted", "retired")))
    assert names == ["promoted", "retired"]


def test_what_both_sides_would_surely_have_shown_is_no_evidence() -> None:
    floor = Floor()
    before = floor.to_json()
    assert floor.update(1.0, {"baseline": 1.0, "incumbent": 1.0}, {"baseline": 0.8, "incumbent": 0.2}) == []
    assert floor.to_json() == before


@given(st.integers(0, 200), st.integers(0, 1000))
def test_a_floor_that_was_saved_goes_on_as_if_it_had_not_been(tasks, seed) -> None:
    floor = Floor(FloorSettings(alpha=0.3))
    play(floor, {"baseline": 0.4, "incumbent": 0.7}, tasks // 4, seed)
    floor.challenge()
    again = Floor.from_json(json.loads(json.dumps(floor.to_json())))
    values = {"baseline": 0.4, "incumbent": 0.7, "challenger": 0.8}
    assert play(floor, values, 20, seed) == play(again, values, 20, seed)
    assert floor.to_json() == again.to_json()


def test_a_suspended_floor_falls_back_and_comes_again() -> None:
    floor = Floor()
    play(floor, {"baseline": 0.45, "incumbent": 0.75}, 500, 1)
    proved = floor.shares()
    floor.suspended = True
    assert floor.shares()["baseline"] == pytest.approx(0.8)
    floor.suspended = False
    assert floor.shares() == proved


@pytest.mark.parametrize("name", ["alpha", "delta", "rho_min", "alarm"])
def test_settings_out_of_range_are_refused(name) -> None:
    for value in (-0.1, 0, float("nan"), "x") if name != "alarm" else (-0.1, 0, 1.0, float("inf")):
        with pytest.raises(BadValue, match=name):
            FloorSettings(**{name: value})


def test_a_bad_outcome_is_refused_before_anything_changes() -> None:
    floor = Floor()
    shares = floor.shares()
    for reward, chances in ((1.5, {"baseline": 1.0, "incumbent": 0.0}), (float("nan"), {"baseline": 1, "incumbent": 0}),
                            (1.0, {"baseline": 0.0, "incumbent": 0.0}), (1.0, {"baseline": 0.5})):  # fmt: skip
        with pytest.raises(BadValue):
            floor.update(reward, chances, shares)
    assert floor.to_json() == Floor().to_json()
