"""What memory teaches a planner about two kinds of worlds, and the plans that follow: mean, optimistic, sampled.

CountBelief     transitions counted, rewards known: Dirichlet posterior
RuleBelief      deterministic moves with known slips, the rules one of a finite class

mean            plan in the posterior mean of the snapshot
optimistic      the same, and a bonus: scale / sqrt(n(s, a)) on counts, on rules scale times the chance that the
                move ends elsewhere than its likeliest end
sampled         plan in one draw from the snapshot
extended        plan in the best plausible model: an L1 ball of radius scale * sqrt(14 S log(2 A t) / n) around the
                empirical rows; on rules the hypothesis worth most at the start among those with at least 5 % of the
                weight of the likeliest
"""

from __future__ import annotations

import math
from typing import Literal, Protocol

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.learn.lookahead import extended, lookahead
from wayfare.learn.posterior import DirichletCounts, HypothesisPosterior

__all__ = ["Belief", "CountBelief", "Form", "RuleBelief"]

Form = Literal["mean", "optimistic", "sampled", "extended"]
PLAUSIBLE = 0.05
CHANGED = 1e-9


class Belief(Protocol):
    """What is believed in B runs, now and in the snapshot."""

    def observe(self, state: Tensor, actions: Tensor, reached: Tensor, reward: Tensor) -> Tensor:
        """Take in a real transition of each run; [B] bool, where the belief changed."""
        ...

    def moved(self) -> Tensor:
        """[B] bool: where it has parted from the snapshot by about one bit."""
        ...

    def diverged(self, bits: float) -> Tensor:
        """[B] bool: where now is more than so many bits away from the snapshot."""
        ...

    def refresh(self, rows: Tensor) -> None:
        """Snapshots of these runs."""
        ...

    def plan(self, rows: Tensor, form: Form, depth: int, step: int) -> tuple[Tensor, Tensor]:
        """Q [n, S, A] of `depth` in the snapshots of `rows`, and the transitions [n, S, A, S] that were planned in."""
        ...


class CountBelief:
    """Dirichlet counts with known rewards, for processes without an end.

    rewards: [S, A]        seeds: [B], of the posterior draws        scale: of the bonus or of the radius
    prior: pseudo-count of each successor        discount: of plans
    """

    def __init__(
        self, rewards: Tensor, seeds: Tensor, *, scale: float = 0.1, prior: float = 1.0, discount: float = 0.99
    ) -> None:
        if not 0 <= scale < math.inf:
            raise BadValue("scale", scale, "finite and at least 0")
        self.rewards, self.seeds, self.scale, self.discount = rewards.double(), seeds, scale, discount
        states, actions = rewards.shape
        self.counts = DirichletCounts(len(seeds), states, actions, prior)
        self._always = torch.ones(len(seeds), dtype=torch.bool)
        self.moved, self.refresh = self.counts.moved, self.counts.refresh

    def observe(self, state: Tensor, actions: Tensor, reached: Tensor, reward: Tensor) -> Tensor:
        """See `Belief`."""
        self.counts.observe(state, actions, reached)
        return self._always

    def diverged(self, bits: float) -> Tensor:
        """Raises: BadValue: there is no such number for counts here."""
        raise BadValue("renewal", "divergence", "another with counts: it is for finite classes")

    def plan(self, rows: Tensor, form: Form, depth: int, step: int) -> tuple[Tensor, Tensor]:
        """See `Belief`."""
        rewards = self.rewards.expand(len(rows), -1, -1)
        visits = self.counts.held_visits[rows]
        if form == "extended":
            states, actions = self.rewards.shape
            n = visits.clamp(min=1.0)
            seen = self.counts.held[rows] / n.unsqueeze(-1)
            mean = torch.where((visits > 0).unsqueeze(-1), seen, 1.0 / states)
            radius = self.scale * (14 * states * math.log(2 * actions * max(step, 1) + 1) / n).sqrt()
            return extended(mean, rewards, radius.clamp(max=2.0), depth, self.discount), mean
        sampled = form == "sampled"
        model = self.counts.sample(rows, self.seeds[rows], step) if sampled else self.counts.mean(rows)
        if form == "optimistic":
            rewards = rewards + self.scale / visits.clamp(min=1.0).sqrt()
        return lookahead(model, rewards, depth, self.discount), model


class RuleBelief:
    """A finite class of rules for a grid with slips; entering the goal pays 1 and leads to the start.

    next_cell: [B, H, S, A] int64        goals: [B, H] int64        slip: chance of a random direction
    seeds: [B], of the posterior draws        scale: of the bonus        discount: of plans
    """

    def __init__(
        self, next_cell: Tensor, goals: Tensor, slip: float, seeds: Tensor, *, start: int = 0, scale: float = 0.1,
        discount: float = 0.95,
    ) -> None:  # fmt: skip
        if not 0 <= scale < math.inf:
            raise BadValue("scale", scale, "finite and at least 0")
        self.next_cell, self.goals, self.slip, self.seeds = next_cell, goals, slip, seeds
        self.start, self.scale, self.discount = start, scale, discount
        runs, hypotheses, self.states, self.actions = next_cell.shape
        self.posterior = HypothesisPosterior(torch.ones(runs, hypotheses))
        self.moved, self.diverged = self.posterior.moved, self.posterior.diverged
        self.refresh = self.posterior.refresh
        self._rows = torch.arange(runs)
        flat = next_cell.view(runs, hypotheses, -1)
        self._enters = (flat == goals.unsqueeze(2)).double()
        pairs = torch.arange(self.states * self.actions) * self.states
        self._place = pairs + flat.masked_fill(self._enters.bool(), start)
        self._worth: Tensor | None = None

    def observe(self, state: Tensor, actions: Tensor, reached: Tensor, reward: Tensor) -> Tensor:
        """See `Belief`. Raises: BadValue naming the transition that no hypothesis allows."""
        ends = self.next_cell[self._rows, :, state] == reached.view(-1, 1, 1)  # [B, H, A]
        chosen = ends[self._rows, :, actions].double()
        likelihood = (1 - self.slip) * chosen + self.slip * ends.double().mean(dim=2)
        met = self.goals == reached.unsqueeze(1)
        before = self.posterior.weights
        self.posterior.update(
            likelihood * (met == (reward > 0).unsqueeze(1)),
            lambda run: (
                f"run {run}: cell {int(state[run])}, action {int(actions[run])} -> cell {int(reached[run])}, "
                f"reward {float(reward[run]):g}"
            ),
        )
        return (self.posterior.weights - before).abs().amax(dim=1) > CHANGED

    def plan(self, rows: Tensor, form: Form, depth: int, step: int) -> tuple[Tensor, Tensor]:
        """See `Belief`."""
        weights = self.posterior.held[rows]
        if form == "sampled":
            u = Stream(self.seeds[rows], "posterior").uniform(torch.zeros_like(rows), step)
            weights = torch.nn.functional.one_hot(self.posterior.sample(rows, u), weights.shape[1]).double()
        elif form == "extended":
            worth = self._values()[rows].masked_fill(weights < PLAUSIBLE * weights.amax(dim=1, keepdim=True), -math.inf)
            weights = torch.nn.functional.one_hot(worth.argmax(dim=1), weights.shape[1]).double()
        n, pairs = len(rows), self.states * self.actions
        sure = weights.new_zeros(n, pairs * self.states)
        sure.scatter_add_(1, self._place[rows].view(n, -1), weights.unsqueeze(2).expand(-1, -1, pairs).reshape(n, -1))
        sure = sure.view(n, self.states, self.actions, self.states)
        enters = (weights.unsqueeze(1) @ self._enters[rows]).view(n, self.states, self.actions)
        model = (1 - self.slip) * sure + self.slip * sure.mean(dim=2, keepdim=True)
        rewards = (1 - self.slip) * enters + self.slip * enters.mean(dim=2, keepdim=True)
        if form == "optimistic":
            rewards = rewards + self.scale * (1 - sure.amax(dim=3))
        return lookahead(model, rewards, depth, self.discount), model

    def _values(self) -> Tensor:
        """[B, H] what the start is worth under each hypothesis, looking far ahead."""
        if self._worth is None:
            shape = self._enters.shape
            moves = (self._place - torch.arange(shape[2]) * self.states).view(-1, shape[2])
            enters = self._enters.view(-1, shape[2])
            value = enters.new_zeros(len(enters), self.states)
            for _ in range(120):
                sure = (enters + self.discount * value.gather(1, moves)).view(-1, self.states, self.actions)
                value = (1 - self.slip) * sure.amax(dim=2) + self.slip * sure.mean(dim=2)
            self._worth = value[:, self.start].reshape(shape[:2])
        return self._worth
