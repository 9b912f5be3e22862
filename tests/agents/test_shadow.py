"""Shadow mode: fits on the past alone, estimates that hold the truth, and logs that cannot tell are refused."""

from __future__ import annotations

import numpy as np
import pytest

from wayfare.agents.shadow import calibration_error, objections, rows_of, shadow
from wayfare.errors import BadValue
from wayfare.explore.evaluation import DecisionLog, evaluate
from wayfare.explore.oracles import LogisticOracle
from wayfare.explore.rules import Greedy, Scores, SquareCB, Uniform

ROWS = 6000


def chances(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(1.0 + np.stack([x[:, 0], -x[:, 0], x[:, 1]], axis=1))))


def made_log(rule: object, rows: int = ROWS, seed: int = 0) -> DecisionLog:
    g = np.random.default_rng(seed)
    x, allowed = g.normal(size=(rows, 2)), g.random((rows, 3)) < 0.7
    allowed[:, 0] = True
    p = rule.propensities(Scores(chances(x) + 0.05 * g.normal(size=(rows, 3))), allowed)  # type: ignore[attr-defined]
    a = (p.cumsum(axis=1) > g.random((rows, 1))).argmax(axis=1)
    at = np.arange(rows)
    return DecisionLog(x, allowed, a, (g.random(rows) < chances(x)[at, a]).astype(float), p[at, a])


def test_candidates_are_fitted_to_the_past_and_their_intervals_hold_what_they_earn() -> None:
    log = made_log(SquareCB(20.0))
    periods = np.arange(ROWS) // 1500
    found = shadow(log, LogisticOracle(3), periods, memory=1, greed=3.0)
    assert [(one.number, one.rows, one.fitted) for one in found] == [(1, 1500, 1500), (2, 1500, 1500), (3, 1500, 1500)]
    for one in found:
        before, now = np.flatnonzero(periods == one.number - 1), np.flatnonzero(periods == one.number)
        oracle = LogisticOracle(3).fit(log.features[before], log.actions[before], log.rewards[before])
        p = SquareCB(one.gamma).propensities(Scores(oracle.scores(log.features[now])), log.allowed[now])
        truth = float((p * chances(log.features[now])).sum(axis=1).mean())
        assert one.gamma == pytest.approx(3.0 * (3 * 1500) ** 0.5)
        for estimate in (one.ips, one.snips, one.dr):
            assert abs(estimate.value - truth) < 3 * (estimate.high - estimate.low) / 3.92
        assert one.against == () and one.calibration < 0.06
    everything = shadow(log, LogisticOracle(3), periods, memory=None)
    assert [one.fitted for one in everything] == [1500, 3000, 4500]


def test_a_greedy_log_is_refused() -> None:
    log = made_log(Greedy())
    found = shadow(log, LogisticOracle(3), np.arange(ROWS) // 3000)
    assert any("impossible" in text for text in found[0].against)


def test_too_few_effective_rows_are_refused_and_wrong_propensities_too() -> None:
    log = made_log(Uniform())
    target = Greedy().propensities(Scores(chances(log.features)), log.allowed)
    told = evaluate(log, target, "ips")
    assert objections(told, 500.0) == () and "effective" in objections(told, 5000.0)[0]
    assert log.propensities is not None
    wrong = DecisionLog(log.contexts, log.allowed, log.actions, log.rewards, np.minimum(1.0, 1.6 * log.propensities))
    assert any("do not fit" in text for text in objections(evaluate(wrong, target, "ips")))


def test_calibration_error_by_hand() -> None:
    p = np.array([0.05, 0.05, 0.95, 0.95])
    assert calibration_error(p, np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx(0.05)
    assert calibration_error(p, np.array([1.0, 0.0, 1.0, 0.0])) == pytest.approx(0.45)


def test_some_rows_of_a_log_keep_what_belongs_to_them() -> None:
    log = made_log(Uniform(), 10)
    some = rows_of(log, np.array([7, 2]))
    assert some.ids == ("7", "2") and some.rewards.tolist() == log.rewards[[7, 2]].tolist()


def test_logs_that_will_not_do_are_refused_by_name() -> None:
    log, oracle = made_log(Uniform(), 100), LogisticOracle(3)
    halves = np.arange(100) // 50
    bare = DecisionLog(None, log.allowed, log.actions, log.rewards, log.propensities)
    blind = DecisionLog(log.contexts, log.allowed, log.actions, log.rewards, None)
    paid = DecisionLog(log.contexts, log.allowed, log.actions, log.rewards + 0.5, log.propensities)
    for given, field in ((bare, "contexts"), (blind, "propensities"), (paid, "rewards")):
        with pytest.raises(BadValue) as refused:
            shadow(given, oracle, halves)
        assert refused.value.field == field
    with pytest.raises(BadValue, match="periods"):
        shadow(log, oracle, np.zeros(100, dtype=np.int64))
    with pytest.raises(BadValue, match="rule"):
        shadow(log, oracle, halves, rule="greedy")  # type: ignore[arg-type]
