"""The limit: the same dynamics as one compiled loop over copies: WORLD COPIES SECONDS THREADS MODE -> one JSON line.

Random numbers are SplitMix64 of a state each copy carries; observations, rewards and codes are written into arrays that
are made once. MODE: time, or trace, one block a copy, for `same_transitions.py`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any

import numba
import numpy as np

BORDER = np.array([cell for cell in range(25) if cell // 5 in (0, 4) or cell % 5 in (0, 4)])
DOWN, RIGHT = np.array([-1, 0, 1, 0]), np.array([0, 1, 0, -1])


@numba.njit(inline="always")
def uniform(state: Any, i: int) -> float:
    state[i] += np.uint64(0x9E3779B97F4A7C15)
    z = state[i]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (float(z >> np.uint64(12)) + 0.5) * 2.0**-52


@numba.njit(inline="always")
def normal(state: Any, i: int) -> float:
    return math.sqrt(-2.0 * math.log(uniform(state, i))) * math.cos(2.0 * math.pi * uniform(state, i))


@numba.njit
def bandit_step(actions: Any, state: Any, means: Any, pulls: Any, obs: Any, reward: Any, code: Any) -> None:
    for i in range(len(actions)):
        reward[i] = means[i, actions[i]] + normal(state, i)
        obs[i, 0] = 0.0
        pulls[i] += 1
        code[i] = 1
        if pulls[i] == 30:
            code[i], pulls[i] = 3, 0
            for k in range(3):
                means[i, k] = normal(state, i)


@numba.njit
def grid_step(
    actions: Any, state: Any, goal: Any, cell: Any, gone: Any, episode: Any, obs: Any, reward: Any, code: Any
) -> None:
    for i in range(len(actions)):
        obs[i, cell[i]] = 0.0
        row = min(max(cell[i] // 5 + DOWN[actions[i]], 0), 4)
        column = min(max(cell[i] % 5 + RIGHT[actions[i]], 0), 4)
        cell[i] = row * 5 + column
        gone[i] += 1
        met = cell[i] == goal[i]
        reward[i] = 1.0 if met else 0.0
        code[i] = 0
        if met or gone[i] == 5:
            code[i] = 1 if met else 2
            cell[i], gone[i] = 12, 0
            episode[i] += 1
            if episode[i] == 8:
                code[i] += 2
                episode[i] = 0
                goal[i] = BORDER[int(uniform(state, i) * 16)]
        obs[i, cell[i]] = 1.0


def begin(world: str, copies: int) -> tuple[Any, tuple[Any, ...]]:
    """The step and its arrays: the generator's state, the task, ..., the observation, the reward, the code."""
    state = np.random.default_rng(0).integers(2**63, size=copies).astype(np.uint64)
    reward, code = np.zeros(copies, np.float32), np.zeros(copies, np.int8)
    if world == "bandit":
        means = np.random.default_rng(1).normal(size=(copies, 3))
        arrays: tuple[Any, ...] = (state, means, np.zeros(copies, np.int64), np.zeros((copies, 1), np.float32))
        step = bandit_step
    else:
        goal = BORDER[np.random.default_rng(1).integers(16, size=copies)]
        gone, episode, obs = np.zeros(copies, np.int64), np.zeros(copies, np.int64), np.zeros((copies, 25), np.float32)
        arrays, step = (state, goal, np.full(copies, 12), gone, episode, obs), grid_step
    return step, (*arrays, reward, code)


def main() -> None:
    world, copies, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    step, arrays = begin(world, copies)
    actions = np.random.default_rng(0).integers(3 if world == "bandit" else 4, size=(64, copies))
    if sys.argv[5] == "trace":
        told: dict[str, Any] = {"task": arrays[1].tolist(), "steps": []}
        for t in range(40):
            step(actions[t], *arrays)
            obs, reward, code = (array.tolist() for array in arrays[-3:])
            told["steps"].append({"action": actions[t].tolist(), "obs": obs, "reward": reward, "code": code})
        print(json.dumps(told))
        return
    step(actions[0], *arrays)
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for t in range(16):
            step(actions[(steps + t) % 64], *arrays)
        steps += 16
    print(json.dumps({"steps_per_second": steps * copies / (time.perf_counter() - began)}))


if __name__ == "__main__":
    main()
