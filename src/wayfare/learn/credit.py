"""From rewards to advantages, for policies that answer in turns and are tried several times on the same task.

    returns_to_go       G_t = sum over u >= t of gamma^(u - t) r_u                                         (1)
    turn_advantages     A_t = (G_t - mean of G_t over the group at the same turn) / deviation of the group  (2)
    group_advantages    one number a trajectory, by the estimators below
    normalise_then_sum  the same where several rewards are each brought to one scale before they are added

A group is what was tried on one task: its members share `group_id`, in any order and any number. With r the reward of a
trajectory, n the size of its group and m the mean of the group:

    grpo, group       (r - m) / (deviation of the group + 1e-4)                                           (3)
    dr_grpo, none     r - m                                                                               (4)
    rloo              n / (n - 1) (r - m): the mean of the others is the baseline                         (5)
    batch             (r - m) / (deviation of all rewards + 1e-4)                                         (6)

Second names are those of `scale_rewards` in `trl`. Deviations divide by their number less one. With F rewards

    s = sum over f of weight_f (r_f - m_f) / (deviation_f of the group + 1e-4)
    A = s / (deviation of all s + 1e-4)                                                                   (7)

A reward of NaN says that a trajectory could not be scored: it is in no mean and no deviation, and its advantage is 0.
Where all scored members of a group have exactly the same reward, the advantage is exactly 0.

Sources: (1) Williams 1992; (3) Shao et al. 2024 (arXiv 2402.03300); (4) Liu et al. 2025 (arXiv 2503.20783);
(5) Kool, van Hoof & Welling 2019; (6) Liu, Liu et al. 2025 (arXiv 2508.08221); (7) Liu, Dong et al. 2026 (arXiv
2601.05242), where the mean of all s, which is 0 already, is taken off. (2) is our choice for the setting of Chen et al.
2025 (arXiv 2509.24923), which does not say: one number for fifty turns would give almost no credit.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["Estimator", "Lone", "group_advantages", "normalise_then_sum", "returns_to_go", "turn_advantages"]

Estimator = Literal["grpo", "group", "dr_grpo", "none", "rloo", "batch"]
Lone = Literal["refuse", "zero"]
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


def group_advantages(
    rewards: Tensor, group_id: Tensor, estimator: Estimator = "grpo", *, lone: Lone = "refuse"
) -> Tensor:
    """(3) to (6): rewards [B], NaN for what could not be scored, group_id [B] int64 from 0 -> [B].

    lone: a group of one is refused, or gets advantage 0; one that has one scored member left gets 0 always

    Raises: BadValue for another estimator, a lone group, naming it, or rewards that are infinite.
    """
    if estimator not in get_args(Estimator):
        raise BadValue("estimator", estimator, f"one of {', '.join(get_args(Estimator))}")
    _checked(rewards[None], group_id, lone, scored=True)
    there = ~rewards.isnan()
    filled = torch.where(there, rewards, 0.0)
    count, centred = _centred(filled[:, None], there[:, None], group_id)
    count, centred = count[:, 0], centred[:, 0]
    if estimator in ("dr_grpo", "none"):
        return centred
    if estimator == "rloo":
        return centred * (count / (count - 1.0).clamp(min=1.0))[group_id]
    if estimator == "batch":
        return centred / (_deviation(filled, there) + SMALL)
    return centred / (_deviations(centred[:, None], count[:, None], group_id)[:, 0] + SMALL)


def normalise_then_sum(rewards: Tensor, weights: Tensor, group_id: Tensor, *, lone: Lone = "refuse") -> Tensor:
    """(7): rewards [B, F], NaN for what a function does not apply to, weights [F], group_id [B] int64 from 0 -> [B].

    Raises: BadValue as `group_advantages` does, or for weights that are not one a function.
    """
    if rewards.ndim != 2 or weights.shape != rewards.shape[1:]:
        raise BadValue("weights", list(weights.shape), f"one a reward function, {list(rewards.shape[1:])}")
    _checked(rewards.t(), group_id, lone, scored=True)
    there = ~rewards.isnan()
    count, centred = _centred(torch.where(there, rewards, 0.0), there, group_id)
    each = centred / (_deviations(centred, count, group_id) + SMALL)
    total = (each * weights.to(each)).sum(dim=1)
    return total / (_deviation(total, there.any(dim=1)) + SMALL)


def _centred(values: Tensor, there: Tensor, group_id: Tensor) -> tuple[Tensor, Tensor]:
    """values, there: [B, F] -> members there [groups, F], and values less the mean of those [B, F].

    Exactly 0 for what is not there, and where all that is there is the same.
    """
    groups = int(group_id.max()) + 1
    where = group_id.unsqueeze(1).expand_as(values)
    zeros = values.new_zeros(groups, values.shape[1])
    count = zeros.scatter_add(0, where, there.to(values.dtype))
    mean = zeros.scatter_add(0, where, values) / count.clamp(min=1.0)
    same = _all_equal(values.t(), where.t(), groups, there.t()).t()
    return count, torch.where(same | ~there, 0.0, values - mean.gather(0, where))


def _deviations(centred: Tensor, count: Tensor, group_id: Tensor) -> Tensor:
    """[B, F]: the deviation of each one's group; 0 for a group of one."""
    where = group_id.unsqueeze(1).expand_as(centred)
    spread = torch.zeros_like(count).scatter_add(0, where, centred.square())
    return (spread / (count - 1.0).clamp(min=1.0)).sqrt().gather(0, where)


def _deviation(values: Tensor, there: Tensor) -> Tensor:
    """Of all of [B] that are there; 0 for fewer than two."""
    some = values[there]
    return some.std() if len(some) > 1 else values.new_zeros(())


def _all_equal(values: Tensor, where: Tensor, groups: int, there: Tensor) -> Tensor:
    """[T, B] whether all members of the group have the same value: the values are compared, not their deviation, which
    float noise keeps above 0."""
    shape = (len(values), groups)
    high = values.new_full(shape, -torch.inf).scatter_reduce(
        1, where, torch.where(there > 0, values, -torch.inf), "amax"
    )
    low = values.new_full(shape, torch.inf).scatter_reduce(1, where, torch.where(there > 0, values, torch.inf), "amin")
    return (high == low).gather(1, where)


def _checked(values: Tensor, group_id: Tensor, lone: Lone = "refuse", *, scored: bool = False) -> None:
    """scored: NaN means something"""
    if lone not in get_args(Lone):
        raise BadValue("lone", lone, f"one of {', '.join(get_args(Lone))}")
    if values.ndim != 2 or group_id.shape != values.shape[1:] or group_id.numel() == 0:
        raise BadValue("group_id", list(group_id.shape), f"one a trajectory, [{values.shape[-1]}]")
    if group_id.dtype != torch.int64 or int(group_id.min()) < 0:
        raise BadValue("group_id", str(group_id.dtype), "int64, at least 0")
    wrong = values.isinf() if scored else ~values.isfinite()
    if bool(wrong.any()):
        raise BadValue(
            "rewards", float(values[wrong][0]), "finite, or NaN where there is no score" if scored else "finite"
        )
    sizes = torch.bincount(group_id)
    if lone == "refuse" and bool((sizes == 1).any()):
        alone = int((sizes == 1).nonzero()[0])
        raise BadValue(f"group {alone}", "one trajectory", "at least two, of which one is the other's baseline")
