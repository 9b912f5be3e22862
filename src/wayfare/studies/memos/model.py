"""The small model of the study, trained from nothing, and as a reader of memories.

It is trained twice: as a net of 2 layers and width 64, in which looking up is found within minutes, and then, grown to
4 layers and width 128, on longer lists. Growing changes no answer: what is added is read by nothing, or adds nothing,
until training makes it (after Chen, Goodfellow & Shlens 2016, Net2Net, arXiv 1511.05641). Nets of the full size from
the first update on, tried in several ways, did not find the lookup in the same time: they kept to looking for the
question among those that came before it.

All words begin with one direction in common, so that a head can attend by place alone: without biases and without it
the echo of `people` takes longer to be found than the rest of the training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.agents.memos_reader import MemoryReader
from wayfare.language.local import TransformersModel
from wayfare.language.nano import Nano, Size
from wayfare.learn.supervised import Supervised
from wayfare.studies.memos.people import READER, Lesson, echo, first_lesson, later_lesson, lookup

__all__ = ["fresh", "grown", "reader_of", "right", "taught", "weights_of"]

Weights = Mapping[str, NDArray[Any]]
SMALL: Size = "xs"
SIZE: Size = "m"
COMMON = 0.125
"""Size of the common direction, in each number of an embedding; the words' own numbers have as much."""
LATER = 0.3
"""Learning rate of the grown net, over that of the small one."""


def fresh(seed: int) -> Nano:
    """2 layers, width 64."""
    net = Nano(len(READER), SMALL, seed)
    draw = torch.Generator().manual_seed(seed + 3)
    with torch.no_grad():
        net.embedding.weight += COMMON * torch.randn(net.width, generator=draw)
    return net


def taught(
    first: int,
    later: int,
    learning_rate: float,
    seed: int,
    report: Callable[[int, dict[str, float]], Any] | None = None,
) -> Nano:
    """The course of `people`: so many updates of the small net, and of the grown one. report: (done, metrics)"""

    def batch(lesson: Lesson, number: int) -> tuple[Tensor, Tensor]:
        return lookup(seed, number, lesson) if lesson.facts else echo(seed, number, lesson.rows, lesson.questions)

    net = fresh(seed)
    small = Supervised(net, learning_rate, updates=first)
    small.fit(lambda number: batch(first_lesson(first, number, seed), number), first, report)
    net = grown(net, seed)
    large = Supervised(net, LATER * learning_rate, updates=later)
    large.fit(
        lambda number: batch(later_lesson(number, seed), first + number), later,
        None if report is None else lambda done, metrics: report(first + done, metrics),
    )  # fmt: skip
    return net.eval()


@torch.no_grad()
def grown(small: Nano, seed: int) -> Nano:
    """A net of 4 layers and width 128 that answers as `small` does, to rounding."""
    net = Nano(small.words, SIZE, seed)
    narrow, thin, heads = small.width, small.inner, 32 * small.heads
    scale = math.sqrt(narrow / net.width)  # the root mean square is taken over numbers of which some are 0
    net.embedding.weight.zero_()
    net.embedding.weight[:, :narrow] = small.embedding.weight
    net.last.fill_(scale)[:narrow] = small.last * scale
    for number, block in enumerate(net.blocks):
        own: Any = block
        own.before_attention.fill_(scale)
        own.before_mixing.fill_(scale)
        own.out.weight.zero_()
        own.down.weight.zero_()
        if number >= len(small.blocks):
            continue
        theirs: Any = small.blocks[number]
        own.before_attention[:narrow] = theirs.before_attention * scale
        own.before_mixing[:narrow] = theirs.before_mixing * scale
        for mine, given in zip(own.qkv.weight.chunk(3), theirs.qkv.weight.chunk(3), strict=True):
            mine[:heads, :narrow] = given
        own.out.weight[:narrow, :heads] = theirs.out.weight
        for mine, given in zip(own.gate_up.weight.chunk(2), theirs.gate_up.weight.chunk(2), strict=True):
            mine[:thin, :narrow] = given
        own.down.weight[:narrow, :thin] = theirs.down.weight
    return net


@torch.no_grad()
def right(net: Nano, facts: int, seed: int, rows: int = 8) -> float:
    """Share of questions on lists of so many facts, which no lesson had, that are answered rightly."""
    ids, labelled = lookup(20_000_003 + seed, 0, Lesson(facts, rows, 24))
    said = net(ids[:, :-1]).argmax(dim=-1)
    return float((said == ids[:, 1:])[labelled[:, 1:]].float().mean())


def weights_of(net: Nano) -> dict[str, NDArray[Any]]:
    """By name, as a cell returns them."""
    return {f"weights|{name}": each.detach().numpy().copy() for name, each in net.state_dict().items()}


def reader_of(weights: Weights) -> MemoryReader:
    """What `weights_of` gave, as a model of transformers."""
    net = Nano(len(READER), SIZE)
    net.load_state_dict({name: torch.from_numpy(np.array(weights[f"weights|{name}"])) for name in net.state_dict()})
    return MemoryReader(TransformersModel(net.to_transformers(), READER.to_transformers()))
