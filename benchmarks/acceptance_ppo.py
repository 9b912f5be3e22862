"""Is PPO fit for use? A recurrent bandit with a safe arm, and CartPole-v1, three seeds each.

    python benchmarks/acceptance_ppo.py [--only bandit|cartpole] [--output acceptance_ppo.json]

- bandit: `RecurringBandit(arms=3, safe=0.5, episodes=30)` with a GRU; mean reward a pull, drawn actions, on blocks
  never trained on. Passed where each of three seeds is above 0.60; a myopic player earns 0.50.
- cartpole: gymnasium's own through `ArrayConversion`; mean return of 100 episodes, greedy, at every check. Passed where
  each of three seeds reaches 475 within 500k steps.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy
import torch
from gymnasium.wrappers.vector import ArrayConversion

from wayfare.agents.conditions import Row
from wayfare.agents.in_context_ppo import PPOAgentConfig, Training
from wayfare.learn.ppo import PPOConfig
from wayfare.worlds import RecurringBandit

SEEDS = (0, 1, 2)
ROWS = [Row(seed=seed) for seed in SEEDS]
BANDIT_DECISIONS, BANDIT_PASS = 1_152_000, 0.60
CARTPOLE_STEPS, CARTPOLE_PASS, CHECKS = 500_000, 475.0, 10

BANDIT = PPOAgentConfig(
    network="gru",
    width=32,
    ppo=PPOConfig(learning_rate=5e-3, epochs=2, minibatches=2, trace=0.9, value_weight=0.05, entropy_weight=0.12),
)
CARTPOLE = PPOAgentConfig(
    network="none",
    width=64,
    steps=64,
    step_discount=0.98,
    reward_scale=0.05,
    ppo=PPOConfig(learning_rate=1e-3, epochs=10, minibatches=2, trace=0.9, entropy_weight=0.0),
)


def bandit() -> dict[str, Any]:
    """World B."""
    begun = time.perf_counter()
    training = Training(
        RecurringBandit(len(SEEDS) * 128, arms=3, safe=0.5, episodes=30), BANDIT, ROWS, BANDIT_DECISIONS
    )
    training.run(lambda done, total, **shown: print(done, total, shown) if done % 40 == 0 else None)
    seconds = time.perf_counter() - begun
    played = training.evaluate(RecurringBandit(len(SEEDS) * 4096, arms=3, safe=0.5, episodes=30), greedy=False)
    rewards = played.reward.mean(dim=(1, 2)).tolist()
    return {
        "reward": rewards,
        "threshold": BANDIT_PASS,
        "passed": min(rewards) > BANDIT_PASS,
        "decisions": training.decisions,
        "seconds": seconds,
    }


def cartpole() -> dict[str, Any]:
    """CartPole-v1 by ArrayConversion; the three seeds stacked."""
    begun = time.perf_counter()
    training = Training(environments(8), CARTPOLE, ROWS, CARTPOLE_STEPS)
    reached: list[int | None] = [None] * len(SEEDS)
    best = [0.0] * len(SEEDS)
    trail: list[list[float]] = []
    every = training.learner.total // CHECKS
    while training.learner.done < training.learner.total and None in reached:
        training.update()
        if training.learner.done % every and training.learner.done < training.learner.total:
            continue
        returns = first_returns(training)
        trail.append(returns)
        print(training.decisions, returns, flush=True)
        for seed, value in enumerate(returns):
            best[seed] = max(best[seed], value)
            if value >= CARTPOLE_PASS and reached[seed] is None:
                reached[seed] = training.decisions
    return {
        "steps_to_pass": reached,
        "best_return": best,
        "trail": trail,
        "threshold": CARTPOLE_PASS,
        "passed": None not in reached,
        "seconds": time.perf_counter() - begun,
    }


def environments(copies: int) -> Any:
    """`copies` of CartPole for each seed, as torch tensors."""
    return ArrayConversion(
        gymnasium.make_vec("CartPole-v1", len(SEEDS) * copies, vectorization_mode="sync"), numpy, torch
    )


def first_returns(training: Training, episodes: int = 100) -> list[float]:
    """[S] mean return of `episodes` episodes, likeliest actions."""
    played = training.evaluate(environments(episodes), steps=500)
    running = (played.boundary > 0).cumsum(dim=1) - (played.boundary > 0).long() == 0
    returns: list[float] = (played.reward * running).sum(dim=1).mean(dim=1).tolist()
    return returns


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("bandit", "cartpole"))
    parser.add_argument("--output", type=Path, default=Path("acceptance_ppo.json"))
    options = parser.parse_args()
    parts = {"bandit": bandit, "cartpole": cartpole}
    found = {name: part() for name, part in parts.items() if options.only in (None, name)}
    text = json.dumps(found, indent=2)
    print(text)
    options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
