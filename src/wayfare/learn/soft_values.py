"""Soft values: what a choice is worth to who is also paid for keeping it open, and the backups that learn it.

The agent chooses a case c from a bank M in a state s, by a policy mu, for

    J = E sum_t discount^t [ r_t + alpha H(mu(. | s_t, M_t)) ]                                                    (1)

    V(s, M)      = alpha log sum_{c in M} exp(Q(s, M, c) / alpha)                                                 (2)
    mu*(c | s,M) = exp(Q(s, M, c) / alpha) / sum_{c' in M} exp(Q(s, M, c') / alpha)                               (3)
    Q(s, M, c)  <- r + discount V(s', M')                                                                         (4)

As alpha goes to 0, (2) is the maximum and (3) shares the best equally. An empty bank offers no choice: V = 0.

Source: Zhou et al. 2025 (arXiv 2508.16153), after maximum-entropy reinforcement learning (Ziebart 2010; Haarnoja et al.
2017, arXiv 1702.08165). `soft_value_iteration` is exact for small problems, and what learned values are held against.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["soft_backup", "soft_policy", "soft_value", "soft_value_iteration"]


def _checked(q: Tensor, allowed: Tensor | None, temperature: float) -> Tensor:
    """Which of q [..., C] may be chosen. Raises: BadValue."""
    if not (math.isfinite(temperature) and temperature >= 0):
        raise BadValue("temperature", temperature, "finite and 0 or above")
    if allowed is None:
        return torch.ones_like(q, dtype=torch.bool)
    if allowed.dtype != torch.bool or allowed.shape != q.shape:
        raise BadValue("allowed", f"{allowed.dtype} {list(allowed.shape)}", f"torch.bool {list(q.shape)}")
    return allowed


def soft_value(q: Tensor, temperature: float, allowed: Tensor | None = None) -> Tensor:
    """(2). q: [..., C]        allowed: [..., C] bool, None: all -> [...]; 0 where none is allowed. Raises: BadValue."""
    allowed = _checked(q, allowed, temperature)
    some = allowed.any(dim=-1)
    open_q = torch.where(allowed, q, -math.inf)
    # a row without a choice takes part as one of zeros, so that no gradient is NaN
    safe = torch.where(some.unsqueeze(-1), open_q, 0.0)
    if not q.shape[-1]:
        return q.new_zeros(q.shape[:-1])
    value = safe.amax(dim=-1) if temperature == 0 else temperature * torch.logsumexp(safe / temperature, dim=-1)
    return torch.where(some, value, 0.0)


def soft_policy(q: Tensor, temperature: float, allowed: Tensor | None = None) -> Tensor:
    """(3). q: [..., C] -> chances [..., C]; all 0 where none is allowed. Raises: BadValue."""
    allowed = _checked(q, allowed, temperature)
    open_q = torch.where(allowed, q, -math.inf)
    best = open_q.amax(dim=-1, keepdim=True) if q.shape[-1] else q
    if temperature == 0:
        weights = (allowed & (open_q == best)).to(q.dtype)
    else:
        weights = torch.where(allowed, ((open_q - best) / temperature).exp(), 0.0)
    return weights / weights.sum(dim=-1, keepdim=True).clamp_min(torch.finfo(q.dtype).tiny)


def soft_backup(
    reward: Tensor,
    ends: Tensor,
    q_next: Tensor,
    *,
    discount: float,
    temperature: float,
    allowed: Tensor | None = None,
) -> Tensor:
    """(4), the target of one transition: reward where it ends, else (2) of what comes next is added.

    reward: [...]        ends: [...] bool        q_next: [..., C] of the delayed network
    Raises: BadValue, also for a discount outside of 0 to 1.
    """
    if not 0 <= discount <= 1:
        raise BadValue("discount", discount, "from 0 to 1")
    return reward + discount * torch.where(ends, 0.0, soft_value(q_next, temperature, allowed))


def soft_value_iteration(
    reward: Tensor,
    transition: Tensor,
    *,
    discount: float,
    temperature: float,
    allowed: Tensor | None = None,
    tolerance: float = 1e-10,
    most: int = 100_000,
) -> Tensor:
    """Q* [X, C] of a finite problem, by (4) until nothing moves more than `tolerance`.

    reward: [X, C]        transition: [X, C, X] chances of the next state, of sum at most one; the rest is the end
    allowed: [X, C] bool        X: pairs of a state and its bank
    Raises: BadValue for shapes or chances that do not fit, or where it has not settled after `most` sweeps.
    """
    if reward.ndim != 2 or transition.shape != (*reward.shape, len(reward)):
        raise BadValue("transition", list(transition.shape), f"[X, C, X] for a reward of {list(reward.shape)}")
    if bool((transition < 0).any()) or bool((transition.sum(dim=-1) > 1 + 1e-9).any()):
        raise BadValue("transition", "other chances", "chances, with a sum of one at most")
    if not 0 <= discount <= 1:
        raise BadValue("discount", discount, "from 0 to 1")
    q = torch.zeros_like(reward)
    for _ in range(most):
        ahead = reward + discount * transition @ soft_value(q, temperature, allowed)
        if float((ahead - q).abs().max()) <= tolerance:
            return ahead
        q = ahead
    raise BadValue("most", most, "enough sweeps to settle; with discount 1 every path has to end")
