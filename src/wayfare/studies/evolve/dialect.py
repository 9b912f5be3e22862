"""The language of the study: a bandit's history in words that a net of 0.1 million weights learns within minutes.

A number is one word. A decision is a prompt that ends with `choose`; the word behind it is the action.

    RH    go NAME_1 .. NAME_K choose NAME reward choose NAME reward choose ..       grows by 3 words a pull
    SH    go (NAME pulls mean) x K choose
    AG    go (NAME pulls mean value bonus) x K choose

Pulls are written exactly up to 99 and to two digits above (137 is written 130), numbers to two decimals and no further
than 2.99, as printed; an arm never pulled has `never` for its mean, 0.00 for its value and `inf` for its bonus.

All functions are over tensors: prompts of thousands of decisions are made without a loop.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.draws import Stream
from wayfare.language.nano import Nano, WordReader

__all__ = [
    "CHOOSE",
    "GO",
    "LAYERS",
    "NAMES",
    "READER",
    "Layer",
    "decimals",
    "guide_rows",
    "names_of",
    "on_a_line",
    "raw_start",
    "rows",
]

Layer = Literal["RH", "SH", "AG"]
LAYERS: tuple[Layer, ...] = ("RH", "SH", "AG")
NAMES = (
    "apple", "bread", "chair", "daisy", "eagle", "flute", "grape", "house", "igloo", "jewel", "knife", "lemon", "mouse",
    "night", "ocean", "piano", "queen", "river", "snake", "tiger", "uncle", "violin", "water", "xenon", "yacht",
    "zebra", "amber", "brick", "cloud", "drum", "ember", "fern", "glove", "honey", "iris", "jade", "kite", "lamp",
    "maple", "nest",
)  # fmt: skip
LOW, HIGH = -99, 299  # of a decimal, in hundredths
_PULLS = [*range(100), *range(100, 1000, 10), 1000]
READER = WordReader(
    [
        *NAMES, "go", "choose", "sum", "first", "product", "never", "inf",
        *(f"{pulls}x" for pulls in _PULLS), *(f"{n / 100:.2f}" for n in range(LOW, HIGH + 1)),
    ]
)  # fmt: skip
GO, CHOOSE = READER.ids["go"], READER.ids["choose"]
_NEVER, _INF = READER.ids["never"], READER.ids["inf"]
_FIRST_NAME, _FIRST_PULLS, _FIRST_DECIMAL = (READER.ids[word] for word in (NAMES[0], "0x", f"{LOW / 100:.2f}"))


def decimals(x: Tensor) -> Tensor:
    """Words of numbers to two decimals; infinity is `inf`, and beyond -0.99 and 2.99 the last word is said."""
    hundredths = (x.double() * 100).round().nan_to_num(posinf=0.0).clamp(LOW, HIGH).long()
    return torch.where(torch.isposinf(x), _INF, hundredths - LOW + _FIRST_DECIMAL)


def pulls(n: Tensor) -> Tensor:
    """Words of counts, from 0."""
    n = n.long().clamp(0, 1000)
    return _FIRST_PULLS + torch.where(n < 100, n, 100 + (n - 100) // 10)


def names_of(seed: int, copies: NDArray[np.int64], arms: int, name: str = "names") -> Tensor:
    """[N, K] words: each copy draws names of its own, all different."""
    draws = Stream(seed, name).uniform(copies[:, None], 0, np.arange(len(NAMES)))
    return _FIRST_NAME + torch.from_numpy(np.argsort(draws, axis=1)[:, :arms].copy())


def rows(names: Tensor, *numbers: Tensor) -> Tensor:
    """go (NAME number ..) x K choose: [N, 2 + K (1 + len(numbers))]; names and numbers are words [N, K]."""
    body = torch.stack([names, *numbers], dim=2).flatten(1)
    edge = torch.ones(len(body), 1, dtype=torch.int64)
    return torch.cat([edge * GO, body, edge * CHOOSE], dim=1)


def guide_rows(layer: Layer, names: Tensor, counts: Tensor, sums: Tensor, value: Tensor, bonus: Tensor) -> Tensor:
    """The prompt of SH or AG: names [N, K] words, the others [N, K] float64."""
    mean = torch.where(counts > 0, decimals(sums / counts.clamp(min=1)), _NEVER)
    told = (pulls(counts), mean)
    return rows(names, *told) if layer == "SH" else rows(names, *told, decimals(value), decimals(bonus))


def raw_start(names: Tensor) -> Tensor:
    """The prompt of RH before any pull: [N, K + 2]; then follow the action, its reward and `choose`."""
    return rows(names)


def on_a_line(net: Nano, seed: int) -> None:
    """Give number words first weights that are smooth in the number, as a language model brings from elsewhere: 0.47
    lies between 0.46 and 0.48 before the first lesson. Counts lie on a logarithmic line.

    Each is a random projection of x, and of sin and cos of x pi / 2 at 6 octaves, of length 1, with a tenth of the
    weights that it had.
    """
    draw = torch.Generator().manual_seed(seed)
    counts = torch.log1p(torch.tensor(_PULLS, dtype=torch.float32))
    numbers = torch.arange(LOW, HIGH + 1) / 100
    with torch.no_grad():
        for first, x in ((_FIRST_PULLS, counts), (_FIRST_DECIMAL, numbers)):
            angle = x[:, None] * 2.0 ** torch.arange(-2, 4) * (torch.pi / 2)
            features = torch.cat([x[:, None], angle.sin(), angle.cos()], dim=1)
            placed = features @ torch.randn(features.shape[1], net.width, generator=draw)
            placed = placed - placed.mean(dim=0)
            weight = net.embedding.weight[first : first + len(x)]
            weight.copy_(placed / placed.norm(dim=1).mean() + 0.1 * weight)
