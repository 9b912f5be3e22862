"""Layers of S networks side by side: parameters [S, in, out], inputs [S, ..., in], one batched product for all.

Row s is initialised from its own seed and its layer's name alone, so a row of a stack equals the single network of that
seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm

from wayfare.errors import BadValue

__all__ = ["MLP", "LayerNorm", "Linear", "initial"]


def initial(seeds: Sequence[int], name: str, shape: tuple[int, ...], bound: float) -> nn.Parameter:
    """[S, *shape] uniform in (-bound, bound), row s drawn from (seeds[s], name) alone.

    Raises: BadValue without seeds.
    """
    if not len(seeds):
        raise BadValue("seeds", list(seeds), "at least one")
    rows = []
    for seed in seeds:
        generator = torch.Generator().manual_seed((int(seed) * 0x9E3779B1 + crc32(name.encode())) % (1 << 62))
        rows.append((torch.rand(shape, generator=generator) * 2 - 1) * bound)
    return nn.Parameter(torch.stack(rows))


class Linear(nn.Module):
    """x [S, ..., in] -> [S, ..., out]; weights and bias start uniform in +-1/sqrt(in), as torch's do."""

    def __init__(self, inputs: int, outputs: int, *, seeds: Sequence[int], name: str = "linear") -> None:
        super().__init__()
        bound = inputs**-0.5
        self.weight = initial(seeds, f"{name}.weight", (inputs, outputs), bound)
        self.bias = initial(seeds, f"{name}.bias", (1, outputs), bound)

    def forward(self, x: Tensor) -> Tensor:
        """x: [S, ..., in] -> [S, ..., out]."""
        flat = torch.baddbmm(self.bias, x.reshape(x.shape[0], -1, x.shape[-1]), self.weight)
        return flat.view(*x.shape[:-1], flat.shape[-1])


class LayerNorm(nn.Module):
    """Normalises the last dimension; gain and bias are each row's own."""

    def __init__(self, width: int, rows: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(rows, 1, width))
        self.bias = nn.Parameter(torch.zeros(rows, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """x: [S, ..., W] -> the same shape."""
        flat = layer_norm(x, x.shape[-1:]).reshape(x.shape[0], -1, x.shape[-1])
        return torch.addcmul(self.bias, flat, self.gain).view(x.shape)


class MLP(nn.Module):
    """Linear, GELU, Linear."""

    def __init__(self, width: int, hidden: int, *, seeds: Sequence[int], name: str = "mlp") -> None:
        super().__init__()
        self.rise = Linear(width, hidden, seeds=seeds, name=f"{name}.rise")
        self.fall = Linear(hidden, width, seeds=seeds, name=f"{name}.fall")

    def forward(self, x: Tensor) -> Tensor:
        """x: [S, ..., W] -> the same shape."""
        out: Tensor = self.fall(gelu(self.rise(x)))
        return out
