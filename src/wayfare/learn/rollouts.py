"""What a language model did, as the tensors that a policy gradient reads: one row an answer.

    prompt_ids, prompt_mask           [B, P] int64, bool       padded on the left
    completion_ids, completion_mask   [B, T] int64, bool       padded on the right; the end token is part of it
    loss_mask                         [B, T] float32           what is learned of it
    group_id                          [B] int64 from 0         answers of one task, in any order and any number
    trajectory, turn                  [B] int64                a row is one turn of a trajectory
    behaviour_logps                   [B, T] float32           under the distribution that was drawn from
    old_logps                         [B, T] float32           at temperature 1 under the weights that drew
    truncated                         [B] bool                 ended without an end token

and, None until some step has made it,

    ref_logps, entropy                [B, T] float32           of a frozen reference; of the policy at temperature 1
    prompt_key                        [B] int64                number of the row's task in its data set, for memories
    rewards_per_func                  [B, F] float32           NaN: a function did not apply
    extrinsic, bonus, reward          [B] float32              of the task, of exploration, of both as they are combined
    features                          [B, D] float32           what a memory compares answers by
    advantages                        [B] or [B, T] float32
    born_step                         [B] int64                step that drew the row
    prompts, texts                    B of each                what was asked, and the answers as texts
    extras                            name -> [B, ...]         what a seam prepared on the whole batch

Where a mask is false, log-probabilities are 0, so that sums are safe. One conversation told turn by turn is as many
rows as it has turns, each with what was known before it as its prompt: the gradient of a token is the same in one long
row or in several short ones, since losses are sums over tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
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
    entropy: Tensor | None = None
    prompt_key: Tensor | None = None
    rewards_per_func: Tensor | None = None
    extrinsic: Tensor | None = None
    bonus: Tensor | None = None
    reward: Tensor | None = None
    features: Tensor | None = None
    advantages: Tensor | None = None
    born_step: Tensor | None = None
    prompts: tuple[Prompt, ...] | None = None
    texts: tuple[str, ...] | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows, length = self.completion_ids.shape
        for name, value in self._present():
            if isinstance(value, tuple):
                if len(value) != rows:
                    raise BadValue(name, f"{len(value)} of them", f"{rows}, one a row")
                continue
            allowed = _SHAPES.get(name, (("B", "T"),))
            shapes = [tuple(rows if n == "B" else length if n == "T" else value.shape[1] for n in s) for s in allowed]
            if tuple(value.shape) not in shapes:
                raise BadValue(name, list(value.shape), " or ".join(str(list(shape)) for shape in shapes))
        for name, value in self.extras.items():
            if value.ndim == 0 or len(value) != rows:
                raise BadValue(f"extras[{name!r}]", list(value.shape), f"[{rows}, ...], rows first")

    def __len__(self) -> int:
        return len(self.completion_ids)

    @property
    def groups(self) -> int:
        """How many tasks were asked, those counted of which no row is left."""
        return int(self.group_id.max()) + 1 if len(self) else 0

    def rows(self, index: Tensor) -> RolloutBatch:
        """Some of the rows, in this order; index: [N] int64."""
        order = index.tolist()
        return self._each(lambda value: value[index], lambda told: tuple(told[row] for row in order))

    def to(self, device: torch.device | str) -> RolloutBatch:
        """The same on another device."""
        return self._each(lambda value: value.to(device), lambda told: told)

    def trimmed(self) -> RolloutBatch:
        """Without the columns behind every answer's end; at least one column is left."""
        length = max(1, int(self.completion_mask.sum(dim=1).max())) if len(self) else 1
        own = self.completion_ids.shape[1]
        if length >= own:
            return self
        made: dict[str, Any] = {}
        for name, value in self._present():
            along = isinstance(value, Tensor) and value.ndim == 2 and ("B", "T") in _SHAPES.get(name, (("B", "T"),))
            made[name] = value[:, :length] if along else value
        extras = {
            name: value[:, :length] if value.ndim > 1 and value.shape[1] == own else value
            for name, value in self.extras.items()
        }
        return RolloutBatch(**made, extras=extras)

    def _present(self) -> list[tuple[str, Any]]:
        named = ((each.name, getattr(self, each.name)) for each in fields(self) if each.name != "extras")
        return [(name, value) for name, value in named if value is not None]

    def _each(
        self, change: Callable[[Tensor], Tensor], pick: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    ) -> RolloutBatch:
        made: dict[str, Any] = {
            name: pick(value) if isinstance(value, tuple) else change(value) for name, value in self._present()
        }
        return RolloutBatch(**made, extras={name: change(value) for name, value in self.extras.items()})

    def sequences(self) -> tuple[Tensor, Tensor]:
        """(ids, valid) [B, P + T], without columns of padding in front of every prompt."""
        width = int(self.prompt_mask.sum(dim=1).max())
        ids = torch.cat([self.prompt_ids[:, self.prompt_ids.shape[1] - width :], self.completion_ids], dim=1)
        valid = torch.cat([self.prompt_mask[:, self.prompt_mask.shape[1] - width :], self.completion_mask], dim=1)
        return ids, valid.long()


_SHAPES: dict[str, tuple[tuple[str, ...], ...]] = {
    "prompt_ids": (("B", "P"),), "prompt_mask": (("B", "P"),), "group_id": (("B",),), "trajectory": (("B",),),
    "turn": (("B",),), "truncated": (("B",),), "prompt_key": (("B",),), "extrinsic": (("B",),), "bonus": (("B",),),
    "reward": (("B",),), "born_step": (("B",),), "advantages": (("B",), ("B", "T")), "features": (("B", "D"),),
    "rewards_per_func": (("B", "F"),),
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
    names = [each.name for each in fields(RolloutBatch) if each.name != "extras"]
    for name in names:
        values = [getattr(part, name) for part in parts]
        if all(value is None for value in values):
            continue
        if any(value is None for value in values):
            raise BadValue(name, "given in some parts", "in all of them or in none")
        made[name] = _stacked(name, values, width, length)
    extras = {}
    for name in {name for part in parts for name in part.extras}:
        if any(name not in part.extras for part in parts):
            raise BadValue(f"extras[{name!r}]", "given in some parts", "in all of them or in none")
        extras[name] = torch.cat([_longer(part.extras[name], part, length) for part in parts])
    return RolloutBatch(**made, extras=extras)


def _stacked(name: str, values: list[Any], width: int, length: int) -> Any:
    if isinstance(values[0], tuple):
        return tuple(each for value in values for each in value)
    if name in ("prompt_ids", "prompt_mask"):
        values = [torch.nn.functional.pad(value, (width - value.shape[1], 0)) for value in values]
    elif ("B", "T") in _SHAPES.get(name, (("B", "T"),)) and values[0].ndim == 2:
        values = [torch.nn.functional.pad(value, (0, length - value.shape[1])) for value in values]
    return torch.cat(values)


def _longer(value: Tensor, part: RolloutBatch, length: int) -> Tensor:
    """An extra that goes along the tokens, as long as the longest answer."""
    own = part.completion_ids.shape[1]
    if value.ndim < 2 or value.shape[1] != own or own == length:
        return value
    return torch.cat([value, value.new_zeros(len(value), length - own, *value.shape[2:])], dim=1)
