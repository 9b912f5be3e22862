"""Exact gain and bias of tabular processes that never end, many at once, by policy iteration.

With g the mean reward a step in the long run and h the bias, a policy pi of a unichain process solves

    g + h(s) = r(s, pi(s)) + sum_s' P(s' | s, pi(s)) h(s'),   h(reference) = 0                                       (1)

and is improved to argmax_a r(s, a) + sum_s' P(s' | s, a) h(s') until nothing changes. What an action loses against the
best is its gap,

    gap(s, a) = g* + h*(s) - r(s, a) - sum_s' P(s' | s, a) h*(s') >= 0,                                              (2)

and T g* minus the rewards of T steps is the sum of gaps, plus h*(first) - h*(last), plus noise of mean zero.

Source: Puterman 1994, "Markov decision processes", sections 8.2 and 8.6.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["gaps", "optimal_gain"]

ROUNDS = 200
SLACK = 1e-10


def optimal_gain(transitions: Tensor, rewards: Tensor, reference: int = 0) -> tuple[Tensor, Tensor]:
    """(1): the best gain [...] and its bias [..., S].

    transitions: [..., S, A, S] float64, every stationary policy met on the way unichain      rewards: [..., S, A]
    reference: the state whose bias is 0

    Raises: BadValue for shapes that do not fit, or a process in which a policy has several gains.
    """
    if transitions.dim() < 3 or transitions.shape != (*rewards.shape, rewards.shape[-2]):
        raise BadValue("transitions", list(transitions.shape), f"[..., S, A, S] to go with {list(rewards.shape)}")
    states, actions = rewards.shape[-2:]
    p, r = transitions.reshape(-1, states, actions, states).double(), rewards.reshape(-1, states, actions).double()
    value = r.new_zeros(len(r), states)
    for _ in range(4 * states):  # a first policy that is greedy far ahead: one that is not may have several gains
        q = r + 0.99 * (p @ value[:, None, :, None]).squeeze(-1)
        value = q.amax(dim=-1)
    policy = q.argmax(dim=-1)
    eye = torch.eye(states, dtype=p.dtype, device=p.device)
    gain, bias = r.new_zeros(len(r)), r.new_zeros(len(r), states)
    for _ in range(ROUNDS):
        at = policy.unsqueeze(-1)
        followed = p.gather(2, at.unsqueeze(-1).expand(-1, -1, 1, states)).squeeze(2)
        system = eye - followed
        system[:, :, reference] = 1.0  # the reference's bias is 0, so that its column is free for the gain
        try:
            solved = torch.linalg.solve(system, r.gather(2, at).squeeze(-1))
        except RuntimeError:
            raise BadValue("transitions", "several recurrent classes", "unichain under every policy") from None
        gain = solved[:, reference].clone()
        bias = solved.clone()
        bias[:, reference] = 0.0
        q = r + (p @ bias[:, None, :, None]).squeeze(-1)
        best = q.amax(dim=-1)
        better = best > q.gather(2, at).squeeze(-1) + SLACK
        if not bool(better.any()):
            break
        policy = torch.where(better, q.argmax(dim=-1), policy)
    return gain.reshape(rewards.shape[:-2]), bias.reshape(rewards.shape[:-1])


def gaps(transitions: Tensor, rewards: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """(2): [..., S, A], rounding below 0 cut off."""
    ahead = (transitions * bias[..., None, None, :]).sum(dim=-1)
    return (gain[..., None, None] + bias.unsqueeze(-1) - rewards - ahead).clamp(min=0.0)
