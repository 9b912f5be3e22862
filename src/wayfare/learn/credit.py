"""From rewards to advantages, for policies that answer in turns and are tried several times on the same task.

    returns_to_go       G_t = sum over u >= t of gamma^(u - t) r_u                                         (1)
    turn_advantages     A_t = (G_t - mean of G_t over the group at the same turn) / deviation of the group  (2)
    group_advantages    one number a trajectory, by the estimators below

A group is what was tried on one task: its members share `group_id`, in any order and any number. With r the reward of a
trajectory and n the size of its group:

    grpo       (r - mean) / (deviation + 1e-4)                                                            (3)
    dr-grpo    r - mean                                                                                   (4)
    rloo       n / (n - 1) (r - mean): the mean of the others is the baseline                             (5)

Deviations divide by n - 1. Where all members of a group have exactly the same reward, the advantage is exactly 0.

Sources: (1) Williams 1992; (3) Shao et al. 2024 (arXiv 2402.03300); (4) Liu et al. 2025 (arXiv 2503.20783);
(5) Kool, van Hoof & Welling 2019. (2) is our choice for the setting of Chen et al. 2025 (arXiv 2509.24923), which does
not say: one number for fifty turns would give almost no credit.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["Estimator", "group_advantages", "returns_to_go", "turn_advantages"]

Estimator = Literal["grpo", "dr-grpo", "rloo"]
SMALL = 1e-4


def returns_to_go(rewards: Tensor, gamma: float) -> Tensor:
    """(1): rewards [T, B] -> [T, B]. Raises: BadValue for a gamma outside 0 to 1."""
    if not 0 <= gamma <= 1:
        raise BadValue("gamma", gamma, "between 0 and 1")
    later = torch.zeros_like(rewards[0])
    returns = torch.empty_like(rewards)
    for t in range(len(rewards) - 1, -1, -1):
        later = rewards[t] + gamma * later
        returns[t] = later
    return returns


def turn_advantages(returns: Tensor, group_id: Tensor, active: Tensor | None = None) -> Tensor:
    """(2): returns [T, B], group_id [B] int64 from 0 -> [T, B], 0 where a turn was not taken.

    active: [T, B] bool, turns that were taken; None: all
    The deviation is that of G_t - its turn's mean, over all turns and members of the group; 0 gives advantage 0. A turn
    that one member alone has taken has no baseline: its advantage is 0.

    Raises: BadValue for a group of one, naming it, or returns that are not finite.
    """
    _checked(returns, group_id)
    groups = int(group_id.max()) + 1
    there = torch.ones_like(returns) if active is None else active.to(returns.dtype)
    where = group_id.expand_as(returns)
    zeros = returns.new_zeros(len(returns), groups)
    count = zeros.scatter_add(1, where, there)
    mean = zeros.scatter_add(1, where, returns * there) / count.clamp(min=1.0)
    centred = (returns - mean.gather(1, where)) * there
    alone, same = count.gather(1, where) < 2, _all_equal(returns, where, groups, there)
    centred = torch.where(alone | same, 0.0, centred)
    spread = zeros[0].scatter_add(0, group_id, centred.square().sum(dim=0))
    degrees = zeros[0].scatter_add(0, group_id, there.sum(dim=0)) - (count > 0).sum(dim=0)
    deviation = (spread / degrees.clamp(min=1.0)).sqrt()[group_id]
    return torch.where(deviation > 0, centred / torch.where(deviation > 0, deviation, 1.0), 0.0)


def group_advantages(rewards: Tensor, group_id: Tensor, estimator: Estimator = "grpo") -> Tensor:
    """(3), (4) or (5): rewards [B], group_id [B] int64 from 0 -> [B].

    Raises: BadValue for another estimator, a group of one, naming it, or rewards that are not finite.
    """
    if estimator not in ("grpo", "dr-grpo", "rloo"):
        raise BadValue("estimator", estimator, "grpo, dr-grpo or rloo")
    _checked(rewards[None], group_id)
    groups = int(group_id.max()) + 1
    zeros = rewards.new_zeros(groups)
    count = zeros.scatter_add(0, group_id, torch.ones_like(rewards))
    centred = rewards - (zeros.scatter_add(0, group_id, rewards) / count.clamp(min=1.0))[group_id]
    same = _all_equal(rewards[None], group_id[None], groups, torch.ones_like(rewards)[None])[0]
    centred = torch.where(same, 0.0, centred)
    if estimator == "dr-grpo":
        return centred
    if estimator == "rloo":
        return centred * (count / (count - 1.0))[group_id]
    deviation = (zeros.scatter_add(0, group_id, centred.square()) / (count - 1.0)).sqrt()
    return centred / (deviation + SMALL)[group_id]


def _all_equal(values: Tensor, where: Tensor, groups: int, there: Tensor) -> Tensor:
    """[T, B] whether all members of the group have the same value: the values are compared, not their deviation, which
    float noise keeps above 0."""
    shape = (len(values), groups)
    high = values.new_full(shape, -torch.inf).scatter_reduce(
        1, where, torch.where(there > 0, values, -torch.inf), "amax"
    )
    low = values.new_full(shape, torch.inf).scatter_reduce(1, where, torch.where(there > 0, values, torch.inf), "amin")
    return (high == low).gather(1, where)


def _checked(values: Tensor, group_id: Tensor) -> None:
    if values.ndim != 2 or group_id.shape != values.shape[1:] or group_id.numel() == 0:
        raise BadValue("group_id", list(group_id.shape), f"one a trajectory, [{values.shape[-1]}]")
    if group_id.dtype != torch.int64 or int(group_id.min()) < 0:
        raise BadValue("group_id", str(group_id.dtype), "int64, at least 0")
    if not bool(torch.isfinite(values).all()):
        raise BadValue("rewards", float(values[~torch.isfinite(values)][0]), "finite")
    sizes = torch.bincount(group_id)
    if bool((sizes == 1).any()):
        lone = int((sizes == 1).nonzero()[0])
        raise BadValue(f"group {lone}", "one trajectory", "at least two, of which one is the other's baseline")
