"""The small decoder's passes by `torch.compile`: what many small kernels do, done in few.

    passes = CompiledPasses(net)
    passes.states(ids, places, mask, cache, tail)        # as `Nano.states`, differentiable, equal up to rounding

A pass is compiled for its kind: with a gradient or without, with padding or without, all states or the last ones, one
token behind a cache. Rows, tokens and places of the cache are left open, so that batches that shrink and prompts of
other lengths find it made; a single row or token, which compilers treat as constant, is a kind of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from wayfare.language.nano import Cache, Nano

__all__ = ["Backend", "CompiledPasses"]

Backend = str | Callable[..., Any]
"""What `torch.compile` takes: a name, or a function of a graph and its inputs."""


class CompiledPasses:
    """net: whose weights are read as they are at each pass        backend: see `torch.compile`"""

    def __init__(self, net: Nano, backend: Backend = "inductor") -> None:
        self.net, self.backend = net, backend
        self._programs: dict[tuple[bool, ...], Any] = {}

    def states(
        self, ids: Tensor, places: Tensor | int, mask: Tensor | None, cache: Cache | None, tail: int | None = None
    ) -> Tensor:
        """As `Nano.states`."""
        first = 0 if cache is None else cache.length
        upto = first + ids.shape[1]
        turn, stored = self.net.turn(places, upto), None if cache is None else cache.stored
        # as it lies in memory is compiled too: a part of something wider would be another kind for each width
        ids, mask = ids.contiguous(), None if mask is None else mask.contiguous()
        at, along = torch.arange(first, upto, device=ids.device), ids.new_empty(upto)
        last = None if tail is None or tail == 1 else ids.new_empty(tail)
        kind = (
            torch.is_grad_enabled(), len(ids) == 1, ids.shape[1] == 1, isinstance(places, int), mask is None,
            stored is None, last is None, tail == 1,
        )  # fmt: skip
        program = self._programs.get(kind)
        if program is None:
            program = self._programs[kind] = self._compiled()
            _open(ids, 0, 1)
            for each in turn:
                _open(each, *((0,) if each.ndim == 2 else (0, 2)))
            if mask is not None:
                _open(mask, 0, 2, 3)
            for keys, values in stored or ():
                _open(keys, 0, 2)
                _open(values, 0, 2)
            for length in (at, along, *(() if last is None else (last,))):
                _open(length, 0)
        found: Tensor = program(self.net, ids, turn, mask, stored, at, along, last, tail == 1)
        if cache is not None:
            cache.length = upto
        return found

    def _compiled(self) -> Any:
        """`_through` to be compiled at its first call; of a code of its own, since compilers count programs by code."""
        own = FunctionType(_through.__code__.replace(), globals(), "_through")
        compiler: Any = torch.compile
        return compiler(own, fullgraph=True, backend=self.backend)


def _through(
    net: Nano,
    ids: Tensor,
    turn: tuple[Tensor, Tensor],
    mask: Tensor | None,
    stored: Sequence[tuple[Tensor, Tensor]] | None,
    at: Tensor,
    along: Tensor,
    last: Tensor | None,
    single: bool,
) -> Tensor:
    """along: [N], last: [tail], of which the lengths alone are read: a number would be compiled as a constant"""
    tail = 1 if single else None if last is None else len(last)
    return net.through(ids, turn, mask, stored, at, len(along), tail)


def _open(value: Tensor, *dims: int) -> None:
    """Sizes of these dimensions are not compiled as constants, save where they are 1."""
    for dim in dims:
        if value.shape[dim] > 1:
            torch._dynamo.mark_dynamic(value, dim)
