"""Train a Stable-Baselines3 peer on the plain gridworld: PEER LR SECONDS SEED THREADS -> one JSON line.

PEER: recurrent-ppo (sb3-contrib, one LSTM of 64 shared by actor and critic, that reads cell, last action and last
reward as ours does) or dqn (a network of 64 that reads the cell). One gymnasium episode is a block. The clock stops
while the agent is tested.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

sys.path.insert(0, str(Path(__file__).parent))
from training import EPOCHS, EVERY, GAMMA, MINIBATCHES, SAMPLES, TARGETS, TESTS, TRACE, WIDTH
from worlds_sync import Grid

BLOCK = 40


class Remembering(Grid):
    """The cell, the last action and the last reward."""

    observation_space = gym.spaces.Box(0, 1, (30,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        seen, info = super().reset(seed=seed)
        return np.concatenate([seen, np.zeros(5, np.float32)]), info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        seen, reward, terminated, truncated, info = super().step(action)
        done = np.zeros(5, np.float32)
        done[action], done[4] = 1.0, reward
        return np.concatenate([seen, done]), reward, terminated, truncated, info


def tested(model: Any, kind: type[Grid], greedy: bool) -> float:
    """Reward an episode over TESTS fresh blocks."""
    envs = [kind() for _ in range(TESTS)]
    obs = np.stack([env.reset(seed=10_000 + i)[0] for i, env in enumerate(envs)])
    state: Any = None
    start = np.ones(TESTS, dtype=bool)
    alive, total = np.ones(TESTS, dtype=bool), 0.0
    for _ in range(BLOCK):
        action, state = model.predict(obs, state=state, episode_start=start, deterministic=greedy)
        start[:] = False
        for i in np.flatnonzero(alive):
            seen, reward, terminated, truncated, _ = envs[i].step(int(action[i]))
            obs[i], alive[i] = seen, not (terminated or truncated)
            total += reward
    return total / TESTS / 8


class Clock(BaseCallback):
    """Tests every EVERY seconds of training, and stops at the target or when the time is up."""

    def __init__(self, test: Callable[[Any], float], target: float, seconds: float) -> None:
        super().__init__()
        self.test, self.target, self.seconds = test, target, seconds
        self.spent, self.resumed, self.next = 0.0, time.perf_counter(), EVERY
        self.curve: list[tuple[float, int, float]] = []

    def _on_step(self) -> bool:
        now = time.perf_counter()
        spent = self.spent + now - self.resumed
        if spent < self.next:
            return True
        self.next = spent + EVERY
        reward = self.test(self.model)
        self.curve.append((spent, self.num_timesteps, reward))
        self.spent, self.resumed = spent, time.perf_counter()
        return reward < self.target and spent < self.seconds


def main() -> None:
    peer, rate, seconds, seed = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(int(sys.argv[5]))
    if peer == "recurrent-ppo":
        envs = 64
        model: Any = RecurrentPPO(
            "MlpLstmPolicy", DummyVecEnv([Remembering] * envs), learning_rate=rate, n_steps=BLOCK,
            batch_size=envs * BLOCK // MINIBATCHES, n_epochs=EPOCHS, gamma=GAMMA, gae_lambda=TRACE, ent_coef=0.02,
            seed=seed, device="cpu",
            policy_kwargs={
                "lstm_hidden_size": WIDTH, "net_arch": [], "shared_lstm": True, "enable_critic_lstm": False,
            },
        )  # fmt: skip
        clock = Clock(lambda model: tested(model, Remembering, greedy=False), TARGETS["ppo"], seconds)
    else:
        envs, batch = 16, 256
        model = DQN(
            "MlpPolicy", DummyVecEnv([Grid] * envs), learning_rate=rate, batch_size=batch, gamma=GAMMA,
            train_freq=batch // SAMPLES // envs, gradient_steps=1, buffer_size=100_000, learning_starts=1000,
            target_update_interval=1000, exploration_fraction=0.04, seed=seed, device="cpu",
            policy_kwargs={"net_arch": [WIDTH]},
        )  # fmt: skip
        clock = Clock(lambda model: tested(model, Grid, greedy=True), TARGETS["values"], seconds)
    model.learn(1_500_000 if peer == "dqn" else 20_000_000, callback=clock)
    spent, steps, reward = clock.curve[-1]
    reached = reward >= clock.target
    print(
        json.dumps(
            {
                "steps_per_second": steps / spent, "seconds": spent, "steps": steps, "reached": reached,
                "reward": reward, "curve": clock.curve,
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
