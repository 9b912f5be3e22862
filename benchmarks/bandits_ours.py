"""Our bandits: TASK WHO SECONDS SEED -> one JSON line.

simulate  ucb1 | thompson | ucb1-propensities | thompson-propensities    RUNS runs at once, ARMS arms
          numpy-beta, for thompson: the bare Beta draws, nothing decided or learned
live      ucb1                     one stream, one decision at a time, 20 actions: 95th percentile of decide + learn
stream    squarecb | squarecb-256  contextual, one stream or 256 at once, an update an event
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
from bandits import ACTIONS, ARMS, DIMENSION, HORIZON, LIVE, RUNS, STREAMS, events, means

from wayfare.draws import Stream
from wayfare.explore.learners import Pulls, RidgeRegression
from wayfare.explore.live import Bandit, RidgeScores
from wayfare.explore.rules import UCB1, BetaThompson, SquareCB, gamma_at

RULES = {"ucb1": UCB1(), "thompson": BetaThompson()}


def simulate(who: str, seconds: float, seed: int) -> dict[str, Any]:
    if who == "numpy-beta":
        rng, a = np.random.default_rng(seed), np.full((RUNS, ARMS), 40.0)
        done, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            rng.beta(a, a).argmax(axis=-1)
            done += RUNS
        return {"per_second": done / (time.perf_counter() - begun)}
    name, _, asked = who.partition("-")
    rule, chances, index = RULES[name], means(), np.arange(RUNS)
    coins, stream, learner = Stream(seed, "rewards"), Stream(seed, "policy"), Pulls()
    everyone = np.ones(RUNS, dtype=bool)
    paid = coins.uniform(index[:, None], np.arange(4096))  # drawn beforehand, as for the peers
    learner.begin(RUNS, ARMS, index)
    regret, done, begun = 0.0, 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for _ in range(10 if not asked else 1):
            if done % HORIZON == 0:
                learner.begin(RUNS, ARMS, index)
            decision = rule.decide(learner.evidence(index), None, stream.at(index, done))
            if asked:
                _ = decision.propensity
            chance = chances[decision.action]
            learner.learn(index, decision.action, (paid[:, done % 4096] < chance).astype(float), everyone)
            if done < 1000:
                regret += float(np.mean(chances.max() - chance))
            done += 1
    return {
        "per_second": done * RUNS / (time.perf_counter() - begun),
        "regret at 1000": regret if done >= 1000 else None,
    }


def live(seconds: float, seed: int) -> dict[str, Any]:
    bandit = Bandit(UCB1(), actions=LIVE, reward_range=(0, 1), seed=seed)
    rng, times = np.random.default_rng(seed), []
    chances = np.linspace(0.1, 0.9, LIVE)
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        reward = rng.random(LIVE)
        started = time.perf_counter()
        decision = bandit.decide()
        bandit.learn(decision.id, float(reward[decision.action] < chances[decision.action]))
        times.append(time.perf_counter() - started)
    return {
        "per_second": len(times) / sum(times),
        "p50 us": 1e6 * float(np.median(times)),
        "p95 us": 1e6 * float(np.quantile(times, 0.95)),
    }


def stream(who: str, seconds: float, seed: int) -> dict[str, Any]:
    contexts, chances, coins = events(seed)
    many = contexts.shape[0]
    if who == "squarecb":
        model = RidgeScores(ACTIONS, DIMENSION)
        draws, regret = Stream(seed, "live"), 0.0
        begun = time.perf_counter()
        for t in range(many):
            if time.perf_counter() - begun > seconds:
                many = t
                break
            rule = SquareCB(gamma_at(t))
            action = int(rule.decide(model.evidence(contexts[t]), None, draws.at(0, t)).action)
            model.learn(contexts[t], action, float(coins[t] < chances[t, action]))
            regret += chances[t].max() - chances[t, action]
        spent = time.perf_counter() - begun
        return {"per_second": many / spent, "events": many, "regret an event": regret / many}
    learner, draws, regret = RidgeRegression(DIMENSION, constant=True), Stream(seed, "live"), 0.0
    index, everyone = np.arange(STREAMS), np.ones(STREAMS, dtype=bool)
    learner.begin(STREAMS, ACTIONS, index)
    starts = np.arange(STREAMS) * 73 % many  # every stream sees the events in an order of its own
    rounds, begun = 0, time.perf_counter()
    while rounds < many and time.perf_counter() - begun < seconds:
        rows = (starts + rounds) % many
        rule = SquareCB(gamma_at(rounds))
        action = rule.decide(learner.evidence(contexts[rows]), None, draws.at(index, rounds)).action
        chance = chances[rows, action]
        learner.learn(contexts[rows], action, (coins[rows] < chance).astype(float), everyone)
        regret += float(np.sum(chances[rows].max(axis=1) - chance))
        rounds += 1
    spent = time.perf_counter() - begun
    return {
        "per_second": rounds * STREAMS / spent,
        "events": rounds * STREAMS,
        "regret an event": regret / (rounds * STREAMS),
    }


def main() -> None:
    task, who, seconds, seed = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    told = live(seconds, seed) if task == "live" else {"simulate": simulate, "stream": stream}[task](who, seconds, seed)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
