"""Do the peers live in the world that ours is? Replays what a peer tells of itself (MODE trace) in ours.

A trace is {"task": a goal or the means of each copy, "steps": [{"action", "obs", "reward", "code"}, ...]}, each a list
over copies; it is compared up to the end of the first block, since later tasks are the peer's own draws.
"""

from __future__ import annotations

from typing import Any

import torch

from wayfare.worlds import Boundary, HiddenGoal, RecurringBandit

__all__ = ["differences"]


def differences(world: str, trace: dict[str, Any]) -> list[str]:
    """What a peer's world does otherwise than ours, in words; [] where they agree."""
    task = torch.tensor(trace["task"])
    copies = len(task)
    ours = RecurringBandit(copies) if world == "bandit" else HiddenGoal(copies)
    ours.reset(seed=0)
    if isinstance(ours, HiddenGoal):
        ours._goal_cell = task.to(ours._goal_cell.dtype)
    else:
        ours._arms = task.float().t().contiguous()
    told, noise = [], []
    first = torch.ones(copies, dtype=torch.bool)
    for t, step in enumerate(trace["steps"]):
        obs, reward, _, _, info = ours.step(torch.tensor(step["action"]))
        ended = info["boundary"] >= Boundary.TASK_TERMINATED
        if not torch.equal(info["boundary"][first].long(), torch.tensor(step["code"])[first]):
            told.append(f"step {t}: other boundary codes")
        if not torch.equal(obs[first], torch.tensor(step["obs"])[first]):
            told.append(f"step {t}: other observations")
        if world == "bandit":
            noise.append(torch.tensor(step["reward"])[first] - info["expected_reward"][first])
        elif not torch.equal(reward[first], torch.tensor(step["reward"])[first]):
            told.append(f"step {t}: other rewards")
        first &= ~ended
    if first.any():
        told.append(f"{int(first.sum())} copies whose first block has no end")
    if noise:
        drawn = torch.cat(noise)
        if abs(float(drawn.mean())) > 5 / len(drawn) ** 0.5 or abs(float(drawn.std()) - 1) > 5 / len(drawn) ** 0.5:
            told.append(f"noise of mean {float(drawn.mean()):.3f} and deviation {float(drawn.std()):.3f}")
    return told
