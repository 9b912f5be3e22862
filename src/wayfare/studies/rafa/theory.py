"""R1, the cells where the posterior is exact: B runs of one way to plan, on the grid of hidden rules or in RiverSwim.

Regret is the sum of the exact gaps of what was done (`wayfare.worlds.continuing`), without the luck of rewards; a
grid's episode that runs into its cap adds what being taken back to the start costs, h*(cell) - h*(start). All ways meet
the same worlds with the same draws. Curves are regret at the steps of `curve_steps`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wayfare.agents.beliefs import Belief, CountBelief, RuleBelief
from wayfare.agents.rafa import WAYS, Rafa
from wayfare.studies.contract import Report
from wayfare.studies.rafa.steps import curve_steps
from wayfare.worlds.boundary import Boundary
from wayfare.worlds.hidden_rules import HiddenRules
from wayfare.worlds.riverswim import RiverSwim

__all__ = ["GRID_DEPTH", "RIVER_DEPTH", "SCALES", "grid", "river", "tune"]

GRID_DEPTH, RIVER_DEPTH = 20, 60
SCALES = (0.01, 0.03, 0.1, 0.3)
"""Of bonuses and radii, tuned on other seeds."""
TUNING_SEED = 1_000_000


def grid(
    report: Report,
    *,
    name: str,
    way: str,
    seeds: Sequence[int],
    steps: int,
    scale: float = 0.1,
    depth: int = GRID_DEPTH,
) -> Mapping[str, NDArray[Any]]:
    """A way on the grids of 64 hypotheses; `name` is what its measures are called by."""
    world = HiddenRules(len(seeds), episodes=steps + 1)
    _, info = world.reset(seed=list(seeds), options={"copy": [0] * len(seeds)})
    gain, bias, gap = world.optimum()
    belief = RuleBelief(world.next_cell, world.goals, world.slip, torch.tensor(list(seeds)), scale=scale)
    agent = Rafa(belief, WAYS[way], seeds, depth=depth)
    rows, state = torch.arange(len(seeds)), info["state"]
    regret, successes = torch.zeros_like(gain), torch.zeros_like(gain)
    curve, told = [], set(curve_steps(steps).tolist())
    for t in range(1, steps + 1):
        actions = agent.act(state)
        _, reward, *_, info = world.step(actions)
        failed = info["boundary"] == int(Boundary.EPISODE_TRUNCATED)
        regret += gap[rows, state, actions] + torch.where(failed, bias[rows, info["reached"]] - bias[:, 0], 0.0)
        successes += reward
        agent.observe(state, actions, info["reached"], reward, over=info["boundary"] > 0, failed=failed)
        state = info["state"]
        if t in told:
            curve.append(regret.numpy().copy())
            report(t, steps, regret=float(regret.mean()))
    found = {
        "curve": np.stack(curve, axis=1), "regret": regret.numpy(), "refreshes": agent.refreshes.numpy(),
        "reward": successes.numpy(), "gain": gain.numpy(),
        "expansions": np.full(len(seeds), agent.expansions / len(seeds)),
    }  # fmt: skip
    return {f"grid {name}|{measure}": value for measure, value in found.items()}


def river(
    report: Report, *, name: str, way: str, seeds: Sequence[int], steps: int, scale: float = 0.1,
    depth: int = RIVER_DEPTH,
) -> Mapping[str, NDArray[Any]]:  # fmt: skip
    """A way in RiverSwim-6 with Dirichlet counts and known rewards; without an end there are no episodes."""
    world = RiverSwim(len(seeds), steps=steps + 1)
    _, info = world.reset(seed=list(seeds), options={"copy": [0] * len(seeds)})
    belief: Belief = CountBelief(world.rewards, torch.tensor(list(seeds)), scale=scale)
    agent = Rafa(belief, WAYS[way], seeds, depth=depth, episodic=False)
    state, never = info["state"], torch.zeros(len(seeds), dtype=torch.bool)
    regret, earned = torch.zeros(len(seeds), dtype=torch.float64), torch.zeros(len(seeds))
    curve, told = [], set(curve_steps(steps).tolist())
    for t in range(1, steps + 1):
        actions = agent.act(state)
        _, reward, *_, info = world.step(actions)
        regret += world.gap[state, actions]
        earned += reward
        agent.observe(state, actions, info["state"], reward, over=never, failed=never)
        state = info["state"]
        if t in told:
            curve.append(regret.numpy().copy())
            report(t, steps, regret=float(regret.mean()))
    found = {
        "curve": np.stack(curve, axis=1), "regret": regret.numpy(), "refreshes": agent.refreshes.numpy(),
        "reward": earned.numpy(), "gain": np.full(len(seeds), float(world.gain)),
        "expansions": np.full(len(seeds), agent.expansions / len(seeds)),
    }  # fmt: skip
    return {f"river {name}|{measure}": value for measure, value in found.items()}


def tune(report: Report, *, world: str, way: str, seeds: Sequence[int], steps: int) -> Mapping[str, NDArray[Any]]:
    """Regret [scales, seeds] of a way on other seeds."""
    play = {"grid": grid, "river": river}[world]
    others = [TUNING_SEED + seed for seed in seeds]

    found = []
    for i, scale in enumerate(SCALES):
        arrays = play(report, name="tuned", way=way, seeds=others, steps=steps, scale=scale)
        found.append(arrays[f"{world} tuned|regret"])
        report(i + 1, len(SCALES))
    return {f"tuning {world} {way}|regret": np.stack(found)}
