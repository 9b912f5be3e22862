"""A transformer that learns a world within its context: from the transitions remembered so far it says what a move
will do.

Token t holds the transition before it, the whole of it, and the question of now:

    x_t = [E(s_{t-1}, a_{t-1});  E(s_t, a_t);  F(s'_{t-1}, r_{t-1})]      (zeros for what is not there)             (1)

The move remembered and the move asked about share their embedding E: to find one by the other is then one linear map
for all moves, learned in a few hundred updates. Attention is causal and knows no positions: memory is a set. In
training a walk of T transitions is T questions, each with the walk so far as its memory. Afterwards many questions are
asked of one memory in one pass: question tokens carry no transition, see the memory and themselves, and not each other;
one more token carries the last transition. A walk alone never asks about a place where one is not, so that it must be
cut in training: what comes after the cut is asked of what came before it.

    WorldModel      next cell (logits), reward (logit of 1), value of a_t in s_t (logit of a number in [0, 1])
    Policy          logits of the action from the same tokens, a_t left out: reactive

Source: Vaswani et al. 2017, pre-norm of Xiong et al. 2020; in-context dynamics after Liu et al. 2023 (arXiv
2309.17382), where a language model does this in its prompt; layout ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, scaled_dot_product_attention

from wayfare.errors import BadValue

__all__ = ["Memory", "Policy", "WorldModel"]


@dataclass(frozen=True)
class Memory:
    """Transitions of N worlds: state, action, reached [N, M] int64, reward [N, M]; `size` [N] of them are there, the
    first ones; M may be 0."""

    state: Tensor
    action: Tensor
    reached: Tensor
    reward: Tensor
    size: Tensor


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.qkv, self.merge = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        n, t, width = x.shape
        q, k, v = self.qkv(self.norm(x)).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x = x + self.merge(seen.transpose(1, 2).reshape(n, t, width))
        return x + self.think(x)  # type: ignore[no-any-return]


class _InContext(nn.Module):
    """The trunk: tokens of (1) -> features.

    Raises: BadValue for a width that does not divide into parts and heads.
    """

    def __init__(self, cells: int, actions: int, width: int = 96, layers: int = 3, heads: int = 4) -> None:
        super().__init__()
        if width % 12 or width % heads:
            raise BadValue("width", width, f"a multiple of 12 and of {heads} heads")
        self.cells, self.actions, self.width = cells, actions, width
        self.where, self.what = nn.Embedding(cells, width // 4), nn.Embedding(actions, width // 12)
        self.led = nn.Linear(cells + 2, width // 3)
        self.layers = nn.ModuleList(_Layer(width, heads) for _ in range(layers))
        self.leave = nn.LayerNorm(width)

    def walk(
        self, state: Tensor, action: Tensor, reached: Tensor, reward: Tensor, *, asked: bool, cut: int | None = None
    ) -> Tensor:
        """Features [N, T, W] of walks; each argument [N, T].

        asked: whether a_t is part of the question
        cut: the step from which on the walk is only asked about, as `ask` does it: each question on its own, memory
            being the steps before the cut. The token of the cut itself holds the last of these and no question
        """
        before, move = self._before(state, action, reached, reward), self._move(state, action, asked)
        shifted = torch.cat([torch.zeros_like(before[:, :1]), before[:, :-1]], dim=1)
        mask = None
        if cut is not None:
            steps = torch.arange(state.shape[1])
            shifted = shifted * (steps <= cut).view(1, -1, 1)
            move = move * (steps != cut).view(1, -1, 1)
            mask = (steps <= steps.unsqueeze(1)) & ((steps <= cut) | (steps == steps.unsqueeze(1)))
        return self._through(torch.cat([shifted, move], dim=2), mask)

    def ask(self, memory: Memory, state: Tensor, action: Tensor, *, asked: bool) -> Tensor:
        """Features [N, Q, W] of the questions state, action [N, Q], each on its own, with the same memory."""
        n, kept = memory.state.shape
        before = self._before(memory.state, memory.action, memory.reached, memory.reward)
        nothing = torch.zeros(n, 1, before.shape[2])
        told = torch.cat([nothing, before, torch.zeros(n, state.shape[1], before.shape[2])], dim=1)
        move = self._move(memory.state, memory.action, asked)
        # the token after the last transition holds it and asks nothing; so do those behind it, which nobody sees
        there = torch.arange(kept + 1) < memory.size.unsqueeze(1)
        empty = torch.zeros(n, 1, move.shape[2])
        known = torch.cat([move, empty], dim=1) * there.unsqueeze(2)
        asking = torch.cat([known, self._move(state, action, asked)], dim=1)
        size = kept + 1 + state.shape[1]
        seen = torch.zeros(n, size, size, dtype=torch.bool)
        seen[:, :, : kept + 1] = (torch.arange(kept + 1) <= memory.size.unsqueeze(1)).unsqueeze(1)
        seen[:, : kept + 1, : kept + 1] &= torch.ones(kept + 1, kept + 1, dtype=torch.bool).tril()
        seen |= torch.eye(size, dtype=torch.bool)
        return self._through(torch.cat([told, asking], dim=2), seen.unsqueeze(1))[:, kept + 1 :]

    def _before(self, state: Tensor, action: Tensor, reached: Tensor, reward: Tensor) -> Tensor:
        told = torch.stack([reward.float(), torch.ones_like(reward, dtype=torch.float32)], dim=2)
        led = self.led(torch.cat([one_hot(reached, self.cells).float(), told], dim=2))
        return torch.cat([self._move(state, action, True), led], dim=2)

    def _move(self, state: Tensor, action: Tensor, asked: bool) -> Tensor:
        """E, without the action where it is not part of the question."""
        return torch.cat([self.where(state), self.what(action) * float(asked)], dim=2)

    def _through(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        for layer in self.layers:
            tokens = layer(tokens, mask)
        return self.leave(tokens)  # type: ignore[no-any-return]


class WorldModel(_InContext):
    """Predicts next cells, rewards and values; see the module. width, layers, heads: of the transformer."""

    def __init__(self, cells: int, actions: int, width: int = 96, layers: int = 3, heads: int = 4) -> None:
        super().__init__(cells, actions, width, layers, heads)
        self.head = nn.Linear(width, cells + 2)

    def loss(
        self, state: Tensor, action: Tensor, reached: Tensor, reward: Tensor, value: Tensor, cut: int | None = None
    ) -> Tensor:
        """Mean over questions of three cross-entropies; value: [N, T] targets in [0, 1], below 0 where there is none;
        cut: see `walk`."""
        out = self.head(self.walk(state, action, reached, reward, asked=True, cut=cut))
        if cut is not None:  # no question there
            out, reached, reward, value = (
                torch.cat([x[:, :cut], x[:, cut + 1 :]], dim=1) for x in (out, reached, reward, value)
            )
        where = nn.functional.cross_entropy(out[..., : self.cells].flatten(0, 1), reached.flatten())
        paid = nn.functional.binary_cross_entropy_with_logits(out[..., -2], reward.float())
        told = (value >= 0).float()
        worth = nn.functional.binary_cross_entropy_with_logits(out[..., -1], value.clamp(min=0), told)
        return where + paid + worth

    @torch.no_grad()
    def tables(self, memory: Memory) -> tuple[Tensor, Tensor, Tensor]:
        """What the memory says of every move: P(next) [N, S, A, S], P(reward) [N, S, A], value [N, S, A]."""
        n, pairs = len(memory.state), torch.arange(self.cells * self.actions)
        state = (pairs // self.actions).expand(n, -1)
        out = self.head(self.ask(memory, state, (pairs % self.actions).expand(n, -1), asked=True))
        shape = (n, self.cells, self.actions)
        where = out[..., : self.cells].softmax(dim=-1).view(*shape, self.cells)
        paid, worth = out[..., -2].sigmoid().view(shape), out[..., -1].sigmoid().view(shape)
        return where, paid, worth


class Policy(_InContext):
    """Acts reactively from memory and state; see the module."""

    def __init__(self, cells: int, actions: int, width: int = 96, layers: int = 3, heads: int = 4) -> None:
        super().__init__(cells, actions, width, layers, heads)
        self.head = nn.Linear(width, actions)

    def loss(self, state: Tensor, action: Tensor, reached: Tensor, reward: Tensor, value: Tensor) -> Tensor:
        """Mean cross-entropy of the actions taken; value: not read."""
        out = self.head(self.walk(state, action, reached, reward, asked=False))
        return nn.functional.cross_entropy(out.flatten(0, 1), action.flatten())

    @torch.no_grad()
    def logits(self, memory: Memory, state: Tensor) -> Tensor:
        """[N, A] for state [N], as the next step of a walk whose steps were those of the memory."""
        rows, more = torch.arange(len(state)), torch.zeros_like(state).unsqueeze(1)
        states = torch.cat([memory.state, more], dim=1)
        states[rows, memory.size] = state
        action, reached = (torch.cat([x, more], dim=1) for x in (memory.action, memory.reached))
        reward = torch.cat([memory.reward, more.float()], dim=1)
        walked = self.walk(states, action, reached, reward, asked=False)
        out: Tensor = self.head(walked[rows, memory.size])
        return out
