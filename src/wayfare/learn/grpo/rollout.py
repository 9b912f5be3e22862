"""One turn: a prompt is read, an answer is drawn, and that is the whole of the trajectory.

Draws are addressed by (seed, step, attempt, number of the row among those of all processes, position): the same row
draws the same tokens on one process or on many, whatever its company.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.language.causal import CausalModel
from wayfare.language.decoding import decode
from wayfare.language.sampler import Sampler
from wayfare.learn.grpo.seams import Asked
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["SingleTurn", "left_padded"]

ATTEMPTS = 1024


class SingleTurn:
    """sampler: how tokens are drawn        stop: texts at which an answer ends
    rows: drawn side by side; None: all        evaluation: the sampler in evaluation; None: at temperature 1
    """

    free = ("rows",)
    """See `wayfare.learn.grpo.identity`."""

    def __init__(
        self,
        sampler: Sampler | None = None,
        *,
        stop: tuple[str, ...] = (),
        rows: int | None = None,
        evaluation: Sampler | None = None,
    ) -> None:
        if rows is not None and rows < 1:
            raise BadValue("rows", rows, "at least 1, or None")
        self.sampler = Sampler() if sampler is None else sampler
        self.evaluation = Sampler() if evaluation is None else evaluation
        self.stop, self.rows = stop, rows

    def collect(self, model: CausalModel, asked: Asked) -> RolloutBatch:
        """See `wayfare.learn.grpo.seams.Rollout`."""
        device = next(iter(model.module.parameters())).device
        known: dict[int, list[int]] = {}
        for key, prompt in zip(asked.keys.tolist(), asked.prompts, strict=True):
            if key not in known:
                known[key] = model.encode(prompt)
        ids, valid = left_padded([known[key] for key in asked.keys.tolist()], model.pad)
        stream = Stream(asked.seed, "answers" if asked.train else "answers in evaluation")
        at = asked.step * ATTEMPTS + asked.attempt if asked.train else 0
        parts = []
        sampler = self.sampler if asked.train else self.evaluation
        for some in torch.arange(len(ids)).split(self.rows or max(1, len(ids))):
            uniforms = partial(_uniforms, stream, asked.numbers[some].to(device), at)
            parts.append(
                decode(
                    model, ids[some].to(device), valid[some].to(device), asked.new, sampler=sampler, uniforms=uniforms,
                    step=asked.step, stop=self.stop,
                )
            )  # fmt: skip
        length = max((part.ids.shape[1] for part in parts), default=0)
        drawn, mask, behaviour, old = (
            torch.cat([_wide(getattr(part, name), length, model.pad if name == "ids" else 0) for part in parts]).cpu()
            for name in ("ids", "mask", "behaviour_logps", "old_logps")
        )
        rows = torch.arange(len(ids))
        return RolloutBatch(
            prompt_ids=ids, prompt_mask=valid, completion_ids=drawn, completion_mask=mask, loss_mask=mask.float(),
            group_id=asked.group_id, trajectory=asked.numbers, turn=torch.zeros_like(rows),
            behaviour_logps=behaviour, old_logps=old, truncated=torch.cat([part.truncated for part in parts]).cpu(),
            prompt_key=asked.keys, born_step=torch.full_like(rows, asked.step), prompts=tuple(asked.prompts),
            texts=tuple(model.decode(row[there].tolist()) for row, there in zip(drawn, mask, strict=True)),
        )  # fmt: skip


def _uniforms(stream: Stream, numbers: Tensor, at: int, position: int) -> Tensor:
    drawn: Tensor = stream.uniform(numbers, at, position)
    return drawn


def left_padded(rows: list[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    """(ids [B, P] int64, valid [B, P] bool). Raises: BadValue for a row without a token."""
    for number, row in enumerate(rows):
        if not row:
            raise BadValue(f"prompt {number}", "", "at least one token")
    width = max(map(len, rows), default=0)
    ids = torch.tensor([[*[pad] * (width - len(row)), *row] for row in rows], dtype=torch.int64).view(len(rows), width)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, torch.arange(width) >= width - lengths.unsqueeze(1)


def _wide(value: Tensor, length: int, fill: int) -> Tensor:
    return torch.nn.functional.pad(value, (0, length - value.shape[1]), value=fill)
