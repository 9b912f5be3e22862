"""The same dynamics as plain gymnasium environments, in a SyncVectorEnv: WORLD COPIES SECONDS THREADS MODE -> JSON.

MODE: time, or trace, one block a copy, for `same_transitions.py`.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import gymnasium as gym
import numpy as np

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
BORDER = [cell for cell in range(25) if cell // 5 in (0, 4) or cell % 5 in (0, 4)]


class Bandit(gym.Env[Any, Any]):
    """Three Gaussian arms for a block of thirty pulls."""

    observation_space, action_space = gym.spaces.Box(0, 1, (1,), np.float32), gym.spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.means, self.pulls = self.np_random.normal(size=3), 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.pulls += 1
        reward = float(self.means[action] + self.np_random.normal())
        return np.zeros(1, np.float32), reward, self.pulls == 30, False, {"boundary": 3 if self.pulls == 30 else 1}


class Grid(gym.Env[Any, Any]):
    """A hidden goal on the border of a 5 x 5 grid for eight episodes of at most five steps."""

    observation_space, action_space = gym.spaces.Box(0, 1, (25,), np.float32), gym.spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.goal, self.episode, self.cell, self.gone = BORDER[self.np_random.integers(16)], 0, 12, 0
        return self._seen(), {}

    def _seen(self) -> Any:
        seen = np.zeros(25, np.float32)
        seen[self.cell] = 1.0
        return seen

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        down, right = MOVES[action]
        row, column = min(max(self.cell // 5 + down, 0), 4), min(max(self.cell % 5 + right, 0), 4)
        self.cell, self.gone = row * 5 + column, self.gone + 1
        met = self.cell == self.goal
        over = met or self.gone == 5
        self.episode += over
        ended = over and self.episode == 8
        code = (1 if met else 2) + 2 * ended if over else 0
        if over and not ended:
            self.cell, self.gone = 12, 0
        return self._seen(), float(met), bool(ended and met), bool(ended and not met), {"boundary": code}


def main() -> None:
    world, copies, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    kind = Bandit if world == "bandit" else Grid
    envs = gym.vector.SyncVectorEnv([kind] * copies, copy=False, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).integers(3 if world == "bandit" else 4, size=(64, copies))
    if sys.argv[5] == "trace":
        task = [env.means.tolist() if world == "bandit" else env.goal for env in envs.envs]
        told: dict[str, Any] = {"task": task, "steps": []}
        for t in range(40):
            obs, reward, _, _, info = envs.step(actions[t])
            code = np.where(info["_boundary"], info["boundary"], 0) if "boundary" in info else 0
            if "final_info" in info:
                final = info["final_info"]
                code = np.where(final["_boundary"], final["boundary"], code)
            step = {"action": actions[t], "obs": obs, "reward": reward, "code": code}
            told["steps"].append({name: np.asarray(array).tolist() for name, array in step.items()})
        print(json.dumps(told))
        return
    envs.step(actions[0])
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        envs.step(actions[steps % 64])
        steps += 1
    print(json.dumps({"steps_per_second": steps * copies / (time.perf_counter() - began)}))


if __name__ == "__main__":
    main()
