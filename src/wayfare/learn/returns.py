"""Generalised advantage estimates over the five boundary codes.

    d_t = r_t + g(code_t) V(h_{t+1}) - V(h_t)                                               (1)
    A_t = d_t + lambda g(code_t) j_t A_{t+1}                                                (2)
    R_t = A_t + V(h_t)                                                                      (3)

g is the discount table, so an episode's end inside a block passes value on by gamma_episode, and a task's end by what
the table says of it. h_{t+1} is the history that follows decision t: after a truncated task, the one with its final
observation. j_t is 1 where the step stored at t + 1 goes on from it, and 0 where that is another block.

Source: Schulman, Moritz, Levine, Jordan & Abbeel 2016, eq. 11 (1), eq. 16 (2) with one discount; the table is ours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.sequences import TASK_ENDED

__all__ = ["advantages"]


def advantages(
    reward: Tensor,
    boundary: Tensor,
    value: Tensor,
    next_value: Tensor,
    discounts: DiscountTable,
    trace: float = 0.95,
    joined: Tensor | None = None,
) -> Tensor:
    """A_t of (2), [S, T, B].

    reward, value, next_value: [S, T, B], V(h_t) and V(h_{t+1}) in the units of the reward
    boundary: [S, T, B] int8 codes
    discounts: the table g, one for all rows or one a row
    trace: lambda, 0 (one step) to 1 (all of the return)
    joined: [S, T, B] bool, j_t; none given: False where a task ended

    Raises: BadValue for a trace outside [0, 1] or shapes that differ.
    """
    if not 0 <= trace <= 1:
        raise BadValue("trace", trace, "between 0 and 1")
    joined = boundary < TASK_ENDED if joined is None else joined
    for name, tensor in {"boundary": boundary, "value": value, "next_value": next_value, "joined": joined}.items():
        if tensor.shape != reward.shape:
            raise BadValue(name, tuple(tensor.shape), f"shaped as the rewards, {tuple(reward.shape)}")
    discount = discounts.of(boundary)
    error = reward + torch.where(discount > 0, discount * next_value, 0.0) - value  # (1)
    carried = trace * discount * joined
    advantage = torch.empty_like(error)
    later = torch.zeros_like(error[:, 0])
    for t in range(reward.shape[1] - 1, -1, -1):
        later = error[:, t] + carried[:, t] * later  # (2)
        advantage[:, t] = later
    return advantage
