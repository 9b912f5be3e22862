"""GRU and LSTM, S rows at once: one product brings the inputs of all steps in, then one product a step.

    r, z = sigmoid(W x + b + U h + c);  n = tanh(W_n x + b_n + r (U_n h + c_n));  h <- (1 - z) n + z h      (GRU, 1)
    i, f, o = sigmoid(W x + b + U h + c);  g = tanh(W_g x + U_g h);  c <- f c + i g;  h <- o tanh(c)        (LSTM, 2)

Gate order and biases are those of torch, so that its cells are oracles for ours.

Source: (1) Cho et al. 2014; (2) Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wayfare.errors import BadValue
from wayfare.networks.stacked import Linear

__all__ = ["Recurrent", "RecurrentState"]

GATES = {"gru": 3, "lstm": 4}


@dataclass
class RecurrentState:
    """hidden, cell: [L, S, B, W]; cell is empty for a GRU."""

    hidden: Tensor
    cell: Tensor


class Recurrent(nn.Module):
    """Memory network by recurrence.

    kind: gru | lstm    inputs, width: D and W    seeds: [S]    layers: depth

    Raises: BadValue for another kind or no layer.
    """

    def __init__(self, kind: str, inputs: int, width: int, seeds: Sequence[int], *, layers: int = 1) -> None:
        super().__init__()
        if kind not in GATES:
            raise BadValue("kind", kind, "gru or lstm")
        if layers < 1:
            raise BadValue("layers", layers, "at least 1")
        self.kind, self.width, self.layers = kind, width, layers
        gates = GATES[kind] * width
        self.bring = nn.ModuleList(
            Linear(inputs if i == 0 else width, gates, seeds=seeds, name=f"bring{i}") for i in range(layers)
        )
        self.keep = nn.ModuleList(Linear(width, gates, seeds=seeds, name=f"keep{i}") for i in range(layers))

    def initial_state(self, batch: int) -> RecurrentState:
        """An empty memory for `batch` copies of each row."""
        weight = self.keep[0].get_parameter("weight")
        hidden = weight.new_zeros(self.layers, weight.shape[0], batch, self.width)
        return RecurrentState(hidden, torch.zeros_like(hidden) if self.kind == "lstm" else hidden[:0])

    def forward(self, x: Tensor, state: RecurrentState, start: Tensor | None = None) -> tuple[Tensor, RecurrentState]:
        """x: [S, T, B, D]    start: [S, T, B] bool, None for none    returns: [S, T, B, W] and the state after."""
        kept = None if start is None else (~start).to(x.dtype).unsqueeze(-1)
        hidden, cell = [], []
        y = x
        for layer in range(self.layers):
            brought = self.bring[layer](y).unbind(1)  # indexing would make each step's gradient as large as all steps'
            h = state.hidden[layer]
            c = state.cell[layer] if self.kind == "lstm" else h
            out = []
            for t in range(x.shape[1]):
                if kept is not None:
                    h, c = h * kept[:, t], c * kept[:, t]
                h, c = self._step(brought[t], self.keep[layer](h), h, c)
                out.append(h)
            y = torch.stack(out, dim=1)
            hidden.append(h)
            cell.append(c)
        return y, RecurrentState(torch.stack(hidden), torch.stack(cell) if self.kind == "lstm" else state.cell)

    def _step(self, brought: Tensor, kept: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        w = self.width
        if self.kind == "gru":
            (early, late), (before, after) = (each.split((2 * w, w), dim=-1) for each in (brought, kept))
            r, z = (early + before).sigmoid().split(w, dim=-1)  # (1)
            n = (late + r * after).tanh()
            h = torch.lerp(n, h, z)
            return h, h
        i, f, g, o = (brought + kept).split(w, dim=-1)  # (2)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c
