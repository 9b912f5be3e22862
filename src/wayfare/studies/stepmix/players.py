"""Who plays: each player says before an episode what it will do, and sees what came of it.

    Safe       StepMix and EpsMix; with a floor of 0 the unconstrained method
    Budget     optimistic whenever the certified sum of values so far keeps a floor on average
    Schedule   a coin of a weight fixed beforehand, switched off after some episodes

All are optimistic by the same bounds and learn from all that is played.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from wayfare.agents.safe_tabular import SafeTabular
from wayfare.explore.rules.safe_mix import Form
from wayfare.learn.tabular import Bounds, Confidence, Ties

__all__ = ["Budget", "Choice", "Player", "Safe", "Schedule"]


@dataclass(frozen=True)
class Choice:
    """What a player does in an episode.

    policy: [B, H, S, A] to act by, a coin once thrown
    mixed: None where the policy itself is what must clear the floor; else (weights [B, M]) of the candidates before the
        coin is thrown, whose mixture must
    baseline_share: [B] of the episode's steps, in expectation
    bounds: of the candidates
    """

    policy: Tensor
    mixed: Tensor | None
    baseline_share: Tensor
    bounds: Bounds


class Player(Protocol):
    """B runs of one way to play."""

    def choose(self, coin: Tensor) -> Choice:
        """coin: [B] uniform draws."""
        ...

    def observe(self, states: Tensor, actions: Tensor) -> None:
        """states [B, H + 1], actions [B, H] of the episode."""
        ...


class Safe:
    """StepMix, EpsMix, or neither (floor 0). Arguments: see `SafeTabular`."""

    def __init__(
        self,
        rewards: Tensor,
        baseline: Tensor,
        floor: Tensor,
        baseline_value: Tensor | None,
        form: Form,
        confidence: Confidence,
        *,
        baseline_bound: Tensor | None = None,
        ties: Ties = "first",
    ) -> None:
        self.agent = SafeTabular(
            rewards, baseline, floor, form=form, baseline_value=baseline_value, baseline_bound=baseline_bound,
            confidence=confidence, ties=ties,
        )  # fmt: skip
        self.observe = self.agent.observe

    def choose(self, coin: Tensor) -> Choice:
        """See `Player`."""
        plan = self.agent.plan(coin)
        mix = plan.mixture
        if self.agent.rule.form == "eps":
            return Choice(plan.policy, torch.stack([1 - mix.rho, mix.rho], dim=1), mix.rho, plan.bounds)
        share = (mix.bold + mix.rho * (mix.safe - mix.bold)) / self.agent.rewards.shape[1]
        return Choice(plan.policy, None, share, plan.bounds)


class Budget(Safe):
    """Plays the optimistic policy in episode k whenever sum_{i<k} certified_i + L_k >= k * floor, else the baseline.

    certified_i is the lower bound with which the optimistic policy was played, or V^b. The floor then holds for the
    mean of the episodes so far, and for none of them.

    Source: the accounting of conservative bandits, Wu et al. 2016 (arXiv 1602.04282), and of Garcelon et al. 2020
    (arXiv 2002.03218), per episode.
    """

    def __init__(
        self, rewards: Tensor, baseline: Tensor, floor: Tensor, baseline_value: Tensor, confidence: Confidence
    ) -> None:
        super().__init__(rewards, baseline, torch.zeros_like(floor), None, "eps", confidence)
        self.floor, self.value = floor, baseline_value
        self.certified = torch.zeros_like(floor)
        self.played = 0

    def choose(self, coin: Tensor) -> Choice:
        """See `Player`."""
        found = super().choose(coin)
        self.played += 1
        lower = found.bounds.lower[:, self.agent.start, 0]
        bold = self.certified + lower >= self.played * self.floor
        self.certified = self.certified + torch.where(bold, lower, self.value)
        policy = torch.where(bold.view(-1, 1, 1, 1), found.policy, self.agent.baseline)
        return Choice(policy, None, (~bold).double(), found.bounds)


class Schedule(Safe):
    """The baseline with chance `weight` in the first `until` episodes, the optimistic policy in all others.

    weight, until: [B]
    """

    def __init__(
        self, rewards: Tensor, baseline: Tensor, weight: Tensor, until: Tensor, confidence: Confidence
    ) -> None:
        super().__init__(rewards, baseline, torch.zeros_like(weight), None, "eps", confidence)
        self.weight, self.until, self.played = weight, until, 0

    def choose(self, coin: Tensor) -> Choice:
        """See `Player`."""
        found = super().choose(coin)
        rho = self.weight * (self.played < self.until)
        self.played += 1
        policy = torch.where((coin < rho).view(-1, 1, 1, 1), self.agent.baseline, found.policy)
        return Choice(policy, torch.stack([1 - rho, rho], dim=1), rho, found.bounds)
