"""A policy and its value over one memory network: tokens -> memory network -> two linear heads, S rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wayfare.errors import BadValue
from wayfare.learn.tokens import Tokens
from wayfare.networks import MemoryNetwork
from wayfare.networks.feedforward import NoState
from wayfare.networks.recurrent import RecurrentState
from wayfare.networks.stacked import Linear
from wayfare.networks.transformer import TransformerState
from wayfare.networks.window import WindowState

__all__ = ["PolicyNetwork", "pick_copies", "pick_memory"]


class PolicyNetwork(nn.Module):
    """Log-probabilities of actions and the value of a history.

    tokens: how a decision is written down
    memory: a memory network of `tokens.width` inputs and `width` outputs
    width: W
    seeds: [S], initial weights of the heads; the policy starts near uniform
    """

    def __init__(self, tokens: Tokens, memory: MemoryNetwork, width: int, seeds: Sequence[int]) -> None:
        super().__init__()
        self.tokens = tokens
        self.memory = memory
        self.actor = Linear(width, tokens.actions, seeds=seeds, name="actor")
        self.critic = Linear(width, 1, seeds=seeds, name="critic")
        with torch.no_grad():
            self.actor.weight.mul_(0.01)
            self.actor.bias.zero_()
            self.critic.bias.zero_()

    def initial_state(self, batch: int) -> Any:
        """State of an empty memory for `batch` copies of each row."""
        return self.memory.initial_state(batch)

    def forward(self, token: Tensor, state: Any, start: Tensor) -> tuple[Tensor, Tensor, Any]:
        """Decide.

        token: [S, T, B, D]
        start: [S, T, B] bool
        returns: log-probabilities [S, T, B, A], values [S, T, B] and the state after
        """
        hidden, state = self.memory(token, state, start)
        return self.actor(hidden).log_softmax(dim=-1), self.critic(hidden).squeeze(-1), state


def pick_copies(x: Tensor, pick: Tensor) -> Tensor:
    """x: [S, T, B, ...]    pick: [S, M] copies of each row    returns: [S, T, M, ...]"""
    rows = torch.arange(pick.shape[0], device=pick.device).unsqueeze(1)
    return x.movedim(2, 1)[rows, pick].movedim(1, 2)


def pick_memory(state: Any, pick: Tensor) -> Any:
    """The state of some copies. pick: [S, M] copies of each row.

    Raises: BadValue for a state of no memory network of ours.
    """
    rows = torch.arange(pick.shape[0], device=pick.device).unsqueeze(1)
    if isinstance(state, NoState):
        return state
    if isinstance(state, RecurrentState):
        return RecurrentState(state.hidden[:, rows, pick], state.cell[:, rows, pick])
    if isinstance(state, TransformerState):
        keys, values = ([cache[rows, pick] for cache in caches] for caches in (state.keys, state.values))
        return TransformerState(keys, values, state.begin[rows, pick], state.step)
    if isinstance(state, WindowState):
        return WindowState(pick_copies(state.x, pick), pick_copies(state.start, pick), state.seen)
    raise BadValue("state", type(state).__name__, "the state of a memory network")
