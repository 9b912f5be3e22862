"""Action values of a history: tokens -> memory network -> one linear head, S rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from wayfare.learn.tokens import Tokens
from wayfare.networks import MemoryNetwork
from wayfare.networks.stacked import Linear

__all__ = ["ValueNetwork"]


class ValueNetwork(nn.Module):
    """Q(h_t, .) for each action.

    tokens: how a decision is written down
    memory: a memory network of `tokens.width` inputs and `width` outputs
    width: W
    seeds: [S], initial weights of the head
    """

    def __init__(self, tokens: Tokens, memory: MemoryNetwork, width: int, seeds: Sequence[int]) -> None:
        super().__init__()
        self.tokens = tokens
        self.memory = memory
        self.head = Linear(width, tokens.actions, seeds=seeds)

    def initial_state(self, batch: int) -> Any:
        """State of an empty memory for `batch` copies of each row."""
        return self.memory.initial_state(batch)

    def forward(self, token: Tensor, state: Any, start: Tensor) -> tuple[Tensor, Any]:
        """token: [S, T, B, D]    start: [S, T, B] bool    returns: q [S, T, B, A] and the state after."""
        hidden, state = self.memory(token, state, start)
        return self.head(hidden), state

    def sequence(self, token: Tensor, start: Tensor) -> Tensor:
        """q [S, T, B, A] of whole sequences that begin with an empty memory."""
        values: Tensor = self(token, self.initial_state(token.shape[2]), start)[0]
        return values
