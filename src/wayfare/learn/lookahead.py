"""Looking U steps ahead in tables, at once from every state: the tree of all actions to depth U, equal states merged.

    V_0 = leaf,   Q_u(s, a) = r(s, a) + discount * sum_s' P(s' | s, a) V_{u-1}(s'),   V_u(s) = max_a Q_u(s, a)       (1)

    lookahead       (1) of given tables
    extended        (1) with the most optimistic P in an L1 ball around each row

Source: (1) Bellman 1957; the optimistic row Strehl & Littman 2008 and Jaksch, Ortner & Auer 2010, figure 2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["extended", "likely_path", "lookahead"]


def lookahead(transitions: Tensor, rewards: Tensor, depth: int, discount: float, leaf: Tensor | None = None) -> Tensor:
    """(1): [n, S, A] Q of depth U.

    transitions: [n, S, A, S]        rewards: [n, S, A]        leaf: [n, S], zeros if not given

    Raises: BadValue for a depth below 1.
    """
    if depth < 1:
        raise BadValue("depth", depth, "at least 1")
    n, states, actions = rewards.shape
    flat, paid = transitions.reshape(n, states * actions, -1), rewards.reshape(n, -1, 1)
    value = rewards.new_zeros(n, states) if leaf is None else leaf
    q = rewards
    for _ in range(depth):
        q = torch.baddbmm(paid, flat, value.unsqueeze(2), alpha=discount).view(n, states, actions)
        value = q.amax(dim=2)
    return q


def extended(mean: Tensor, rewards: Tensor, radius: Tensor, depth: int, discount: float) -> Tensor:
    """[n, S, A] Q of depth U where each row of P is the best within L1 distance `radius` [n, S, A] of `mean`.

    The best successor gains half the radius, and the worst ones lose as much in turn.
    """
    if depth < 1:
        raise BadValue("depth", depth, "at least 1")
    n, states, _ = rewards.shape
    value = rewards.new_zeros(n, states)
    q = rewards
    for _ in range(depth):
        order = value.argsort(dim=1, descending=True)  # best first
        p = mean.gather(3, order[:, None, None, :].expand_as(mean))
        first = (p[..., 0] + radius / 2).clamp(max=1.0)
        kept = torch.cat([first.unsqueeze(-1), p[..., 1:]], dim=-1)
        p = (1.0 - (kept.cumsum(dim=-1) - kept)).clamp(min=0.0).minimum(kept)  # what is over falls off the worst end
        ranked = value.gather(1, order)[:, None, None, :]
        q = rewards + discount * (p * ranked).sum(dim=-1)
        value = q.amax(dim=2)
    return q


def likely_path(transitions: Tensor, q: Tensor, state: Tensor, steps: int) -> Tensor:
    """[n, steps] actions that are best along the likeliest successors from `state` [n]."""
    rows = torch.arange(len(state))
    actions = []
    for _ in range(steps):
        actions.append(q[rows, state].argmax(dim=1))
        state = transitions[rows, state, actions[-1]].argmax(dim=1)
    return torch.stack(actions, dim=1)
