"""The discount table: how much of the future counts after each kind of boundary.

All of the condition "long-horizon credit" is this table. `running` is gamma_step, the two episode codes are
gamma_episode, and a task's end is worth nothing unless told otherwise. A learner's bootstrap is
`g(code_t) * value(h_{t+1})` and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["DiscountTable"]

Discount = float | tuple[float, ...]


@dataclass(frozen=True)
class DiscountTable:
    """g(code), a field for each code in the codes' order; a float holds for all rows, a tuple gives each its own.

    running: the inner episode goes on (gamma_step)
    episode_terminated, episode_truncated: it ended, the task comes back (gamma_episode)
    task_terminated, task_truncated: the block ended and the next task is another

    Raises: BadValue for a discount outside [0, 1] or tuples of different lengths.
    """

    running: Discount
    episode_terminated: Discount
    episode_truncated: Discount
    task_terminated: Discount = 0.0
    task_truncated: Discount = 0.0

    def __post_init__(self) -> None:
        rows = 1
        for field in fields(self):
            value = getattr(self, field.name)
            if not all(0.0 <= each <= 1.0 for each in _each(value)) or not _each(value):
                raise BadValue(field.name, value, "between 0 and 1")
            if isinstance(value, tuple):
                if rows > 1 and len(value) != rows:
                    raise BadValue(field.name, value, f"one discount or one for each of {rows} rows")
                rows = max(rows, len(value))

    @classmethod
    def by_rows(cls, step: Sequence[float], episode: Sequence[float]) -> DiscountTable:
        """Row s discounts by step[s] inside an episode and by episode[s] at its end; a task's end counts 0."""
        return cls(tuple(step), tuple(episode), tuple(episode))

    @cached_property
    def rows(self) -> Tensor:
        """[S or 1, 5] float32, column = code."""
        columns = [_each(getattr(self, field.name)) for field in fields(self)]
        rows = max(len(column) for column in columns)
        return torch.tensor([column if len(column) == rows else column * rows for column in columns]).T.contiguous()

    def of(self, boundary: Tensor) -> Tensor:
        """boundary: [S, ...] integer codes -> [S, ...] float32, the discount of each step.

        Raises: BadValue when the table has another number of rows.
        """
        count = boundary.shape[0]
        if self.rows.shape[0] not in (1, count):
            raise BadValue("boundary", tuple(boundary.shape), f"codes of {self.rows.shape[0]} rows, the row first")
        table = self.rows.to(boundary.device).expand(count, -1)
        return table.gather(1, boundary.reshape(count, -1).long()).view(boundary.shape)

    @property
    def highest(self) -> Tensor:
        """[S or 1]: the largest discount of each row."""
        return self.rows.amax(dim=1)


def _each(value: Discount) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)
