"""No memory: each decision is seen alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from wayfare.networks.stacked import MLP, LayerNorm, Linear

__all__ = ["FeedForward", "NoState"]


@dataclass
class NoState:
    """Nothing is remembered."""


class FeedForward(nn.Module):
    """x <- Linear(x); x <- x + MLP(LN x) a layer: the transformer without its attention.

    inputs, width: D and W    seeds: [S]    layers: depth
    """

    def __init__(self, inputs: int, width: int, seeds: Sequence[int], *, layers: int = 1) -> None:
        super().__init__()
        self.enter = Linear(inputs, width, seeds=seeds, name="enter")
        self.think = nn.ModuleList(MLP(width, 2 * width, seeds=seeds, name=f"think{i}") for i in range(layers))
        self.norms = nn.ModuleList(LayerNorm(width, len(seeds)) for _ in range(layers + 1))

    def initial_state(self, batch: int) -> NoState:
        """Nothing, whatever the batch."""
        return NoState()

    def forward(self, x: Tensor, state: NoState, start: Tensor | None = None) -> tuple[Tensor, NoState]:
        """x: [S, T, B, D] -> [S, T, B, W]."""
        y = self.enter(x)
        for think, norm in zip(self.think, self.norms, strict=False):
            y = y + think(norm(y))
        return self.norms[-1](y), state
