"""Causal transformer with an exact window, S rows at once: whole sequences in one pass, or token by token with a cache.

    x <- x + O attention(LN x);  x <- x + MLP(LN x)                                  (pre-norm, 1)
    token t sees token j when j <= t, no memory began in (j, t], and t - j < width    (2)

One layer makes (2) an exact memory of `width` tokens; two layers would see 2 width - 1 steps back, so a bounded memory
of a deeper network is cut by `window.Windowed` instead. A cache keeps the last `context` tokens; a slot's place is the
global step modulo its size, so all copies write at one index, and marks of where each memory began decide what is seen.
A network of L layers and no bound that acts beyond `context` tokens sees up to L (context - 1) back: more than it
keeps.

Source: Vaswani et al. 2017; (1) Xiong et al. 2020; relative positions are ALiBi's linear biases, Press et al. 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from wayfare.errors import BadValue
from wayfare.networks.stacked import MLP, LayerNorm, Linear, initial

__all__ = ["Transformer", "TransformerState"]


@dataclass
class TransformerState:
    """What the attention remembers.

    keys, values: for each layer [S, B, H, C, W/H], slot = step mod C
    begin: [S, B] step at which the copy's memory began        step: tokens so far
    """

    keys: list[Tensor]
    values: list[Tensor]
    begin: Tensor
    step: int


class Transformer(nn.Module):
    """Memory network by attention.

    inputs, width: D and W      seeds: [S]     layers, heads: depth and attention heads, W a multiple of heads
    context: tokens kept        widths: [S] tokens seen, None for all that are kept; one layer only
    positions: absolute (learned, counted from where memory began) | relative (ALiBi) | none

    Raises: BadValue for a shape that does not fit.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        seeds: Sequence[int],
        *,
        layers: int = 1,
        heads: int = 2,
        context: int = 64,
        widths: Sequence[int | None] | None = None,
        positions: str = "absolute",
    ) -> None:
        super().__init__()
        if layers < 1 or heads < 1 or width % heads:
            raise BadValue("heads", heads, f"at least 1 and a divisor of the width {width}")
        if positions not in ("absolute", "relative", "none"):
            raise BadValue("positions", positions, "absolute, relative or none")
        bounded = widths is not None and any(w is not None for w in widths)
        if bounded and layers > 1:
            raise BadValue("layers", layers, "1 where a width is given: deeper layers would leak")
        self.width, self.heads, self.layers, self.context, self.positions = width, heads, layers, context, positions
        rows = len(seeds)
        self.enter = Linear(inputs, width, seeds=seeds, name="enter")
        if positions == "absolute":
            self.place = initial(seeds, "place", (context, width), 0.1)
        self.attend = nn.ModuleList(Linear(width, 3 * width, seeds=seeds, name=f"qkv{i}") for i in range(layers))
        self.merge = nn.ModuleList(Linear(width, width, seeds=seeds, name=f"merge{i}") for i in range(layers))
        self.think = nn.ModuleList(MLP(width, 2 * width, seeds=seeds, name=f"think{i}") for i in range(layers))
        self.norms = nn.ModuleList(LayerNorm(width, rows) for _ in range(2 * layers + 1))
        self.widths: Tensor | None
        sizes = torch.tensor([context if w is None else w for w in widths]) if bounded and widths is not None else None
        self.register_buffer("widths", sizes, persistent=False)
        slopes = 2.0 ** (-8.0 * torch.arange(1, heads + 1) / heads)
        self.slopes: Tensor
        self.register_buffer("slopes", slopes, persistent=False)

    def initial_state(self, batch: int) -> TransformerState:
        """An empty memory for `batch` copies of each row."""
        weight = self.enter.weight
        shape = (weight.shape[0], batch, self.heads, self.context, self.width // self.heads)
        caches = [weight.new_zeros(shape) for _ in range(2 * self.layers)]
        begin = torch.zeros(shape[:2], dtype=torch.int64, device=weight.device)
        return TransformerState(caches[: self.layers], caches[self.layers :], begin, 0)

    def forward(
        self, x: Tensor, state: TransformerState, start: Tensor | None = None
    ) -> tuple[Tensor, TransformerState]:
        """x: [S, T, B, D]    start: [S, T, B] bool, None for none    returns: [S, T, B, W] and the state after.

        Under `no_grad` a step of one token writes into the caches of `state` in place.

        Raises: BadValue when tokens would fall out of a cache that is to remember everything (depth above 1).
        """
        steps = x.shape[1]
        if self.layers > 1 and state.step + steps > self.context and steps > self.context:
            raise BadValue("steps", steps, f"at most the context of {self.context} tokens")
        began = self._began(state, start, steps)  # [S, T, B] step at which the memory of token t began
        time = torch.arange(state.step, state.step + steps, device=x.device)
        y = self.enter(x)
        if self.positions == "absolute":
            y = y + self._placed(time, began, plain=began is None)
        mask = None if self._plain(state, began, steps) else self._mask(state, began, time)
        after = TransformerState(
            list(state.keys), list(state.values), state.begin if began is None else began[:, -1], state.step + steps
        )
        for i in range(self.layers):
            y = y + self.merge[i](self._attention(i, self.attend[i](self.norms[2 * i](y)), state, after, mask))
            y = y + self.think[i](self.norms[2 * i + 1](y))
        return self.norms[-1](y), after

    def _began(self, state: TransformerState, start: Tensor | None, steps: int) -> Tensor | None:
        """None where every memory began at step 0 and none begins here: the common case pays nothing."""
        if start is not None and state.step == 0:
            start = start.clone()
            start[:, 0] = False  # an empty memory begins at 0 anyway
        fresh = start is None or not bool(start.any())
        if fresh and (state.step == 0 or not bool(state.begin.any())):
            return None
        if start is None or fresh:
            return state.begin.unsqueeze(1).expand(-1, steps, -1)
        time = torch.arange(state.step, state.step + steps, device=start.device).view(1, -1, 1)
        marks = torch.where(start, time, 0)
        marks[:, 0] = torch.maximum(marks[:, 0], state.begin)
        return marks.cummax(dim=1).values

    def _placed(self, time: Tensor, began: Tensor | None, *, plain: bool) -> Tensor:
        top = self.context - 1
        if plain or began is None:
            return self.place[:, time.clamp(max=top)].unsqueeze(2)
        age = (time.view(1, -1, 1) - began).clamp(max=top)
        rows = torch.arange(age.shape[0], device=age.device).view(-1, 1, 1)
        return self.place[rows, age]

    def _plain(self, state: TransformerState, began: Tensor | None, steps: int) -> bool:
        """Whether attention is plainly causal: nothing cut off, nothing forgotten, nothing biased."""
        if began is not None or self.widths is not None or self.positions == "relative":
            return False
        return (state.step == 0 and steps <= self.context) or (steps == 1 and state.step < self.context)

    def _mask(self, state: TransformerState, began: Tensor | None, time: Tensor) -> Tensor:
        """[S, B or 1, H or 1, T, kept + T] additive mask of (2), for keys in the order `_kept` gives."""
        kept = self._kept(state)
        key = torch.cat([kept, time]).view(1, 1, 1, -1)
        query = time.view(1, 1, -1, 1)
        seen = (key <= query) & (query - key < self.context)
        if self.widths is not None:
            seen = seen & (query - key < self.widths.view(-1, 1, 1, 1))
        if began is not None:
            seen = seen & (key >= began.transpose(1, 2).unsqueeze(-1))
        mask = torch.zeros(seen.shape, dtype=self.enter.weight.dtype, device=time.device).masked_fill_(
            ~seen, float("-inf")
        )
        mask = mask.unsqueeze(2)
        if self.positions == "relative":
            mask = mask - self.slopes.view(1, 1, -1, 1, 1) * (query - key).unsqueeze(2)
        return mask

    def _kept(self, state: TransformerState) -> Tensor:
        """Steps whose keys are in the cache, oldest first."""
        return torch.arange(max(0, state.step - self.context), state.step, device=state.begin.device)

    def _attention(
        self, layer: int, qkv: Tensor, state: TransformerState, after: TransformerState, mask: Tensor | None
    ) -> Tensor:
        """qkv: [S, T, B, 3W] -> [S, T, B, W]; stores this call's keys and values in `after`."""
        rows, steps, copies, _ = qkv.shape
        q, k, v = qkv.view(rows, steps, copies, 3, self.heads, -1).permute(3, 0, 2, 4, 1, 5)  # each [S, B, H, T, E]
        if steps == 1 and not torch.is_grad_enabled():
            slot = state.step % self.context
            keys, values = state.keys[layer], state.values[layer]
            keys[:, :, :, slot] = k[:, :, :, 0]
            values[:, :, :, slot] = v[:, :, :, 0]
            filled = min(state.step + 1, self.context)
            if mask is not None:
                order = (
                    torch.cat([self._kept(state), torch.tensor([state.step], device=qkv.device)])[-filled:]
                    % self.context
                )
                spread = mask[..., -filled:]
                mask = torch.full((*spread.shape[:-1], filled), float("-inf"), dtype=mask.dtype, device=mask.device)
                mask[..., order] = spread
            keys, values = keys[:, :, :, :filled], values[:, :, :, :filled]
            score = (keys @ q.transpose(-1, -2)).transpose(-1, -2) * q.shape[-1] ** -0.5
            seen: Tensor = (score if mask is None else score + mask).softmax(dim=-1)
            return (seen @ values).permute(0, 3, 1, 2, 4).reshape(rows, 1, copies, -1)
        kept = self._kept(state)
        if len(kept):
            k = torch.cat([state.keys[layer][:, :, :, kept % self.context], k], dim=3)
            v = torch.cat([state.values[layer][:, :, :, kept % self.context], v], dim=3)
        flat = (rows * copies, self.heads)
        causal = mask is None and steps > 1
        if mask is not None:
            mask = mask.expand(rows, copies, self.heads, steps, k.shape[3]).reshape(*flat, steps, -1)
        out = scaled_dot_product_attention(
            q.reshape(*flat, steps, -1),
            k.reshape(*flat, k.shape[3], -1),
            v.reshape(*flat, k.shape[3], -1),
            attn_mask=mask,
            is_causal=causal,
        )
        after.keys[layer] = self._stored(state.keys[layer], k, after.step)
        after.values[layer] = self._stored(state.values[layer], v, after.step)
        return out.view(rows, copies, self.heads, steps, -1).permute(0, 3, 1, 2, 4).reshape(rows, steps, copies, -1)

    def _stored(self, cache: Tensor, new: Tensor, step: int) -> Tensor:
        """The cache that holds the last tokens of `new` [S, B, H, N, E], which end at `step`."""
        tail = min(new.shape[3], self.context)
        slots = torch.arange(step - tail, step, device=new.device) % self.context
        return cache.new_zeros(cache.shape).index_copy(3, slots, new[:, :, :, -tail:])
