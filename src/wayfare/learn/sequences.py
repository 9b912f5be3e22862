"""Sequences of decisions across episode ends, and the replay that remembers the latest of them.

A sequence is one copy of a world from a reset on, T steps long: it may hold many inner episodes and more than one
block. Networks are rerun over all of it, so no recurrent state is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.memory.cards import (
    Consolidation,
    Forgetting,
    Form,
    Formation,
    Function,
    MemoryCard,
    Retrieval,
    Scope,
    Topology,
    Updating,
)

__all__ = ["RUNNING", "TASK_ENDED", "TASK_TRUNCATED", "Replay", "Sequences"]

# Learners import no world; a test holds these equal to `wayfare.worlds.boundary`.
RUNNING = 0
TASK_ENDED = 3  # codes from here on end the task
TASK_TRUNCATED = 4


@dataclass(frozen=True)
class Sequences:
    """S rows of B sequences of T steps; o_0, a_0, r_0, code_0, o_1, ..., o_T.

    obs: [S, T+1, B, O] float32; after a task's end the next block's first observation
    action: [S, T, B] int64
    reward: [S, T, B] float32, unitless
    boundary: [S, T, B] int8, what ended with the step
    start: [S, T+1, B] bool, the first decision of an episode of memory; False at T when obs[T] is the final
        observation of a block that ended there
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    boundary: Tensor
    start: Tensor

    @property
    def rows(self) -> int:
        """S"""
        return self.action.shape[0]

    @property
    def steps(self) -> int:
        """T"""
        return self.action.shape[1]

    @property
    def copies(self) -> int:
        """B"""
        return self.action.shape[2]


class Replay:
    """The last `capacity` sequences of each row, sampled with replacement.

    Every row draws its own picks, so that row s samples as it would alone.

    Raises: BadValue for a capacity below 1.
    """

    card = MemoryCard(
        form={Form.TOKEN}, topology={Topology.FLAT}, function={Function.CASE}, formation={Formation.VERBATIM},
        consolidation={Consolidation.NONE}, updating={Updating.NONE}, forgetting={Forgetting.TIME},
        retrieval={Retrieval.NONE}, scope={Scope.MODEL_MEMORY}, deletable="no",
    )  # fmt: skip
    """Sampled, not searched: all that it holds may come."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise BadValue("capacity", capacity, "at least 1")
        self.capacity = capacity
        self.size = 0  # sequences of each row held
        self._next = 0
        self._store: dict[str, Tensor] = {}

    def add(self, batch: Sequences) -> None:
        """Remember a batch; the oldest sequences make room.

        Raises: BadValue when the batch does not fit or has another shape than those before.
        """
        if batch.copies > self.capacity:
            raise BadValue("batch", batch.copies, f"at most {self.capacity} sequences a row")
        for field in fields(batch):
            # Copy-major, so that a sampled sequence is one contiguous piece.
            piece = getattr(batch, field.name).movedim(2, 1)
            if field.name not in self._store:
                self._store[field.name] = piece.new_zeros(piece.shape[0], self.capacity, *piece.shape[2:])
            store = self._store[field.name]
            if store.shape[0] != piece.shape[0] or store.shape[2:] != piece.shape[2:]:
                raise BadValue(field.name, tuple(piece.shape), f"shaped as the batches before, {tuple(store.shape)}")
            head = min(batch.copies, self.capacity - self._next)
            store[:, self._next : self._next + head] = piece[:, :head]
            store[:, : batch.copies - head] = piece[:, head:]
        self._next = (self._next + batch.copies) % self.capacity
        self.size = min(self.capacity, self.size + batch.copies)

    def sample(self, uniform: Tensor) -> Sequences:
        """uniform: [S, B] in (0, 1), each row's own draws -> B sequences a row, uniform over those held.

        Raises: BadValue when nothing is held.
        """
        if not self.size:
            raise BadValue("replay", 0, "filled before it is sampled")
        pick = (uniform * self.size).long().clamp_(max=self.size - 1)
        rows = torch.arange(pick.shape[0], device=pick.device).unsqueeze(1)
        return Sequences(**{name: store[rows, pick].movedim(1, 2) for name, store in self._store.items()})
