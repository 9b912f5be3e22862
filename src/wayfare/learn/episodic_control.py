"""Episodic control with cases as actions: the value of a case in a state is what it was worth in states like it.

    Q_EC(s, c; theta) = sum_{(s', Q') in D_c} k_theta(s, s') Q' / sum_{(s', Q') in D_c} k_theta(s, s')            (1)
    k_theta(s, s')    = exp(-|theta (s - s')|^2)                                                                  (2)

D_c are the latest pairs that were written for case c. theta is a linear map, trained by the squared TD error against a
slowly copied target; with theta = identity / bandwidth it is a kernel in the raw state space. A case without pairs has
the value `prior`, which also counts as one pair at a distance where the kernel is `trust`: far from everything that was
seen the estimate returns to it, instead of to 0 / 0.

Source: (1) after Zhou et al. 2025 (arXiv 2508.16153), as recalled; neural episodic control, Pritzel et al. 2017 (arXiv
1703.01988). The Gaussian kernel (2) and the prior are our choice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wayfare.errors import BadValue
from wayfare.networks.stacked import initial

__all__ = ["EpisodicControl"]


class EpisodicControl(nn.Module):
    """S estimators over C cases.

    width: D of a state        features: of theta; None: theta is a fixed multiple of the identity
    bandwidth: distance, in the raw space, at which the kernel begins with e^-1        capacity: pairs of a case
    Raises: BadValue for a number out of range.
    """

    def __init__(
        self,
        width: int,
        cases: int,
        *,
        features: int | None = None,
        bandwidth: float = 1.0,
        capacity: int = 100,
        prior: float = 0.5,
        trust: float = 1e-3,
        seeds: Sequence[int] = (0,),
    ) -> None:
        super().__init__()
        for name, value in (("width", width), ("cases", cases), ("capacity", capacity), ("features", features or 1)):
            if value < 1:
                raise BadValue(name, value, "at least 1")
        if not bandwidth > 0 or not trust > 0:
            raise BadValue("bandwidth, trust", (bandwidth, trust), "above 0")
        rows = len(seeds)
        if features is None:
            self.register_buffer("theta", torch.eye(width).expand(rows, width, width) / bandwidth)
        else:
            bound = (3.0 / features) ** 0.5 / bandwidth  # distances keep their length in the mean
            self.theta = initial(list(seeds), "episodic control", (width, features), bound)
        self.prior, self.trust = prior, trust
        self.states: Tensor
        self.returns: Tensor
        self.written: Tensor
        self.register_buffer("states", torch.zeros(rows, cases, capacity, width))
        self.register_buffer("returns", torch.zeros(rows, cases, capacity))
        self.register_buffer("written", torch.zeros(rows, cases, dtype=torch.int64))

    @torch.no_grad()
    def write(self, state: Tensor, case: Tensor, value: Tensor) -> None:
        """One pair a row, over the oldest where the case is full. state: [S, D]    case: [S] int64    value: [S]"""
        rows = torch.arange(len(case))
        place = self.written[rows, case] % self.states.shape[2]
        self.states[rows, case, place] = state
        self.returns[rows, case, place] = value
        self.written[rows, case] += 1

    def forward(self, state: Tensor, case: Tensor, left_out: Tensor | None = None) -> Tensor:
        """(1) [S, B].

        state: [S, B, D]        case: [S, B] int64        left_out: [S, B] place of a pair that does not speak for
        itself, as theta is trained; -1 for none
        """
        rows = torch.arange(len(case)).unsqueeze(1)
        there = self.states[rows, case]  # [S, B, M, D]
        known = torch.arange(there.shape[2]) < self.written[rows, case].unsqueeze(2)
        if left_out is not None:
            known = known & (torch.arange(there.shape[2]) != left_out.unsqueeze(2))
        moved = torch.einsum("sbmd,sdf->sbmf", state.unsqueeze(2) - there, self.theta)
        kernel = torch.where(known, (-moved.square().sum(dim=-1)).exp(), 0.0)
        total = (kernel * self.returns[rows, case]).sum(dim=-1) + self.trust * self.prior
        found: Tensor = total / (kernel.sum(dim=-1) + self.trust)
        return found
