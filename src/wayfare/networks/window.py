"""Windows re-cut: an exact memory of X decisions at any depth, for any memory network.

A network with L layers of banded attention sees further back than its band, and a recurrent one forgets nothing by
itself. Here every decision t is answered by an empty network that reads the tokens t - X + 1 .. t alone: what is older
cannot matter. It costs X times the tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wayfare.errors import BadValue

__all__ = ["WindowState", "Windowed"]


@dataclass
class WindowState:
    """The last width - 1 tokens: x [S, width - 1, B, D], start [S, width - 1, B]; `seen` of them are real."""

    x: Tensor
    start: Tensor
    seen: int


class Windowed(nn.Module):
    """`inner` with a memory of exactly `width` tokens, at least 1.

    Raises: BadValue for a width below 1.
    """

    def __init__(self, inner: nn.Module, inputs: int, width: int, rows: int) -> None:
        super().__init__()
        if width < 1:
            raise BadValue("width", width, "at least 1")
        self.inner, self.inputs, self.size, self.rows = inner, inputs, width, rows

    def initial_state(self, batch: int) -> WindowState:
        """No tokens yet."""
        like = next(self.inner.parameters())
        x = like.new_zeros(self.rows, self.size - 1, batch, self.inputs)
        return WindowState(x, torch.zeros(x.shape[:-1], dtype=torch.bool, device=x.device), 0)

    def forward(self, x: Tensor, state: WindowState, start: Tensor | None = None) -> tuple[Tensor, WindowState]:
        """x: [S, T, B, D]    start: [S, T, B] bool, None for none    returns: [S, T, B, W] and the state after."""
        rows, steps, copies, _ = x.shape
        start = torch.zeros(x.shape[:-1], dtype=torch.bool, device=x.device) if start is None else start
        whole, marks = torch.cat([state.x, x], dim=1), torch.cat([state.start, start], dim=1)
        after = WindowState(whole[:, steps:], marks[:, steps:], min(state.seen + steps, self.size - 1))
        first = self.size - 1 - state.seen  # tokens before it were never there: memory begins with it
        if 0 <= first < marks.shape[1]:
            marks = marks.clone()
            marks[:, first] = True
        cut = whole.unfold(1, self.size, 1).permute(0, 4, 1, 2, 3).reshape(rows, self.size, steps * copies, -1)
        begun = marks.unfold(1, self.size, 1).permute(0, 3, 1, 2).reshape(rows, self.size, steps * copies)
        begun = begun | (torch.arange(self.size, device=x.device) == 0).view(1, -1, 1)
        y: Any = self.inner(cut, self.inner.initial_state(steps * copies), begun)[0]  # type: ignore[operator]
        return y[:, -1].reshape(rows, steps, copies, -1), after
