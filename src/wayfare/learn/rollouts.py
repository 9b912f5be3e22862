"""What a language model did, as the tensors that a policy gradient reads: one row an answer.

    prompt_ids, prompt_mask           [B, P] int64, bool       padded on the left
    completion_ids, completion_mask   [B, T] int64, bool       padded on the right; the end token is part of it
    loss_mask                         [B, T] float32           what is learned of it
    group_id                          [B] int64 from 0         answers of one task, in any order and any number
    trajectory, turn                  [B] int64                a row is one turn of a trajectory
    behaviour_logps                   [B, T] float32           under the distribution that was drawn from
    old_logps                         [B, T] float32           at temperature 1 under the weights that drew
    truncated                         [B] bool                 ended without an end token
    ref_logps                         [B, T] float32 or None   of a frozen reference
    reward                            [B] float32 or None
    advantages                        [B] or [B, T] float32 or None

Where a mask is false, log-probabilities are 0, so that sums are safe. One conversation told turn by turn is as many
rows as it has turns, each with what was known before it as its prompt: the gradient of a token is the same in one long
row or in several short ones, since losses are sums over tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.language.interface import Prompt, Samples
from wayfare.language.local import TransformersModel

__all__ = ["RolloutBatch", "joined", "rollout_of"]


@dataclass(frozen=True, eq=False)
class RolloutBatch:
    """See the module. Raises: BadValue for the first field whose shape does not fit."""

    prompt_ids: Tensor
    prompt_mask: Tensor
    completion_ids: Tensor
    completion_mask: Tensor
    loss_mask: Tensor
    group_id: Tensor
    trajectory: Tensor
    turn: Tensor
    behaviour_logps: Tensor
    old_logps: Tensor
    truncated: Tensor
    ref_logps: Tensor | None = None
    reward: Tensor | None = None
    advantages: Tensor | None = None

    def __post_init__(self) -> None:
        rows, length = self.completion_ids.shape
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            allowed = _SHAPES.get(field.name, (("B", "T"),))
            shapes = [tuple(rows if n == "B" else length if n == "T" else value.shape[1] for n in s) for s in allowed]
            if tuple(value.shape) not in shapes:
                raise BadValue(field.name, list(value.shape), " or ".join(str(list(shape)) for shape in shapes))

    def __len__(self) -> int:
        return len(self.completion_ids)

    def rows(self, index: Tensor) -> RolloutBatch:
        """Some of the rows, in this order; index: [N] int64."""
        return self._each(lambda value: value[index])

    def to(self, device: torch.device | str) -> RolloutBatch:
        """The same on another device."""
        return self._each(lambda value: value.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> RolloutBatch:
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        made: dict[str, Any] = {name: None if value is None else change(value) for name, value in told.items()}
        return RolloutBatch(**made)

    def sequences(self) -> tuple[Tensor, Tensor]:
        """(ids, valid) [B, P + T], without columns of padding in front of every prompt."""
        width = int(self.prompt_mask.sum(dim=1).max())
        ids = torch.cat([self.prompt_ids[:, self.prompt_ids.shape[1] - width :], self.completion_ids], dim=1)
        valid = torch.cat([self.prompt_mask[:, self.prompt_mask.shape[1] - width :], self.completion_mask], dim=1)
        return ids, valid.long()


_SHAPES: dict[str, tuple[tuple[str, ...], ...]] = {
    "prompt_ids": (("B", "P"),), "prompt_mask": (("B", "P"),), "group_id": (("B",),), "trajectory": (("B",),),
    "turn": (("B",),), "truncated": (("B",),), "reward": (("B",),), "advantages": (("B",), ("B", "T")),
}  # fmt: skip


def rollout_of(
    model: TransformersModel, prompts: Sequence[Prompt], told: Samples, *, group_id: Tensor, turn: int = 0
) -> RolloutBatch:
    """One answer to each prompt, as `TransformersModel.generate` gave them; row b is trajectory b.

    group_id: [B] int64

    Raises: BadValue where the number of answers is not that of prompts, or a backend did not tell its tokens.
    """
    if len(told) != len(prompts):
        raise BadValue("told", f"{len(told)} answers", f"{len(prompts)}, one a prompt")
    if bool((told.token_ids < 0).any()):
        raise BadValue("told", "answers without their tokens", "those of a model that runs here")
    before = [model.encode(prompt) for prompt in prompts]
    width = max(map(len, before))
    mask = torch.from_numpy(told.mask)
    rows = torch.arange(len(prompts))
    return RolloutBatch(
        prompt_ids=torch.tensor([[*[0] * (width - len(row)), *row] for row in before]),
        prompt_mask=torch.tensor([[*[False] * (width - len(row)), *[True] * len(row)] for row in before]),
        completion_ids=torch.from_numpy(told.token_ids), completion_mask=mask, loss_mask=mask.float(),
        group_id=group_id, trajectory=rows, turn=torch.full_like(rows, turn),
        behaviour_logps=torch.from_numpy(told.logprobs), old_logps=torch.from_numpy(told.logprobs_at_one),
        truncated=torch.tensor([finish == "length" for finish in told.finish]),
    )  # fmt: skip


def joined(parts: Sequence[RolloutBatch]) -> RolloutBatch:
    """All rows in one batch, in order. Raises: BadValue for none, or a field that only some of them have."""
    if not parts:
        raise BadValue("parts", [], "at least one")
    width = max(part.prompt_ids.shape[1] for part in parts)
    length = max(part.completion_ids.shape[1] for part in parts)
    made: dict[str, Any] = {}
    for field in fields(RolloutBatch):
        values = [getattr(part, field.name) for part in parts]
        if any(value is None for value in values):
            if not all(value is None for value in values):
                raise BadValue(field.name, "given in some parts", "in all of them or in none")
            made[field.name] = None
            continue
        if field.name.startswith("prompt"):
            values = [torch.nn.functional.pad(value, (width - value.shape[1], 0)) for value in values]
        elif values[0].ndim == 2:
            values = [torch.nn.functional.pad(value, (0, length - value.shape[1])) for value in values]
        made[field.name] = torch.cat(values)
    return RolloutBatch(**made)
