"""The memory network: what a policy keeps of its history, behind one interface.

    state = network.initial_state(batch)
    y, state = network(x, state, start)      # x [S, T, B, D], start [S, T, B] bool -> y [S, T, B, W]

S networks work side by side (`stacked`). `start` marks the first step of an episode *of memory*: whether memory
survives an episode's end is the caller's choice. The same module acts with T = 1 and learns with whole sequences.

Memory X counts decisions. Token t holds what was done last, what it paid and what is seen now, so X >= 1 sees the
tokens t - X + 1 .. t; X = 0 sees token t alone, with the last action and reward blanked by the caller; None sees
everything since `start`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from wayfare.errors import BadValue
from wayfare.networks.feedforward import FeedForward
from wayfare.networks.recurrent import Recurrent
from wayfare.networks.transformer import Transformer
from wayfare.networks.window import Windowed

__all__ = ["KINDS", "MemoryNetwork", "memory_network"]

KINDS = ("none", "gru", "lstm", "transformer")


class MemoryNetwork(Protocol):
    """What every memory network does."""

    def initial_state(self, batch: int) -> Any:
        """An empty memory for `batch` copies of each row."""
        ...

    def __call__(self, x: Tensor, state: Any, start: Tensor | None = None) -> tuple[Tensor, Any]:
        """x: [S, T, B, D]    start: [S, T, B] bool    returns: [S, T, B, W] and the state after."""
        ...


def memory_network(
    kind: str,
    inputs: int,
    width: int,
    seeds: Sequence[int],
    *,
    layers: int = 1,
    heads: int = 2,
    memory: int | Sequence[int | None] | None = None,
    context: int = 64,
    positions: str = "absolute",
) -> Any:
    """A memory network of that kind.

    kind: none | gru | lstm | transformer
    inputs, width: D and W        seeds: [S], initial weights of each row
    memory: X, for all rows or each; rows may differ for a transformer of one layer only
    context: tokens that an unbounded transformer keeps

    Raises: BadValue for an unknown kind, X < 0, or rows that differ where they cannot.
    """
    if kind not in KINDS:
        raise BadValue("network", kind, f"one of {', '.join(KINDS)}")
    for name, value in {"inputs": inputs, "width": width, "layers": layers, "context": context}.items():
        if value < 1:
            raise BadValue(name, value, "at least 1")
    each = list(memory) if isinstance(memory, Sequence) else [memory] * len(seeds)
    if len(each) != len(seeds):
        raise BadValue("memory", memory, f"one number or {len(seeds)} of them")
    for x in each:
        if x is not None and x < 0:
            raise BadValue("memory", x, "at least 0, or None for all")
    if kind == "none":
        return FeedForward(inputs, width, seeds, layers=layers)
    widths = [None if x is None else max(x, 1) for x in each]
    if kind == "transformer" and layers == 1:
        return Transformer(
            inputs, width, seeds, layers=1, heads=heads, context=context, widths=widths, positions=positions
        )
    if len(set(widths)) > 1:
        raise BadValue("memory", each, "the same for all rows of a deep or recurrent network")
    size = widths[0]
    if kind == "transformer":
        room = context if size is None else size
        inner: Any = Transformer(inputs, width, seeds, layers=layers, heads=heads, context=room, positions=positions)
    else:
        inner = Recurrent(kind, inputs, width, seeds, layers=layers)
    return inner if size is None else Windowed(inner, inputs, size, len(seeds))
