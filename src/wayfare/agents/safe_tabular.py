"""Conservative exploration of tabular processes: optimistic wherever a lower bound clears a safety floor, a known
baseline for the rest.

    player = SafeTabular(rewards, baseline, floor=0.85 * value, baseline_value=value)     # StepMix; B runs at once
    plan = player.plan()             # plan.policy [B, H, S, A]: act by it for one episode
    player.observe(states, actions)

StepMix has H + 1 candidates: candidate j follows the baseline for its first j steps and is optimistic afterwards, so
that 0 is fully optimistic and H is the baseline. Neighbours differ at a single step; the value of mixing them there is
linear in the weight, and its certificate the interpolation of two lower bounds. (The lower bound of the mixture's own
recursion is another number: the bonus is not linear in U.) EpsMix throws a coin for the whole episode between
candidates 0 and H.

The order is baseline first: late steps are explored before early ones.

Source: Li, Huang, Shen & Yang 2023 (arXiv 2306.06265), StepMix and EpsMix.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.explore.rules.safe_mix import Form, Mixture, SafeMix
from wayfare.learn.tabular import Bounds, Confidence, Ties, TransitionCounts, optimistic

__all__ = ["SafePlan", "SafeTabular"]


@dataclass(frozen=True)
class SafePlan:
    """What to do in the next episode.

    policy: [B, H, S, A]; for EpsMix the one that the coin chose
    mixture: of the candidates        bounds: of the candidates by their own recursion
    lower: [B, M] the bounds that were mixed, what is known of the baseline included
    """

    policy: Tensor
    mixture: Mixture
    bounds: Bounds
    lower: Tensor


class SafeTabular:
    """B runs of StepMix or EpsMix.

    rewards: [B, H, S, A] in [0, 1], known
    baseline: [B, H, S, A] a policy whose value is above the floor
    floor: [B] or a number; at most 0: nothing to keep to, the player is fully optimistic
    form: `step` (StepMix) or `eps` (EpsMix)
    baseline_value: [B] its value at the start
    baseline_bound: [B] instead of its value a lower bound of it, say from a log; it may fall short of the floor
        Without either, the baseline is played until its own counts certify the floor
    confidence: of the bounds        start: state in which episodes start        ties: among actions of equal Uq

    Where the baseline's value is the floor itself nothing is ever explored, unless the baseline does so on its own.
    Raises: BadValue for shapes that do not fit, rows that are no distribution, rewards outside [0, 1], a floor above
    the baseline's value.
    """

    def __init__(
        self,
        rewards: Tensor,
        baseline: Tensor,
        floor: Tensor | float,
        *,
        form: Form = "step",
        baseline_value: Tensor | None = None,
        baseline_bound: Tensor | None = None,
        confidence: Confidence | None = None,
        start: int = 0,
        ties: Ties = "first",
    ) -> None:
        if rewards.dim() != 4 or baseline.shape != rewards.shape:
            raise BadValue("baseline", list(baseline.shape), f"[B, H, S, A] as rewards {list(rewards.shape)}")
        if bool(((rewards < 0) | (rewards > 1)).any()):
            raise BadValue("rewards", [float(rewards.min()), float(rewards.max())], "between 0 and 1: rescale them")
        if bool((baseline < 0).any()) or bool(((baseline.sum(dim=-1) - 1).abs() > 1e-6).any()):
            raise BadValue("baseline", "rows that are no distribution", "at least 0 with sum 1")
        runs, horizon, states, actions = rewards.shape
        self.rewards, self.baseline = rewards.double(), baseline.double()
        self.floor = torch.as_tensor(floor, dtype=torch.float64, device=rewards.device).expand(runs)
        if baseline_value is not None and bool((self.floor > baseline_value).any()):
            run = int((self.floor > baseline_value).nonzero()[0])
            value = float(baseline_value.expand(runs)[run])
            raise BadValue(f"floor[{run}]", float(self.floor[run]), f"at most the baseline's value {value:g}")
        self.known = baseline_value if baseline_value is not None else baseline_bound
        self.rule = SafeMix(form)
        self.confidence = confidence or Confidence()
        self.start, self.ties = start, ties
        self.prefixes = tuple(range(horizon + 1)) if form == "step" else (0, horizon)
        self.seen = TransitionCounts(runs, horizon, states, actions, rewards.device)

    def plan(self, coin: Tensor | None = None) -> SafePlan:
        """coin: [B] uniform draws in (0, 1), for EpsMix. Raises: BadValue where EpsMix gets none."""
        bounds = optimistic(self.seen, self.rewards, self.confidence, self.baseline, self.prefixes, self.ties)
        lower = bounds.lower[:, self.start]
        if self.known is not None:
            lower = torch.cat([lower[:, :-1], torch.maximum(lower[:, -1], self.known).unsqueeze(-1)], dim=-1)
        mixture = self.rule.mix(lower, self.floor)
        if self.rule.form == "eps":
            if coin is None:
                raise BadValue("coin", None, "uniform draws [B]: EpsMix throws one for each episode")
            weight = (mixture.picked(coin) == mixture.safe).double()
        else:
            weight = mixture.rho
        row = weight.view(-1, 1, 1, 1)
        policy = row * _of(bounds.policies, mixture.safe) + (1.0 - row) * _of(bounds.policies, mixture.bold)
        return SafePlan(policy, mixture, bounds, lower)

    def observe(self, states: Tensor, actions: Tensor) -> None:
        """One episode of each run: states [B, H + 1] visited in turn, actions [B, H] taken."""
        self.seen.observe(states, actions)


def _of(policies: Tensor, place: Tensor) -> Tensor:
    """policies: [B, H, S, A, M], place: [B] -> [B, H, S, A]"""
    return policies[torch.arange(len(place), device=place.device), ..., place]
