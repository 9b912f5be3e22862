"""Train our learner on the gridworld: ppo | values LR SECONDS SEED THREADS ROWS -> one JSON line.

ROWS: seeds trained side by side; the target is reached when their mean is. The clock stops while the agent is tested.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from training import BLOCKS, COPIES, EPOCHS, EVERY, GAMMA, MINIBATCHES, SAMPLES, TARGETS, TESTS, TRACE, WIDTH

from wayfare.agents import Agent, AgentConfig, Row
from wayfare.agents.in_context_ppo import PPOAgentConfig, Training
from wayfare.learn.ppo import PPOConfig
from wayfare.worlds import HiddenGoal


class Reached(Exception):
    """The target, or the end of the time."""


class Clock:
    """Tests every EVERY seconds of training, and raises at the target or when the time is up."""

    def __init__(self, target: float, seconds: float) -> None:
        self.target, self.seconds, self.next = target, seconds, EVERY
        self.spent, self.resumed = 0.0, time.perf_counter()
        self.curve: list[tuple[float, int, float]] = []

    def __call__(self, steps: int, test: Any) -> None:
        spent = self.spent + time.perf_counter() - self.resumed
        if spent < self.next:
            return
        self.next = spent + EVERY
        self.curve.append((spent, steps, test()))
        self.spent, self.resumed = spent, time.perf_counter()
        if self.curve[-1][2] >= self.target or spent >= self.seconds:
            raise Reached


def earned(reward: Any, boundary: Any) -> float:
    """[S, T, B] of fresh blocks: reward an episode of the first block of each copy, mean over rows."""
    ended = torch.as_tensor(boundary) >= 3
    first = ended.int().cumsum(1) - ended.int() == 0
    return float((torch.as_tensor(reward) * first).sum(1).mean() / 8)


def ppo(rate: float, rows: list[Row], clock: Clock) -> None:
    config = PPOAgentConfig(
        network="lstm", width=WIDTH, step_discount=GAMMA,
        ppo=PPOConfig(rate, epochs=EPOCHS, minibatches=MINIBATCHES, trace=TRACE, entropy_weight=0.02),
    )  # fmt: skip
    training = Training(HiddenGoal(len(rows) * COPIES["ppo"], copy=False), config, rows, decisions=20_000_000)

    def test() -> float:
        played = training.evaluate(HiddenGoal(len(rows) * TESTS), greedy=False)
        return earned(played.reward, played.boundary)

    while True:
        training.update()
        clock(training.decisions * len(rows), test)


def values(rate: float, rows: list[Row], clock: Clock) -> None:
    copies = COPIES["values"]
    config = AgentConfig(
        network="none", width=WIDTH, step_discount=GAMMA, learning_rate=rate, learns=SAMPLES, blocks=BLOCKS
    )
    world = HiddenGoal(len(rows) * copies, copy=False)
    steps = world.block_steps
    updates = 300_000 * SAMPLES // (BLOCKS * steps)

    def until(agent: Agent, done: int) -> bool:
        def test() -> float:
            played = agent.evaluate(HiddenGoal(len(rows) * TESTS))
            return earned(played.reward, played.boundary)

        clock(done * BLOCKS * steps // SAMPLES * len(rows), test)
        return False

    Agent.train(world, config, rows, updates=updates, until=until)


def main() -> None:
    learner, rate, seconds, seed = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(int(sys.argv[5]))
    rows = [Row(seed + i, GAMMA, 0 if learner == "values" else None) for i in range(int(sys.argv[6]))]
    clock = Clock(TARGETS[learner], seconds)
    with contextlib.suppress(Reached):
        {"ppo": ppo, "values": values}[learner](rate, rows, clock)
    spent, steps, reward = clock.curve[-1]
    told = {
        "steps_per_second": steps / spent, "seconds": spent, "steps": steps, "reached": reward >= clock.target,
        "reward": reward, "curve": clock.curve,
    }  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    main()
