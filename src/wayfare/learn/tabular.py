"""What counts of transitions say about values: two-sided bounds of policies in tabular processes of a fixed horizon.

After n_h(s, a) visits with empirical transitions P^_h, rewards r in [0, 1] known, and U_{H+1} = L_{H+1} = 0, for
h = H, ..., 1 (arguments h, s, a left out; P^ U is the mean of U_{h+1} over successors, Var^ its variance):

    beta  = c (log(S A H / delta) + S log(8 e (n + 1))),    beta* = c (log(S A H / delta) + log(8 e (n + 1)))        (1)
    b     = 3 sqrt(Var^(U) beta* / n),                      e     = beta / n                                         (2)
    Uq    = min(H - h + 1,  r + b + 14 H^2 e + P^(U - L) / H + P^ U)                                                 (3)
    Lq    = max(0,          r - b - 22 H^2 e - 2 P^(U - L) / H + P^ L)                                               (4)
    U_h   = <pi_h, Uq>,     L_h = <pi_h, Lq>                                                                         (5)

and Uq = H - h + 1, Lq = 0 where n = 0. With probability 1 - delta, U and L hold the values of all policies at all times
for c = 1. Such constants need tens of thousands of episodes to move at all; with a smaller `scale` c the bounds are a
measurement to be checked, not a theorem.

    TransitionCounts     what was seen, B runs side by side
    policy_bounds        (3) to (5) of given policies
    optimistic           the policy that is greedy in Uq, and with it candidates that follow a baseline first
    pessimistic          the policy that is greedy in Lq: what a log alone allows

Layout: B runs, M policies as the last dimension, so that a step's means are one batched product. Everything is float64:
the variance is a difference of near equals.

Source: BPI-UCBVI, Menard et al. 2021 (arXiv 2007.13442), as used by Li, Huang, Shen & Yang 2023 (arXiv 2306.06265);
constants as recalled from there. (There log(3 S A H / delta) is recalled by some; 3 adds 1.1 to a sum of 25.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["Bounds", "Confidence", "Ties", "TransitionCounts", "optimistic", "pessimistic", "policy_bounds"]

Ties = Literal["first", "shared"]
"""Among actions of equal index: the first, or each in equal shares."""


@dataclass(frozen=True)
class Confidence:
    """delta: chance of failure, in (0, 1)        scale: c of (1), above 0; 1 is the theorem's

    Raises: BadValue for one out of range.
    """

    delta: float = 0.05
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.delta < 1:
            raise BadValue("delta", self.delta, "between 0 and 1, both excluded")
        if not 0 < self.scale < math.inf:
            raise BadValue("scale", self.scale, "finite and above 0")

    def rates(self, visits: Tensor) -> tuple[Tensor, Tensor]:
        """beta / n and beta* / n of (1) for visits [B, H, S, A]; where n = 0 infinity and 0."""
        horizon, states, actions = visits.shape[-3:]
        grown = torch.log(8.0 * math.e * (visits + 1.0))
        fixed = math.log(states * actions * horizon / self.delta)
        n, never = visits.clamp(min=1.0), visits == 0
        wide = (self.scale * (fixed + states * grown) / n).masked_fill(never, math.inf)
        return wide, (self.scale * (fixed + grown) / n).masked_fill(never, 0.0)


class TransitionCounts:
    """How often each transition was seen, in B runs of H steps.

    counts: [B, H, S, A, S] float64        visits: [B, H, S, A] float64
    """

    def __init__(
        self, runs: int, horizon: int, states: int, actions: int, device: str | torch.device | None = None
    ) -> None:
        self.shape = (runs, horizon, states, actions)
        self.counts = torch.zeros(*self.shape, states, dtype=torch.float64, device=device)
        self.visits = torch.zeros(*self.shape, dtype=torch.float64, device=device)
        self._rows = torch.arange(runs * horizon, device=device).view(runs, horizon) * states

    def observe(self, states: Tensor, actions: Tensor) -> None:
        """One episode of each run. states: [B, H + 1] visited in turn, actions: [B, H] taken; integers.

        Raises: BadValue for shapes that do not fit (places out of range are torch's own error).
        """
        runs, horizon, count, choices = self.shape
        if states.shape != (runs, horizon + 1) or actions.shape != (runs, horizon):
            shapes = f"{list(states.shape)} and {list(actions.shape)}"
            raise BadValue("states and actions", shapes, f"[{runs}, {horizon + 1}] and [{runs}, {horizon}]")
        row = ((self._rows + states[:, :-1]) * choices + actions).reshape(-1)
        one = torch.ones((), dtype=torch.float64, device=self.visits.device).expand(len(row))
        self.visits.view(-1).index_add_(0, row, one)
        self.counts.view(-1).index_add_(0, row * count + states[:, 1:].reshape(-1), one)

    def transitions(self) -> Tensor:
        """[B, H, S, A, S] P^; zeros where nothing was seen."""
        return self.counts / self.visits.clamp(min=1.0).unsqueeze(-1)


@dataclass(frozen=True)
class Bounds:
    """Of M policies in B runs.

    upper, lower: [B, S, M] at the first step        policies: [B, H, S, A, M]
    """

    upper: Tensor
    lower: Tensor
    policies: Tensor


Decide = Callable[[int, Tensor, Tensor], Tensor]
"""(step, Uq [B, S, A, M], Lq [B, S, A, M]) -> [B or 1, S, A, M] the policies at that step."""


def policy_bounds(seen: TransitionCounts, rewards: Tensor, confidence: Confidence, policies: Tensor) -> Bounds:
    """(3) to (5) of given policies [B or 1, H, S, A, M]. rewards: [B, H, S, A] in [0, 1]."""
    return _recursion(seen, rewards, confidence, policies.shape[-1], lambda h, upper, lower: policies[:, h])


def optimistic(
    seen: TransitionCounts,
    rewards: Tensor,
    confidence: Confidence,
    baseline: Tensor | None = None,
    prefixes: Sequence[int] = (0,),
    ties: Ties = "first",
) -> Bounds:
    """The policy greedy in Uq, and candidates that follow the baseline for their first steps and then that policy.

    baseline: [B, H, S, A]; needed for a prefix above 0
    prefixes: M of them, the first 0: for how many steps candidate j follows the baseline

    From step j on, candidate j has the bounds of the greedy policy, so that one pass yields the policy and all bounds.
    Raises: BadValue for prefixes that do not begin with 0, leave the horizon, or lack a baseline.
    """
    horizon = seen.shape[1]
    if not prefixes or prefixes[0] != 0 or min(prefixes) < 0 or max(prefixes) > horizon:
        raise BadValue("prefixes", tuple(prefixes), f"0 first, all between 0 and {horizon}")
    if max(prefixes) > 0 and baseline is None:
        raise BadValue("baseline", None, "given for a prefix above 0")
    length = torch.tensor(list(prefixes), device=rewards.device)

    def decide(h: int, upper: Tensor, lower: Tensor) -> Tensor:
        bold = _best(upper[..., :1], ties)
        if baseline is None:
            return bold.expand(upper.shape)
        return torch.where(h < length, baseline[:, h].unsqueeze(-1), bold)

    return _recursion(seen, rewards, confidence, len(prefixes), decide)


def pessimistic(seen: TransitionCounts, rewards: Tensor, confidence: Confidence, ties: Ties = "first") -> Bounds:
    """The policy greedy in Lq (M = 1): pessimistic value iteration, for a log that came from elsewhere."""
    return _recursion(seen, rewards, confidence, 1, lambda h, upper, lower: _best(lower, ties))


def _recursion(seen: TransitionCounts, rewards: Tensor, confidence: Confidence, many: int, decide: Decide) -> Bounds:
    runs, horizon, states, actions = seen.shape
    if rewards.shape != seen.shape:
        raise BadValue("rewards", list(rewards.shape), f"{list(seen.shape)}")
    means = seen.transitions().view(runs, horizon, states * actions, states)
    wide, narrow = confidence.rates(seen.visits)
    reward = rewards.to(torch.float64)
    # what of (3) and (4) depends on counts alone, [B, H, S, A, 1]
    high = (reward + 14.0 * horizon**2 * wide).unsqueeze(-1)
    low = (reward - 22.0 * horizon**2 * wide).unsqueeze(-1)
    narrow = 9.0 * narrow.unsqueeze(-1)
    upper = torch.zeros(runs, states, many, dtype=torch.float64, device=reward.device)
    lower = torch.zeros_like(upper)
    chosen: list[Tensor] = []
    for h in reversed(range(horizon)):
        ahead = torch.bmm(means[:, h], torch.cat([upper, upper.square(), lower], dim=-1))
        up, square, down = ahead.view(runs, states, actions, 3 * many).split(many, dim=-1)
        bonus = ((square - up.square()).clamp(min=0.0) * narrow[:, h]).sqrt()
        gap = (up - down) / horizon
        upper_q = (high[:, h] + bonus + gap + up).clamp(max=float(horizon - h))
        lower_q = (low[:, h] - bonus - 2.0 * gap + down).clamp(min=0.0)
        policy = decide(h, upper_q, lower_q)
        chosen.append(policy.expand(runs, states, actions, many))
        upper, lower = (policy * upper_q).sum(dim=2), (policy * lower_q).sum(dim=2)
    return Bounds(upper, lower, torch.stack(chosen[::-1], dim=1))


def _best(q: Tensor, ties: Ties) -> Tensor:
    """q: [B, S, A, M] -> the same shape, each [A] a distribution over the best."""
    if ties == "shared":
        best = (q == q.amax(dim=2, keepdim=True)).to(q.dtype)
        return best / best.sum(dim=2, keepdim=True)
    return torch.zeros_like(q).scatter_(2, q.argmax(dim=2, keepdim=True), 1.0)
