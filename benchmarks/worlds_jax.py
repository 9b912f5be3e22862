"""The same dynamics in the style of gymnax: WORLD COPIES SECONDS THREADS MODE -> one JSON line.

MODE: python, a jitted step called from Python; scan, 16 steps in one lax.scan that keeps observations, rewards and
codes as a rollout does; scan-blind, the same that keeps sums of rewards and codes alone, so that XLA never makes an
observation; trace, one block a copy, for `same_transitions.py`.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp

DOWN, RIGHT = jnp.array([-1, 0, 1, 0]), jnp.array([0, 1, 0, -1])
BORDER = jnp.array([cell for cell in range(25) if cell // 5 in (0, 4) or cell % 5 in (0, 4)])


def bandit_task(key: Any) -> dict[str, Any]:
    return {"means": jax.random.normal(key, (3,)), "pulls": jnp.int32(0)}


def bandit_step(key: Any, state: dict[str, Any], action: Any) -> tuple[dict[str, Any], Any, Any, Any]:
    noise, renew = jax.random.split(key)
    reward = state["means"][action] + jax.random.normal(noise)
    pulls = state["pulls"] + 1
    ended = pulls == 30
    state = jax.tree.map(lambda a, b: jnp.where(ended, a, b), bandit_task(renew), {**state, "pulls": pulls})
    return state, jnp.zeros(1), reward, jnp.where(ended, 3, 1)


def grid_task(key: Any) -> dict[str, Any]:
    zero = jnp.int32(0)
    return {"goal": BORDER[jax.random.randint(key, (), 0, 16)], "cell": zero + 12, "gone": zero, "episode": zero}


def grid_step(key: Any, state: dict[str, Any], action: Any) -> tuple[dict[str, Any], Any, Any, Any]:
    row = jnp.clip(state["cell"] // 5 + DOWN[action], 0, 4)
    column = jnp.clip(state["cell"] % 5 + RIGHT[action], 0, 4)
    cell, gone = row * 5 + column, state["gone"] + 1
    met = cell == state["goal"]
    over = met | (gone == 5)
    episode = state["episode"] + over
    ended = episode == 8
    code = jnp.where(over, jnp.where(met, 1, 2) + 2 * ended, 0)
    going = {
        "goal": state["goal"],
        "cell": jnp.where(over, 12, cell),
        "gone": jnp.where(over, 0, gone),
        "episode": episode,
    }
    state = jax.tree.map(lambda a, b: jnp.where(ended, a, b), grid_task(key), going)
    return state, jax.nn.one_hot(state["cell"], 25), met.astype(jnp.float32), code


def main() -> None:
    world, copies, seconds, mode = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[5]
    task, one = (bandit_task, bandit_step) if world == "bandit" else (grid_task, grid_step)
    actions = jax.random.randint(jax.random.key(0), (64, copies), 0, 3 if world == "bandit" else 4)

    @jax.jit
    def step(key: Any, state: Any, action: Any) -> Any:
        key, use = jax.random.split(key)
        return (key, *jax.vmap(one)(jax.random.split(use, copies), state, action))

    @jax.jit
    def many(key: Any, state: Any) -> Any:
        def body(carry: Any, action: Any) -> Any:
            key, state, obs, reward, code = step(*carry, action)
            return (key, state), (reward.sum(), code.sum()) if mode == "scan-blind" else (obs, reward, code)

        return jax.lax.scan(body, (key, state), actions[:16])

    key, state = jax.random.key(1), jax.vmap(task)(jax.random.split(jax.random.key(2), copies))
    if mode == "trace":
        told: dict[str, Any] = {"task": state["goal" if world == "grid" else "means"], "steps": []}
        for t in range(40):
            key, state, obs, reward, code = step(key, state, actions[t])
            told["steps"].append({"action": actions[t], "obs": obs, "reward": reward, "code": code})
        print(json.dumps(jax.tree.map(lambda leaf: leaf.tolist(), told)))
        return
    if mode != "python":
        (key, state), out = many(key, state)
    else:
        key, state, *out = step(key, state, actions[0])
    jax.block_until_ready(state)
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        if mode != "python":
            (key, state), out = many(key, state)
            jax.block_until_ready(out)
            steps += 16
        else:
            key, state, *out = step(key, state, actions[steps % 64])
            jax.block_until_ready(out)
            steps += 1
    print(json.dumps({"steps_per_second": steps * copies / (time.perf_counter() - began)}))


if __name__ == "__main__":
    main()
