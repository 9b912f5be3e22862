"""Requests that succeed or fail: a contextual bandit whose chances of success come from a random network.

    x ~ N(0, I_D),    f*(x, a) = 1 / (1 + exp(-(offset + spread g_a(x))))                        (1)
    g(x) = tanh(x W / sqrt(D) * 2 + c) V / sqrt(H),    entries of W, c, V ~ N(0, 1): the task of a block

Most requests succeed; which action succeeds most depends on x in a way that no linear model represents. With the
defaults (K = 6, each action but the first there with chance 0.7) the best action succeeds in about 94 % of requests,
an allowed one at random in about 72 %.

A policy that is frozen while it serves can be given many requests at once: `wave` draws those of the next clocks, the
same ones that stepping would show.

Source: our rendering of the payment setting of Vangara & Egg 2024 (arXiv 2412.00569), whose data are not public.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.worlds.contextual import ContextualBandit, expected_best
from wayfare.worlds.world import Law, Shown, number, uniform, whole

__all__ = ["SuccessBandit", "Wave"]

CONTEXTS = 8192  # sampled by the oracle


@dataclass(frozen=True)
class Wave:
    """T requests of each of N copies.

    contexts: [N, T, D]        allowed: [N, T, K] bool        chances: [N, T, K] the truth
    coins: [N, T] uniform: a request succeeds where its coin is below the chance of what is done
    """

    contexts: Tensor
    allowed: Tensor
    chances: Tensor
    coins: Tensor

    def outcomes(self, actions: Tensor) -> Tensor:
        """actions: [N, T] -> [N, T] float32, 1 for success."""
        return (self.coins < self.chances.gather(2, actions.unsqueeze(2)).squeeze(2)).float()


class SuccessBandit(ContextualBandit):
    """N bandits by (1). The observation holds x, [D], then the code where it is shown.

    arms: K        dimension: D        hidden: H        offset, spread: of (1)

    Raises: BadValue for the first argument out of range.
    """

    def __init__(
        self,
        num_envs: int = 1,
        arms: int = 6,
        dimension: int = 8,
        episodes: int | Sequence[int] | Tensor = 4000,
        *,
        hidden: int = 16,
        offset: float = 1.5,
        spread: float = 2.2,
        law: Law = "fixed",
        most_episodes: int | None = None,
        boundary: Shown = "hidden",
        device: str | torch.device = "cpu",
    ) -> None:
        whole("arms", arms, 1)
        whole("dimension", dimension, 1)
        whole("hidden", hidden, 1)
        self.dimension, self.hidden = dimension, hidden
        self.offset, self.spread = number("offset", offset), number("spread", spread, 0.0)
        super().__init__(
            num_envs,
            arms,
            columns=dimension,
            episodes=episodes,
            family="bernoulli",
            noise_sd=0.0,
            low=-7.0,
            high=7.0,
            lanes=max(dimension, (dimension + 1 + arms) * hidden),
            law=law,
            most_episodes=most_episodes,
            boundary=boundary,
            device=device,
        )
        self.reward_bound = 1.0
        on: dict[str, Any] = {"dtype": torch.float64, "device": self.device}
        self._in = torch.zeros(num_envs, dimension, hidden, **on)
        self._bias = torch.zeros(num_envs, 1, hidden, **on)
        self._out = torch.zeros(num_envs, hidden, arms, **on)

    def chances(self, contexts: Tensor) -> Tensor:
        """The chances of (1): contexts [N, T, D] -> [N, T, K] float64."""
        inner = (contexts.double() @ self._in * (2.0 / self.dimension**0.5) + self._bias).tanh()
        chances: Tensor = (self.offset + self.spread * (inner @ self._out) / self.hidden**0.5).sigmoid()
        return chances

    def wave(self, first: int, count: int, there: Sequence[float] | None = None) -> Wave:
        """Requests at the clocks first .. first + count - 1, as stepping would show them; the clock stays.

        there: [K] chance that each action is allowed, as `ActionSets` would draw it; None: all always are

        Raises: BadValue for a count below 1.
        """
        whole("count", count, 1)
        clocks = torch.arange(first, first + count, device=self.device).view(-1, 1, 1)
        drawn = self._at(clocks, "context", _normal, self.dimension)
        contexts = drawn.permute(2, 0, 1).float()
        coins = self._at(clocks, "reward noise", uniform, 1)[:, 0].t().float().clamp(max=1.0 - 2.0**-24)
        allowed = torch.ones(self.num_envs, count, self.num_actions, dtype=torch.bool, device=self.device)
        if there is not None:
            limit = torch.tensor(list(there), dtype=torch.float64, device=self.device)
            allowed = self._at(clocks, "allowed", uniform, self.num_actions).permute(2, 0, 1) < limit
        return Wave(contexts, allowed, self.chances(contexts), coins)

    def oracle_among(self, chance: Tensor) -> Tensor:
        """[N] See `ContextualBandit`: the mean over 8192 sampled contexts, standard error below 0.002."""
        index = torch.arange(CONTEXTS, device=self.device).unsqueeze(1)
        x = Stream(0, "contexts of the oracle").normal(index, 0, torch.arange(self.dimension, device=self.device))
        best = [expected_best(of, chance.double()).mean() for of in self.chances(x.expand(self.num_envs, -1, -1))]
        return torch.stack(best).float()

    def _task(self, rows: Tensor | None) -> None:
        d, h, k = self.dimension, self.hidden, self.num_actions
        drawn = self._drawn("task", _normal, rows, lanes=(d + 1 + k) * h).t()
        parts = drawn.split([d * h, h, h * k], dim=1)
        for table, part, shape in zip((self._in, self._bias, self._out), parts, ((d, h), (1, h), (h, k)), strict=True):
            fresh = part.reshape(-1, *shape).double()
            if rows is None:
                table.copy_(fresh)
            else:
                table[rows] = fresh

    def _next(self) -> Tensor:
        x = self._drawn("context", _normal, None, lanes=self.dimension).t().float()
        self._values = self.chances(x.unsqueeze(1)).squeeze(1)
        return x

    def _at(self, clocks: Tensor, name: str, draw: Any, lanes: int) -> Tensor:
        """[T, lanes, N] draws at many clocks."""
        assert self._seed is not None
        stream = Stream(self._seed if self._one_seed is None else self._one_seed, name)
        drawn: Tensor = draw(stream, self._copy, clocks, self._lanes[:lanes])
        return drawn


def _normal(stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
    z: Tensor = stream.normal(copy, clock, lane)
    return z
