"""What is believed of a world after what was seen, exactly, and when that has moved far enough to think again.

    HypothesisPosterior     weights over a finite class: w_h <- w_h p(observed | h) / sum                            (1)
    DirichletCounts         P(. | s, a) ~ Dirichlet(prior + counts), independent for each state and action           (2)

Both keep a *snapshot*, the belief that plans are made from, beside the belief as it is now. `moved` says in which runs
the two have parted by about one bit:

    finite class    H(snapshot) - H(now) > log 2                                                                     (3)
    counts          n(s, a) - n_snapshot(s, a) >= max(1, n_snapshot(s, a)) for some s, a: it has doubled             (4)

(3) can never be met again once H(snapshot) <= log 2, however wrong the likelier of two hypotheses turns out: whoever
plans from the snapshot must renew it on other occasions as well, as at a failed episode's end. `diverged` is ours and
has no such blind end:

    finite class    sum_h w_h log(w_h / w_snapshot_h) > bits * log 2                                                 (5)

B runs side by side, float64.

Sources: (3) Liu et al. 2023 (arXiv 2309.17382), as recalled; (4) Jaksch, Ortner & Auer 2010, UCRL2.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue

__all__ = ["DirichletCounts", "HypothesisPosterior", "entropy"]


def entropy(weights: Tensor) -> Tensor:
    """[...] in nats, of weights [..., H] that sum to 1; 0 log 0 = 0."""
    bits: Tensor = torch.special.xlogy(weights, weights).sum(dim=-1)
    return -bits


class HypothesisPosterior:
    """(1) and (3) for B runs.

    prior: [B, H], at least 0 with a positive sum; normalised here

    weights, held: [B, H] now, and in the snapshot
    Raises: BadValue for a prior that is none.
    """

    def __init__(self, prior: Tensor) -> None:
        prior = prior.double()
        if prior.dim() != 2 or not bool((prior >= 0).all()) or not bool((prior.sum(dim=1) > 0).all()):
            raise BadValue("prior", list(prior.shape), "[B, H], at least 0 with a positive sum in each row")
        self.weights = prior / prior.sum(dim=1, keepdim=True)
        self.held = self.weights.clone()

    def update(self, likelihood: Tensor, transition: Callable[[int], str] = str) -> None:
        """likelihood: [B, H] of what was seen; transition: names that of a run, for the error.

        Raises: BadValue naming the transition of the first run in which no hypothesis allows it; nothing is changed.
        """
        weights = self.weights * likelihood
        total = weights.sum(dim=1, keepdim=True)
        if not bool((total > 0).all()):
            run = int((~(total > 0)).nonzero()[0, 0])
            raise BadValue("transition", transition(run), "possible under a hypothesis of positive weight")
        self.weights = weights / total

    def moved(self) -> Tensor:
        """[B] bool: (3)."""
        return entropy(self.held) - entropy(self.weights) > math.log(2.0)

    def diverged(self, bits: float) -> Tensor:
        """[B] bool: (5)."""
        ratio = self.weights / self.held.clamp(min=1e-300)
        gone: Tensor = torch.special.xlogy(self.weights, ratio).sum(dim=1)
        return gone > bits * math.log(2.0)

    def refresh(self, rows: Tensor) -> None:
        """The snapshot of these runs (indices or mask) becomes what is believed now."""
        self.held[rows] = self.weights[rows]

    def sample(self, rows: Tensor, uniform: Tensor) -> Tensor:
        """int64 [n] hypotheses drawn from the snapshots of `rows` by uniforms [n] in (0, 1)."""
        edges = self.held[rows].cumsum(dim=1)
        return (uniform.unsqueeze(1) * edges[:, -1:] >= edges[:, :-1]).sum(dim=1)


class DirichletCounts:
    """(2) and (4) for B runs.

    prior: pseudo-count of each successor, above 0

    counts, held: [B, S, A, S] now, and in the snapshot
    Raises: BadValue for a prior not above 0.
    """

    def __init__(self, runs: int, states: int, actions: int, prior: float = 1.0) -> None:
        if not 0 < prior < math.inf:
            raise BadValue("prior", prior, "finite and above 0")
        self.prior = prior
        self.counts = torch.zeros(runs, states, actions, states, dtype=torch.float64)
        self.held = self.counts.clone()
        self.visits = self.counts.sum(dim=-1)
        self.held_visits = self.visits.clone()
        self._runs = torch.arange(runs)
        self._moved = torch.zeros(runs, dtype=torch.bool)

    def observe(self, states: Tensor, actions: Tensor, reached: Tensor) -> None:
        """One transition of each run: [B] int64 each."""
        self.counts[self._runs, states, actions, reached] += 1.0
        self.visits[self._runs, states, actions] += 1.0
        before = self.held_visits[self._runs, states, actions]
        self._moved |= self.visits[self._runs, states, actions] - before >= before.clamp(min=1.0)

    def moved(self) -> Tensor:
        """[B] bool: (4)."""
        return self._moved.clone()

    def refresh(self, rows: Tensor) -> None:
        """The snapshot of these runs (indices or mask) becomes what is believed now."""
        self.held[rows], self.held_visits[rows] = self.counts[rows], self.visits[rows]
        self._moved[rows] = False

    def mean(self, rows: Tensor) -> Tensor:
        """[n, S, A, S] posterior mean of the snapshots."""
        weight = self.held[rows] + self.prior
        return weight / weight.sum(dim=-1, keepdim=True)

    def sample(self, rows: Tensor, seeds: Tensor, step: int) -> Tensor:
        """[n, S, A, S] one draw from each snapshot, by the stream "posterior" of the run's seed [n] at `step`."""
        weight = self.held[rows] + self.prior
        size = weight[0].numel()
        lane = torch.arange(size).expand(len(weight), -1)
        stream = Stream(seeds.unsqueeze(1), "posterior")
        log = stream.log_gamma(weight.reshape(-1, size), torch.zeros_like(lane), step, lane).view(weight.shape)
        drawn: Tensor = torch.softmax(log, dim=-1)
        return drawn
