"""What a part is shown it must leave as it is: the one that writes into a tensor of the batch is named.

Rewards, answers and masks are shared by all parts of a step. One that centres `batch.extrinsic` in place, by torch or
through NumPy, would change what every other part reads, and nobody would be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["unchanged"]


@contextmanager
def unchanged(seam: str, part: Any, shown: RolloutBatch | Tensor, name: str = "batch") -> Iterator[None]:
    """Around a call of a part of the seam. name: of what it is shown

    Raises: BadValue that names the first tensor that is not what it was.
    """
    tensors = _tensors(shown, name)
    before = {place: each.clone() for place, each in tensors.items()}
    yield
    for place, each in tensors.items():
        if not _same(before[place], each):
            raise BadValue(
                seam, f"{type(part).__name__}, which wrote into {place}",
                "a part that leaves what it is shown as it is, and works on a clone of it",
            )  # fmt: skip


def _tensors(shown: RolloutBatch | Tensor, name: str) -> dict[str, Tensor]:
    if isinstance(shown, Tensor):
        return {name: shown}
    told = {f"{name}.{each.name}": getattr(shown, each.name) for each in fields(shown)}
    extras = {f"{name}.extras[{key!r}]": value for key, value in shown.extras.items()}
    return {place: value for place, value in {**told, **extras}.items() if isinstance(value, Tensor)}


def _same(before: Tensor, now: Tensor) -> bool:
    if before.shape != now.shape or before.dtype != now.dtype:
        return False
    if torch.equal(before, now):
        return True
    return before.is_floating_point() and bool(((before == now) | (before.isnan() & now.isnan())).all())
