"""Drawing answers from a causal model, all rows side by side; a token is recorded as it was drawn.

    told = decode(model, ids, valid, 32, sampler=Sampler(), uniforms=lambda position: stream.uniform(copies, position))

A row's tokens depend on its own prompt and its own uniform numbers: they are the same alone and in company, and the
same whether rows that have ended are kept in the batch or dropped from it (up to the rounding of the model's sums).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.language.causal import CausalModel, Decoded, Reading, still
from wayfare.language.sampler import Sampler
from wayfare.language.shared_prompts import shared_prompts

__all__ = ["Uniforms", "decode"]

Uniforms = Callable[[int], Tensor]
"""Position of a token in its answer, from 0 -> [B] float64 between 0 and 1."""

CHECKS = {"cpu": 1}
"""Tokens between two looks at which rows have ended, by device; 8 on an accelerator, where each look waits for it."""


@torch.no_grad()
def decode(
    model: CausalModel,
    ids: Tensor,
    valid: Tensor,
    new: int,
    *,
    sampler: Sampler,
    uniforms: Uniforms,
    step: int = 0,
    stop: tuple[str, ...] = (),
    drop: bool = True,
) -> Decoded:
    """Up to `new` tokens behind each prompt: to an end token, a stop string or the end of the model's context.

    ids:      [B, P] int64, padded on the left        valid: [B, P] bool
    uniforms: see `Uniforms`        step: of training, which a temperature may depend on
    stop:     an answer ends with the token that completes one of these strings, which is one of its tokens
    drop:     whether rows that have ended leave the batch when they are the most of it

    Returns: T is the length of the longest answer, at least 1. Raises: BadValue for new below 1, or a prompt that is
    empty or leaves no room for an answer.
    """
    if new < 1:
        raise BadValue("new", new, "at least 1")
    valid = valid.bool()
    read = valid.sum(dim=1)
    room = _room(model, read, new)
    most = int(room.max()) if len(ids) else new
    rows = _Rows(model, ids, room, most, stop)
    if len(ids):
        with still(model.module):
            _draw(model, ids, valid, rows, sampler, uniforms, step, drop)
    return rows.decoded()


def _room(model: CausalModel, read: Tensor, new: int) -> Tensor:
    """[B] tokens that an answer may have."""
    if len(read) == 0:
        return read
    least, most = (int(each) for each in torch.stack([read.min(), read.max()]).tolist())
    if least < 1:
        raise BadValue("ids", "an empty prompt", "at least one token a row")
    if model.context is None or most + new <= model.context:
        return torch.full_like(read, new)
    if most >= model.context:
        raise BadValue("ids", f"{most} tokens", f"at most {model.context - 1} tokens, the model's context")
    return (model.context - read).clamp(max=new)


def _draw(
    model: CausalModel, ids: Tensor, valid: Tensor, rows: _Rows, sampler: Sampler, uniforms: Uniforms, step: int,
    drop: bool,
) -> None:  # fmt: skip
    every = 1 if rows.stop else CHECKS.get(ids.device.type, 8)
    logits, cache = _begun(model, ids, valid, rows.most)
    for position in range(rows.most):
        uniform = torch.as_tensor(uniforms(position), device=logits.device)
        drawn = sampler.sample(logits, position, step, uniform if rows.here is None else uniform[rows.here])
        token = drawn.token
        rows.add(position, drawn.token, drawn.logp, drawn.logp_at_one)
        if position + 1 == rows.most:
            break
        if position % every == every - 1:
            ended = rows.count_ended()
            if ended == len(token):
                break
            if drop and 2 * ended > len(token):
                going = (~rows.ended).nonzero().squeeze(1)
                rows.select(going)
                cache.select(going)
                token = token[going]
        logits, cache = model.follow(token, None, cache)


def _begun(model: CausalModel, ids: Tensor, valid: Tensor, new: int) -> tuple[Tensor, Reading]:
    """As `model.begin`; a prompt that several rows share is read once."""
    alike = shared_prompts(ids, valid)
    if alike is None:
        return model.begin(ids, valid, new)
    logits, cache = model.begin(ids[alike.first], valid[alike.first], new)
    cache.select(alike.back)
    return logits[alike.back], cache


class _Part(NamedTuple):
    """Tokens drawn while the same rows were there. first: position of the first one; the lists hold [b] each"""

    rows: Tensor | None
    first: int
    token: list[Tensor]
    drawn: list[Tensor]
    own: list[Tensor]
    last: list[Tensor]


class _Rows:
    """Answers as they grow. here: which rows are still in the batch, None: all        ended: [b] bool, of those"""

    def __init__(self, model: CausalModel, ids: Tensor, room: Tensor, most: int, stop: tuple[str, ...]) -> None:
        self.model, self.total, self.room, self.most, self.stop = model, len(ids), room, most, stop
        self.ends = sorted(model.ends)
        self.several = torch.tensor(self.ends, device=ids.device) if len(self.ends) > 1 else None
        self.tight = len(ids) > 0 and bool((room < most).any())
        self.here: Tensor | None = None
        self.left = room
        self.ended = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
        self.parts = [_Part(None, 0, [], [], [], [])]
        # a character is at most four tokens, so the last token completes a stop string within this window or not at all
        self.window = 4 * max(map(len, stop), default=0) + 4
        self.tails: list[list[int]] = [[] for _ in range(len(ids))] if stop else []

    def add(self, position: int, token: Tensor, drawn: Tensor, own: Tensor) -> None:
        last = self._last(token)
        part = self.parts[-1]
        part.token.append(token)
        part.drawn.append(drawn)
        part.own.append(own)
        if last is not None:
            self.ended = self.ended | last
            part.last.append(last)
        if self.tight:
            self.ended = self.ended | (self.left <= position + 1)

    def _last(self, token: Tensor) -> Tensor | None:
        """[b], whether the answer ends with this token; None where no token ends one."""
        last = None
        if self.several is not None:
            last = torch.isin(token, self.several)
        elif self.ends:
            last = token == self.ends[0]
        if not self.stop:
            return last
        found = [self._stops(row, each) for row, each in enumerate(token.tolist())]
        told = torch.tensor(found, dtype=torch.bool, device=token.device)
        return told if last is None else last | told

    def _stops(self, row: int, token: int) -> bool:
        self.tails[row] = [*self.tails[row][1 - self.window :], token]
        text = self.model.decode(self.tails[row])
        return any(each in text for each in self.stop)

    def count_ended(self) -> int:
        return int(self.ended.sum()) if self.ends or self.stop or self.tight else 0

    def select(self, going: Tensor) -> None:
        self.here = going if self.here is None else self.here[going]
        self.ended, self.left = self.ended[going], self.left[going]
        if self.tails:
            self.tails = [self.tails[row] for row in going.tolist()]
        self.parts.append(_Part(self.here, self.parts[-1].first + len(self.parts[-1].token), [], [], [], []))

    def decoded(self) -> Decoded:
        length = self.parts[-1].first + len(self.parts[-1].token)
        shape, device = (self.total, length), self.ended.device
        ids = torch.full(shape, self.model.pad, dtype=torch.int64, device=device)
        drawn, own = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        last = torch.zeros(shape, dtype=torch.bool, device=device)
        for part in self.parts:
            if not part.token:
                continue
            where = slice(part.first, part.first + len(part.token))
            for whole, some in ((ids, part.token), (drawn, part.drawn), (own, part.own), (last, part.last)):
                if some:
                    whole[slice(None) if part.rows is None else part.rows, where] = torch.stack(some, dim=1)
        told = last.any(dim=1)
        first = torch.where(told, last.byte().argmax(dim=1) + 1, length) if length else self.room
        first = torch.minimum(first, self.room)
        mask = torch.arange(length, device=device) < first.unsqueeze(1)
        truncated = ~(last & mask).any(dim=1)
        width = int(first.max()) if self.total and length else length
        out = ~mask
        return Decoded(
            ids=ids.masked_fill(out, self.model.pad)[:, :width], mask=mask[:, :width],
            behaviour_logps=drawn.masked_fill(out, 0.0)[:, :width], old_logps=own.masked_fill(out, 0.0)[:, :width],
            truncated=truncated,
        )  # fmt: skip
