"""Models of a live bandit: what the simulations learn, saved exactly, and what rules make of it."""

from __future__ import annotations

import json
import math
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.learners import LinearEvidence, RidgeRegression
from wayfare.explore.live import Bandit, RidgeScores, RidgeTable, WeightedSums
from wayfare.explore.rules import (
    IMED,
    KLUCB,
    BetaThompson,
    Exp3,
    GaussianThompson,
    Greedy,
    LinearThompson,
    LinUCB,
    Scores,
    SquareCB,
    gamma_at,
)
from wayfare.explore.rules.evidence import WeightedRewards


def live(bandit: Bandit, first: int, last: int) -> list[tuple[int, float | None, float]]:
    """Rewards are linear in each action's features, without noise; the regret of each decision comes last."""
    wide, seen = bandit.model.dimension, []
    theta = Stream(0, "theta").at(0).normal(wide * len(bandit.actions)).reshape(len(bandit.actions), wide)
    for t in range(first, last):
        x = Stream(0, "x").at(0, t).normal(wide)
        paid = theta @ x if wide == 3 else x.reshape(-1, 3) @ theta[0, :3]
        decision = bandit.decide(x)
        bandit.learn(decision.id, paid[decision.action])
        seen.append((int(decision.action), decision.propensity, float(paid.max() - paid[decision.action])))
    return seen


@pytest.mark.parametrize("features", ["context", "action"])
@pytest.mark.parametrize(
    ("rule", "model"),
    [(LinUCB(0.5), RidgeTable), (LinearThompson(0.3, 100), RidgeTable), (SquareCB(500.0), RidgeScores)],
    ids=str,
)
def test_live_linear_bandits_learn_and_go_on_exactly_where_they_were_saved(
    rule: Any, model: Any, features: Any, tmp_path: Path
) -> None:
    def fresh(**options: Any) -> Bandit:
        return Bandit(rule, model(4, 3, 0.5, features), actions=4, **options)

    whole = fresh()
    expected = live(whole, 0, 150)
    regret = np.array([lost for *_, lost in expected])
    assert regret[100:].mean() < 0.25 * regret[:15].mean()
    cut = fresh(log=tmp_path / "log")
    live(cut, 0, 60)
    cut.close()
    assert live(fresh(log=tmp_path / "log"), 60, 150) == expected[60:]
    part = fresh()
    live(part, 0, 90)
    part.save(tmp_path / "state")
    again = fresh()
    again.load(tmp_path / "state")
    assert live(again, 90, 150) == expected[90:]


@pytest.mark.parametrize("features", ["context", "action"])
def test_live_models_learn_what_the_simulated_learners_do(features: Any) -> None:
    rng, wide = np.random.default_rng(0), 2 if features == "context" else 6
    scores, table = RidgeScores(3, 2, 0.7, features), RidgeTable(3, 2, 0.7, features)
    learners = [kind(2, features, 0.7, constant=True) for kind in (RidgeRegression, LinearEvidence)]
    for learner in learners:
        learner.begin(1, 3, np.zeros(1))
    for _ in range(40):
        x, action, reward = rng.normal(size=wide), int(rng.integers(3)), float(rng.normal())
        for model in (scores, table):
            model.learn(x, action, reward)
        for learner in learners:
            learner.learn(x[None], np.array([action]), np.array([reward]), np.array([True]))
    x = rng.normal(size=wide)
    assert scores.evidence(x).scores == pytest.approx(learners[0].evidence(x[None]).scores[0], abs=1e-9)
    ours, theirs = table.evidence(x), learners[1].evidence(x[None])
    assert ours.mean() == pytest.approx(theirs.mean()[0], abs=1e-9)
    assert ours.spread() == pytest.approx(theirs.spread()[0], abs=1e-9)


def test_evidence_given_out_does_not_change() -> None:
    model = RidgeTable(2, 1)
    before = model.evidence(np.ones(1))
    kept = before.mean().copy(), before.spread().copy()
    model.learn(np.ones(1), 0, 5.0)
    model.evidence(np.zeros(1))
    assert np.array_equal(before.mean(), kept[0]) and np.array_equal(before.spread(), kept[1])


def test_impossible_models_are_refused() -> None:
    with pytest.raises(BadValue, match="features must be 'context' or 'action'"):
        RidgeTable(2, 1, features="both")  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="context must be of shape"):
        Bandit(LinUCB(), RidgeTable(3, 2, features="action"), actions=3).decide([1.0, 2.0])


def test_a_rule_may_follow_what_was_learned_and_the_log_says_which_it_was(tmp_path: Path) -> None:
    def fresh(**options: Any) -> Bandit:
        return Bandit(lambda learned: SquareCB(gamma_at(learned, scale=5.0)), RidgeScores(4, 3), actions=4, **options)

    with fresh(log=tmp_path / "log") as bandit:
        first = live(bandit, 0, 30)
        late = [bandit.decide(np.ones(3)), bandit.decide(np.ones(3))]
        bandit.learn(late[1].id, 0.5)
        bandit.decide(np.ones(3))
    assert first[0][1] == pytest.approx(0.25), "before anything is learned all actions are equally likely"
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    gammas = [event["parameters"]["gamma"] for event in events if event.get("event") == "decision"]
    learned = [*range(31), 30, 31]
    assert gammas == pytest.approx([5.0 * math.sqrt(n) for n in learned])
    assert {event["policy"] for event in events if event.get("event") == "decision"} == {"SquareCB"}
    whole = fresh()
    assert live(whole, 0, 30) == first
    with fresh(log=tmp_path / "other") as cut:
        live(cut, 0, 20)
    assert live(fresh(log=tmp_path / "other"), 20, 30) == first[20:]


def test_large_contexts_and_scores_are_taken_or_refused_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bandit = Bandit(SquareCB(5.0), RidgeScores(3, 2), actions=3)
        assert bandit.decide([6e5, 6e5]).propensity == pytest.approx(1 / 3)
        with pytest.raises(BadValue, match="context must be of length 1e"):
            bandit.decide([1.5e308, 1.5e308])
        huge = Scores(np.array([np.inf, -np.inf, 1e300]))
        assert int(Greedy().decide(huge, None, Stream(0, "x").at(0)).action) == 0
    with pytest.raises(BadValue, match=r"context\[1\] must be finite"):
        bandit.decide([1.0, np.inf])
    with pytest.raises(BadValue, match=r"^scores must be free of NaN"):
        Greedy().decide(Scores(np.array([np.inf, np.nan])), None, Stream(0, "x").at(0))


def test_exp3_learns_live_what_it_learns_in_simulation() -> None:
    bandit = Bandit(Exp3(horizon=30), WeightedSums(3), actions=3, reward_range=(0, 1))
    sums = WeightedRewards.empty((3,), np.zeros(1))
    late = []
    for t in range(30):
        decision = bandit.decide()
        assert decision.propensity == pytest.approx(Exp3(horizon=30).propensities(sums)[decision.action])
        late.append((decision, 0.5 * (t % 3)))
        if t % 4 == 3:  # four at a time, newest first
            for told, reward in late[::-1]:
                bandit.learn(told.id, reward)
                one = np.array(told.action), np.array(reward), np.array(told.propensity)
                sums = sums.updated(*one)
            late = []
    assert np.allclose(bandit.model.state()["sums"], [sums.rewards, sums.weights])


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"reward_range": None}, "reward_range"),
        ({"reward_range": (0, 2)}, "reward_range"),
        ({"propensities": False}, "propensities"),
    ],
)
def test_a_model_that_weighs_by_propensities_asks_for_them_and_for_rewards_from_0_to_1(
    options: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadValue) as refused:
        Bandit(Exp3(), WeightedSums(2), actions=2, **{"reward_range": (0, 1), **options})
    assert refused.value.field == field


@pytest.mark.parametrize("features", ["context", "action"])
def test_a_context_in_the_wrong_unit_is_refused_before_anything_is_written(tmp_path: Path, features: Any) -> None:
    """A Unix time among the features once made a log that could not be opened again."""

    def made() -> Bandit:
        return Bandit(SquareCB(10.0), RidgeScores(2, 2, features=features), actions=2, log=tmp_path / "log")

    wide = 2 if features == "context" else 4
    with made() as bandit:
        bandit.learn(bandit.decide([0.5] * wide).id, 1.0)
        with pytest.raises(BadValue, match="scale it"):
            bandit.decide([1.76e9, *[0.5] * (wide - 1)])
        for _ in range(50):  # the longest that is taken
            bandit.learn(bandit.decide([9e5, *[0.5] * (wide - 1)]).id, 1.0)
        kept = bandit.model.state()
        assert all(np.isfinite(array).all() for array in kept.values())
    with made() as again:
        assert again.decisions == 51
        assert all(np.array_equal(array, kept[name]) for name, array in again.model.state().items())


@pytest.mark.parametrize("rule", [KLUCB(), IMED(), BetaThompson()], ids=lambda rule: type(rule).__name__)
def test_rewards_that_the_rule_could_not_use_are_refused_at_the_start(rule: Any) -> None:
    for bounds in (None, (0, 10), (-1, 1)):
        with pytest.raises(BadValue, match="reward_range"):
            Bandit(rule, actions=2, reward_range=bounds)
    bandit = Bandit(rule, actions=2, reward_range=(0, 1))
    for reward in (0.0, 1.0, 1.0):
        bandit.learn(bandit.decide().id, reward)
    bandit.decide()


def test_rewards_whose_squares_would_overflow_are_refused() -> None:
    bandit = Bandit(GaussianThompson(), actions=2)
    with pytest.raises(BadValue, match="at most 1e"):
        bandit.learn(bandit.decide().id, 1e308)
    bandit.learn("0-0", -1e100)
    assert np.isfinite(bandit.decide().propensity)


def test_threads_may_share_a_bandit(tmp_path: Path) -> None:
    def use(_: int) -> list[str]:
        told = []
        for _ in range(100):
            decision = bandit.decide()
            bandit.learn(decision.id, 0.5)
            told.append(decision.id)
        return told

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with Bandit(Greedy(), actions=3, log=tmp_path / "log") as bandit, ThreadPoolExecutor(8) as pool:
            ids = [name for told in pool.map(use, range(8)) for name in told]
    finally:
        sys.setswitchinterval(before)
    assert len(set(ids)) == 800
    with Bandit(Greedy(), actions=3, log=tmp_path / "log") as again:
        assert again.decisions == 800 and again.waiting == 0
