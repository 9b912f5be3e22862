"""Exact values of finite tabular decision processes by dynamic programming, many processes and policies at once.

With transitions P_h(s' | s, a), rewards r_h(s, a) and V_{H+1} = 0, for h = H, ..., 1:

    Q_h(s, a) = r_h(s, a) + sum_s' P_h(s' | s, a) V_{h+1}(s')                                                        (1)
    V_h(s)    = sum_a pi_h(a | s) Q_h(s, a)     of a policy pi                                                       (2)
    V*_h(s)   = max_a Q*_h(s, a)                of the best one                                                      (3)

Steps are counted from 0 in the arrays. Leading dimensions `...` broadcast against each other.

Source: Puterman 1994, "Markov decision processes", section 4.5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["greedy_policy", "optimal_values", "policy_values", "softmax_policy"]


def policy_values(transitions: Tensor, rewards: Tensor, policy: Tensor) -> Tensor:
    """(1) and (2): [..., H + 1, S] value of each state at each step, zeros behind the last.

    transitions: [..., H, S, A, S]        rewards: [..., H, S, A]        policy: [..., H, S, A], rows sum to 1

    Raises: BadValue for shapes that do not fit.
    """
    _fit(transitions, rewards)
    if policy.shape[-3:] != rewards.shape[-3:]:
        raise BadValue("policy", list(policy.shape), f"[..., {', '.join(map(str, rewards.shape[-3:]))}]")
    value = torch.zeros((), dtype=rewards.dtype, device=rewards.device).expand(rewards.shape[-2])
    values = [value]
    for h in reversed(range(rewards.shape[-3])):
        value = (policy[..., h, :, :] * _backed_up(transitions, rewards, value, h)).sum(dim=-1)
        values.append(value)
    return torch.stack([v.expand(value.shape) for v in reversed(values)], dim=-2)


def optimal_values(transitions: Tensor, rewards: Tensor) -> tuple[Tensor, Tensor]:
    """(1) and (3): Q* [..., H, S, A] and V* [..., H + 1, S].

    transitions: [..., H, S, A, S]        rewards: [..., H, S, A]

    Raises: BadValue for shapes that do not fit.
    """
    _fit(transitions, rewards)
    value = torch.zeros((), dtype=rewards.dtype, device=rewards.device).expand(rewards.shape[-2])
    actions, values = [], [value]
    for h in reversed(range(rewards.shape[-3])):
        actions.append(_backed_up(transitions, rewards, value, h))
        value = actions[-1].amax(dim=-1)
        values.append(value)
    return torch.stack(actions[::-1], dim=-3), torch.stack([v.expand(value.shape) for v in values[::-1]], dim=-2)


def softmax_policy(q: Tensor, temperature: float) -> Tensor:
    """[..., A] pi(a) proportional to exp(q(a) / temperature). Raises: BadValue for a temperature not above 0."""
    if not 0 < temperature < float("inf"):
        raise BadValue("temperature", temperature, "finite and above 0")
    return torch.softmax(q / temperature, dim=-1)


def greedy_policy(q: Tensor) -> Tensor:
    """[..., A] all mass on the best action of q [..., A]; of equals on the first."""
    return torch.nn.functional.one_hot(q.argmax(dim=-1), q.shape[-1]).to(q.dtype)


def _backed_up(transitions: Tensor, rewards: Tensor, value: Tensor, h: int) -> Tensor:
    """(1) of step h: value [..., S] -> [..., S, A]."""
    ahead = (transitions[..., h, :, :, :] * value[..., None, None, :]).sum(dim=-1)
    return rewards[..., h, :, :] + ahead


def _fit(transitions: Tensor, rewards: Tensor) -> None:
    if transitions.dim() < 4 or transitions.shape[-4:] != (*rewards.shape[-3:], rewards.shape[-2]):
        raise BadValue(
            "transitions", list(transitions.shape), f"[..., H, S, A, S] to go with rewards {list(rewards.shape)}"
        )
