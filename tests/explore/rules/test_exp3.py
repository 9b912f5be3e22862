from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules import ArmTable, Exp3, Greedy, WeightedRewards

ARMS, COPIES, HORIZON = 3, 12, 30
RULES = [Exp3(), Exp3(HORIZON), Exp3(HORIZON, gamma=0.3)]


def textbook(rule: Exp3, rewards: list[float], weights: list[float], rounds: int) -> list[float]:
    if rule.horizon is None:
        eta = math.sqrt(math.log(ARMS) / (ARMS * (rounds + 1)))
        raw = [math.exp(-eta * (w - r)) for r, w in zip(rewards, weights, strict=True)]
        return [x / sum(raw) for x in raw]
    gamma = rule.gamma or min(1.0, math.sqrt(ARMS * math.log(ARMS) / ((math.e - 1.0) * rule.horizon)))
    raw = [math.exp(gamma * r / ARMS) for r in rewards]
    return [(1.0 - gamma) * x / sum(raw) + gamma / ARMS for x in raw]


@pytest.mark.parametrize("rule", RULES, ids=["anytime", "horizon", "gamma"])
def test_exp3_acts_as_the_textbook_round_by_round(rule: Exp3) -> None:
    stream, coins, copies = Stream(5, "policy"), Stream(5, "coins"), np.arange(COPIES)
    table = WeightedRewards.empty((COPIES, ARMS), like=copies)
    slow = [([0.0] * ARMS, [0.0] * ARMS) for _ in range(COPIES)]
    for t in range(HORIZON):
        decision = rule.decide(table, None, stream.at(copies, t))
        reward = (coins.uniform(copies, t) < 0.2 + 0.3 * decision.action).astype(float)
        for b in range(COPIES):
            rewards, weights = slow[b]
            p = textbook(rule, rewards, weights, t)
            action = int(np.searchsorted(np.cumsum(p), float(stream.uniform(b, t)) * sum(p), side="right"))
            assert action == decision.action[b]
            assert decision.propensity[b] == pytest.approx(p[action])
            rewards[action] += reward[b] / p[action]
            weights[action] += 1.0 / p[action]
        table = table.updated(decision.action, reward, decision.propensity)


def test_estimated_rewards_are_unbiased_over_all_actions() -> None:
    table = WeightedRewards(np.array([3.0, 1.0, 0.0]), np.array([4.0, 4.0, 2.0]), np.array(9.0))
    p = Exp3().propensities(table)
    rewards = np.array([0.3, 1.0, 0.6])
    mean = sum(
        p[a] * (table.updated(np.array(a), np.array(rewards[a]), np.array(p[a])).rewards - table.rewards)
        for a in range(ARMS)
    )
    assert mean == pytest.approx(rewards)


@pytest.mark.parametrize("rule", RULES, ids=["anytime", "horizon", "gamma"])
def test_propensities_are_a_distribution_on_the_mask_in_both_libraries(rule: Exp3) -> None:
    rng = np.random.default_rng(0)
    weights = rng.random((6, ARMS)) * 900
    rewards = weights * rng.random((6, ARMS))
    mask = rng.random((6, ARMS)) < 0.5
    mask[:, 1] = True
    p = rule.propensities(WeightedRewards(rewards, weights, np.full(6, 500.0)), mask)
    assert p.sum(axis=-1) == pytest.approx(np.ones(6))
    assert (p >= 0).all() and (p[~mask] == 0).all()
    table = WeightedRewards(torch.tensor(rewards), torch.tensor(weights), torch.full((6,), 500.0, dtype=torch.float64))
    assert rule.propensities(table, torch.tensor(mask)).numpy() == pytest.approx(p)


def test_a_row_without_a_reward_yet_stays_as_it_is() -> None:
    table = WeightedRewards.empty((2, ARMS), like=np.zeros(1))
    known = np.array([True, False])
    later = table.updated(np.array([1, 2]), np.array([0.5, np.nan]), np.array([0.25, 0.5]), known)
    assert later.rewards.tolist() == [[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]
    assert later.rounds.tolist() == [1.0, 0.0]


def test_what_exp3_cannot_read_is_refused() -> None:
    table = WeightedRewards.empty((1, ARMS), like=np.zeros(1))
    for field, action, reward, p in (("action", 3, 0.5, 0.5), ("reward", 0, 1.5, 0.5), ("propensity", 0, 0.5, 0.0)):
        with pytest.raises(BadValue, match=field):
            table.updated(np.array([action]), np.array([reward]), np.array([p]))
    with pytest.raises(BadValue, match="evidence must be WeightedRewards"):
        Exp3().propensities(ArmTable.empty((ARMS,), like=np.zeros(1)))  # type: ignore[arg-type]
    with pytest.raises(BadValue, match="evidence"):
        Greedy().propensities(table)
    for field, arguments in (("horizon", {"horizon": 0}), ("gamma", {"gamma": 0.1}), ("gamma", {"gamma": 2.0})):
        with pytest.raises(BadValue, match=field):
            Exp3(**arguments)
