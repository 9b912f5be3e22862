"""The peers' bandits: TASK WHO SECONDS SEED -> one JSON line. Imports nothing of ours but `bandits`, for the work.

    simulate  mabwiser | smpybandits | banditbench    one run after the other, `choice` and `update`, ucb1 or thompson
              numba                                   the limit: RUNS runs of UCB1 as one compiled loop
    live      mabwiser                                predict and partial_fit
    stream    vw                                      Vowpal Wabbit's Python door: predict, sample and learn each event
              vw-file                                 its native pass over a file of logged events, no decisions

TASK is simulate-ucb1, simulate-thompson, live or stream. banditbench's package imports TensorFlow for film ratings;
its classical agents do not need it, so its packages are entered without their `__init__`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import sys
import tempfile
import time
import types
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from bandits import ACTIONS, ARMS, HORIZON, LIVE, RUNS, events, means

Player = tuple[Callable[[], int], Callable[[int, float], None]]


def mabwiser(rule: str, arms: int, seed: int) -> Player:
    from mabwiser.mab import MAB, LearningPolicy

    policy = LearningPolicy.UCB1(alpha=1.0) if rule == "ucb1" else LearningPolicy.ThompsonSampling()
    mab = MAB(list(range(arms)), policy, seed=seed)
    rng = np.random.default_rng(seed)
    mab.fit(list(range(arms)), [float(rng.random() < chance) for chance in np.linspace(0.1, 0.9, arms)])
    return mab.predict, lambda arm, reward: mab.partial_fit([arm], [reward])


def smpybandits(rule: str, arms: int, seed: int) -> Player:
    np.random.seed(seed)
    home = importlib.util.find_spec("SMPyBandits")
    assert home is not None and home.submodule_search_locations is not None
    sys.path.insert(0, str(Path(home.submodule_search_locations[0]) / "Policies"))
    name = "UCB" if rule == "ucb1" else "Thompson"
    policy = getattr(importlib.import_module(name), name)(arms)
    policy.startGame()
    return policy.choice, policy.getReward


@cache
def classics() -> Any:
    """banditbench's classical agents."""
    home = importlib.util.find_spec("banditbench")
    assert home is not None and home.submodule_search_locations is not None
    root = Path(home.submodule_search_locations[0])
    for name in ("banditbench", "banditbench.tasks", "banditbench.sampling"):
        package = types.ModuleType(name)
        package.__path__ = [str(root / name.replace("banditbench", "").lstrip(".").replace(".", "/"))]
        sys.modules[name] = package
    costs = types.ModuleType("litellm.cost_calculator")
    costs.completion_cost = None  # type: ignore[attr-defined]
    sys.modules |= {"litellm": types.ModuleType("litellm"), "litellm.cost_calculator": costs}
    return importlib.import_module("banditbench.agents.classics")


def banditbench(rule: str, arms: int, seed: int) -> Player:
    np.random.seed(seed)
    world = types.SimpleNamespace(num_arms=arms)
    agent = classics().UCBAgent(world, alpha=2.0) if rule == "ucb1" else classics().ThompsonSamplingAgent(world)
    return agent.act, lambda arm, reward: agent.update(arm, reward, {})


def simulate(rule: str, who: str, seconds: float, seed: int) -> dict[str, Any]:
    if who == "numba":
        return limit(seconds, seed)
    chances, rng = means(), np.random.default_rng(seed)
    make = {"mabwiser": mabwiser, "smpybandits": smpybandits, "banditbench": banditbench}[who]
    choose, update = make(rule, ARMS, seed)
    paid = rng.random(HORIZON)
    regret, done, begun = 0.0, 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        if done and done % HORIZON == 0:
            choose, update = make(rule, ARMS, seed + done)
        arm = int(choose())
        update(arm, float(paid[done % HORIZON] < chances[arm]))
        if done < 1000:
            regret += float(chances.max() - chances[arm])
        done += 1
    return {"per_second": done / (time.perf_counter() - begun), "regret at 1000": regret if done >= 1000 else None}


def limit(seconds: float, seed: int) -> dict[str, Any]:
    import numba

    @numba.njit
    def pull(counts: Any, sums: Any, coins: Any, chances: Any, t: int) -> None:
        wide = 2.0 * math.log(max(t, 1))
        for run in range(counts.shape[0]):
            best, index = 0, -1.0
            for arm in range(counts.shape[1]):
                n = counts[run, arm]
                value = sums[run, arm] / n + math.sqrt(wide / n) if n else np.inf
                if value > index:
                    best, index = arm, value
            counts[run, best] += 1.0
            sums[run, best] += 1.0 if coins[run, t % 4096] < chances[best] else 0.0

    chances, coins = means(), np.random.default_rng(seed).random((RUNS, 4096))
    counts, sums = np.zeros((RUNS, ARMS)), np.zeros((RUNS, ARMS))
    pull(counts, sums, coins, chances, 0)
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for _ in range(10):
            pull(counts, sums, coins, chances, done)
            done += 1
    return {"per_second": done * RUNS / (time.perf_counter() - begun)}


def live(seconds: float, seed: int) -> dict[str, Any]:
    choose, update = mabwiser("ucb1", LIVE, seed)
    rng, times, chances = np.random.default_rng(seed), [], np.linspace(0.1, 0.9, LIVE)
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        reward = rng.random(LIVE)
        started = time.perf_counter()
        arm = choose()
        update(arm, float(reward[arm] < chances[arm]))
        times.append(time.perf_counter() - started)
    return {
        "per_second": len(times) / sum(times),
        "p50 us": 1e6 * float(np.median(times)),
        "p95 us": 1e6 * float(np.quantile(times, 0.95)),
    }


SQUARECB = "--cb_explore_adf --squarecb --cb_type mtr -q sa --quiet"
CHOICES = "\n".join(f"|a a{action}:1" for action in range(ACTIONS))


def stream(who: str, seconds: float, seed: int) -> dict[str, Any]:
    from vowpalwabbit import pyvw

    contexts, chances, coins = events(seed)
    shared = ["shared |s " + " ".join(f"x{i}:{v:.6f}" for i, v in enumerate(row)) for row in contexts]
    rng = np.random.default_rng(seed)
    if who == "vw-file":
        lines = []
        for t, head in enumerate(shared):
            action = int(rng.integers(ACTIONS))
            cost = -float(coins[t] < chances[t, action])
            choices = [(f"0:{cost}:{1 / ACTIONS:.6f} " if a == action else "") + f"|a a{a}:1" for a in range(ACTIONS)]
            lines.append("\n".join([head, *choices, ""]))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "events.dat"
            path.write_text("\n".join(lines) + "\n")
            begun = time.perf_counter()
            pyvw.Workspace(f"{SQUARECB} -d {path}").finish()
            return {"per_second": len(shared) / (time.perf_counter() - begun), "events": len(shared)}
    model = pyvw.Workspace(SQUARECB)
    regret, done, begun = 0.0, 0, time.perf_counter()
    for t, head in enumerate(shared):
        if time.perf_counter() - begun > seconds:
            break
        chance = np.asarray(model.predict(f"{head}\n{CHOICES}"))
        action = int(np.searchsorted(np.cumsum(chance), rng.random() * chance.sum()))
        cost = -float(coins[t] < chances[t, action])
        learned = [(f"0:{cost}:{chance[a]:.6f} " if a == action else "") + f"|a a{a}:1" for a in range(ACTIONS)]
        model.learn("\n".join([head, *learned]))
        regret += float(chances[t].max() - chances[t, action])
        done += 1
    spent = time.perf_counter() - begun
    return {"per_second": done / spent, "events": done, "regret an event": regret / done}


def main() -> None:
    task, who, seconds, seed = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    if task == "live":
        told = live(seconds, seed)
    elif task == "stream":
        told = stream(who, seconds, seed)
    else:
        told = simulate(task.removeprefix("simulate-"), who, seconds, seed)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
