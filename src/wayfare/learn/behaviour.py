"""Who plays while the learner learns: an epsilon for each block, and scripted players that cost no network.

"Greedy" names the objective and the test; training data need coverage. Half of the copies follow the network with an
epsilon that is drawn for each sequence, from U(0, 1) at first and from 0.5 u^3 at last. The others follow a script,
drawn for each sequence too: uniform, sticky (mostly repeats its last action) or noisy myopic (the best mean reward so
far, plus noise).

Source: epsilon and scripts are ours, after the mixed-quality behaviour of arXiv 2501.14176.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

__all__ = ["Script", "epsilon"]


def epsilon(uniform: Tensor, progress: float) -> Tensor:
    """uniform: draws in (0, 1)    progress: share of training done, 0 to 1    returns: the share of random actions."""
    late = min(1.0, 2.0 * progress)
    return (1.0 - late) * uniform + late * 0.5 * uniform**3


class Script:
    """Scripted players of `copies` sequences.

    kind: [...] draws in (0, 1) that choose the script    strength: [...] draws in (0, 1): stickiness or noise
    actions: A
    """

    def __init__(self, kind: Tensor, strength: Tensor, actions: int) -> None:
        self._actions = actions
        self._sticky = (kind > 1 / 4) & (kind < 1 / 2)
        self._myopic = kind >= 1 / 2
        self._stay = 0.5 + 0.5 * strength
        self._noise = strength.unsqueeze(-1)
        self._pulls = kind.new_zeros(*kind.shape, actions)
        self._sums = torch.zeros_like(self._pulls)

    def act(self, last: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
        """last: [...] previous actions    uniform: [..., 2]    normal: [..., A]    returns: [...] int64 actions."""
        random = (uniform[..., 0] * self._actions).long().clamp_(max=self._actions - 1)
        stays = self._sticky & (uniform[..., 1] < self._stay)
        myopic = (self._sums / (self._pulls + 1.0) + self._noise * normal).argmax(dim=-1)
        return torch.where(self._myopic, myopic, torch.where(stays, last, random))

    def observe(self, action: Tensor, reward: Tensor, start: Tensor) -> None:
        """Count a step; where `start`, the next episode of memory begins and the counts are forgotten."""
        chosen = one_hot(action, self._actions).to(self._pulls.dtype)
        kept = (~start).to(chosen.dtype).unsqueeze(-1)
        self._pulls.add_(chosen).mul_(kept)
        self._sums.add_(chosen * reward.unsqueeze(-1)).mul_(kept)
