"""What a model of `transformers` has read: its own cache, with places reserved ahead, and which tokens are padding.

    HeldReading     of answers that are drawn        growing     of prompts that are read once, with a gradient

The cache of `transformers` grows by one copy of all keys and values a token. Here full-attention layers write into room
that is taken once; other layers (sliding windows, states of linear attention) stay as the model makes them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from wayfare.errors import BadValue

__all__ = ["HeldReading", "growing"]


_Layer: Any = DynamicLayer


class _Reserved(_Layer):  # type: ignore[misc]
    """Keys and values of up to `places` tokens, written where they stay."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places, self.length = places, 0
        self.room: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        first, self.length = self.length, self.length + key_states.shape[2]
        if self.room is None:
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
            self.room = (self._room(key_states), self._room(value_states))
        for room, new in zip(self.room, (key_states, value_states), strict=True):
            room[:, :, first : self.length] = new
        self.keys, self.values = (room[:, :, : self.length] for room in self.room)
        return self.keys, self.values

    def _room(self, like: Tensor) -> Tensor:
        rows, heads, _, width = like.shape
        return like.new_empty(rows, heads, self.places, width)

    def select(self, rows: Tensor) -> None:
        if self.room is not None:
            self.room = (self.room[0][rows], self.room[1][rows])
            self.keys, self.values = (room[:, :, : self.length] for room in self.room)


def growing(config: Any) -> Any:
    """An empty cache through which gradients pass; None where some layer keeps more than keys and values of each token.

    It grows by copies, as room that is written to would not let them pass.
    """
    cache: Any = DynamicCache(config=config)
    return cache if cache.layers and all(type(layer) is DynamicLayer for layer in cache.layers) else None


class HeldReading:
    """valid: [B, P] bool, of the prompts        new: most tokens that follow        most: positions there are, or None

    simple:   whether every layer attends to all that was read by the attention that takes a mask as it is
    windowed: whether some layer attends to the last places alone, which padding takes too
    """

    def __init__(self, config: Any, valid: Tensor, new: int, most: int | None, *, simple: bool, windowed: bool) -> None:
        rows, self.length = valid.shape
        self.cache: Any = DynamicCache(config=config)
        for number, layer in enumerate(self.cache.layers):
            if type(layer) is DynamicLayer:
                self.cache.layers[number] = _Reserved(self.length + new)
        self.valid = valid.new_ones(rows, self.length + new)
        self.valid[:, : self.length] = valid
        self.padded = not bool(valid.all())
        self.last = valid.sum(dim=1) - 1  # [B], position of the last token read
        self.most, self.simple, self.windowed = most, simple, windowed
        self.paused: Tensor | None = None
        self.added: Tensor | None = None

    def advance(self, running: Tensor | None) -> tuple[Tensor | None, Tensor]:
        """One more token a row. Returns: the attention mask, or None where all is seen, and positions [B, 1].

        Raises: BadValue for a row that goes on after a pause, where that would have moved its window.
        """
        if self.windowed:
            self._check(running)
        self.length += 1
        if running is None:
            self.last = self.last + 1
            if self.most is not None:
                # rows that have ended write on, unseen: no position of theirs may pass the last one there is
                self.last.clamp_(max=self.most - 1)
        else:
            self.valid[:, self.length - 1] = running
            self.last = self.last + running
            self.padded = self.padded or not bool(running.all())
        mask = None
        if self.padded:
            mask = self._added(running) if self.simple else self.valid[:, : self.length]
        return mask, self.last.unsqueeze(1)

    def _added(self, running: Tensor | None) -> Tensor:
        """[B, 1, 1, N], 0 where seen and -inf elsewhere: a mask of booleans would be made into one in every layer."""
        if self.added is None or running is not None:
            like = next(layer.keys for layer in self.cache.layers if layer.keys is not None)
            added = torch.zeros(self.valid.shape, dtype=like.dtype, device=like.device)
            self.added = added.masked_fill_(~self.valid, float("-inf"))[:, None, None, :]
        return self.added[..., : self.length]

    def _check(self, running: Tensor | None) -> None:
        if self.paused is not None and running is not None and bool((running & self.paused).any()):
            raise BadValue("running", "a row that had paused", "rows without a pause: this model attends to windows")
        if running is not None and not bool(running.all()):
            self.paused = ~running if self.paused is None else self.paused | ~running

    def select(self, rows: Tensor) -> None:
        """Keep these rows alone."""
        self.paused = None if self.paused is None else self.paused[rows]
        self.valid, self.last = self.valid[rows], self.last[rows]
        self.added = None
        for layer in self.cache.layers:
            if isinstance(layer, _Reserved):
                layer.select(rows)
            elif getattr(layer, "is_initialized", True):
                getattr(layer, "batch_select_indices", layer.reorder_cache)(rows)
