"""Who plays while the learner learns: an epsilon for each block, and scripted players that cost no network.

"Greedy" names the objective and the test; training data need coverage. Half of the copies follow the network with an
epsilon that is drawn for each sequence, from U(0, 1) at first and from 0.5 u^3 at last. The others follow a script,
drawn for each sequence too: uniform, sticky (mostly repeats its last action), noisy myopic (the best mean reward so
far, plus noise) or repeating (mostly does again what the best paid episode did: win-stay, for episodes of any length).

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
    """Scripted players, a script for each sequence.

    kind: [...] draws in (0, 1) that choose the script: a quarter each is uniform, sticky, noisy myopic, repeating
    strength: [...] draws in (0, 1): stickiness, noise, faithfulness
    actions: A
    longest: actions of an episode that a repeating player keeps
    """

    def __init__(self, kind: Tensor, strength: Tensor, actions: int, longest: int = 1) -> None:
        self._actions = actions
        self._sticky = (kind > 1 / 4) & (kind < 1 / 2)
        self._myopic = (kind >= 1 / 2) & (kind < 3 / 4)
        self._repeats = kind >= 3 / 4
        self._stay = 0.5 + 0.5 * strength
        self._noise = strength.unsqueeze(-1)
        self._pulls = kind.new_zeros(*kind.shape, actions)
        self._sums = torch.zeros_like(self._pulls)
        self._episode = _Episodes(kind, longest)

    def act(self, last: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
        """last: [...] previous actions    uniform: [..., 2]    normal: [..., A]    returns: [...] int64 actions."""
        random = (uniform[..., 0] * self._actions).long().clamp_(max=self._actions - 1)
        faithful = uniform[..., 1] < self._stay
        myopic = (self._sums / (self._pulls + 1.0) + self._noise * normal).argmax(dim=-1)
        best, known = self._episode.repeat()
        action = torch.where((self._sticky | (self._repeats & ~known)) & faithful, last, random)
        action = torch.where(self._repeats & known & faithful, best, action)
        return torch.where(self._myopic, myopic, action)

    def observe(self, action: Tensor, reward: Tensor, start: Tensor, ended: Tensor | None = None) -> None:
        """Count a step.

        start: [...] True where the next episode of memory begins and all is forgotten
        ended: [...] True where an inner episode ended; None: everywhere, as in a bandit
        """
        chosen = one_hot(action, self._actions).to(self._pulls.dtype)
        kept = (~start).to(chosen.dtype).unsqueeze(-1)
        self._pulls.add_(chosen).mul_(kept)
        self._sums.add_(chosen * reward.unsqueeze(-1)).mul_(kept)
        self._episode.observe(action, reward, start, torch.ones_like(start) if ended is None else ended)


class _Episodes:
    """The best paid episode of each sequence's memory, by its actions."""

    def __init__(self, like: Tensor, longest: int) -> None:
        self._now = torch.zeros(*like.shape, longest, dtype=torch.int64, device=like.device)
        self._best = torch.zeros_like(self._now)
        self._place = torch.zeros(like.shape, dtype=torch.int64, device=like.device)  # steps into the episode
        self._length = torch.zeros_like(self._place)  # of the best one
        self._paid = torch.zeros_like(like)
        self._most = torch.full_like(like, -torch.inf)
        self._least = torch.zeros_like(like)

    def repeat(self) -> tuple[Tensor, Tensor]:
        """What the best episode did at this place, and whether there is one that paid more than another, or than 0."""
        place = self._place.clamp(max=self._now.shape[-1] - 1).unsqueeze(-1)
        return self._best.gather(-1, place).squeeze(-1), (self._most > self._least) & (self._place < self._length)

    def observe(self, action: Tensor, reward: Tensor, start: Tensor, ended: Tensor) -> None:
        place = self._place.clamp(max=self._now.shape[-1] - 1).unsqueeze(-1)
        self._now.scatter_(-1, place, action.unsqueeze(-1))
        self._place += 1
        self._paid += reward
        better = ended & (self._paid > self._most)
        self._best = torch.where(better.unsqueeze(-1), self._now, self._best)
        self._length = torch.where(better, self._place, self._length)
        self._most = torch.where(better, self._paid, self._most)
        self._least = torch.where(ended, torch.minimum(self._least, self._paid), self._least)
        self._place.masked_fill_(ended | start, 0)
        self._paid.masked_fill_(ended | start, 0.0)
        self._most.masked_fill_(start, -torch.inf)
        self._least.masked_fill_(start, 0.0)
