"""Answers that worked, once more: self-imitation of recent successes, and plain fine-tuning on them to compare it with.

    SelfImitation        the clipped loss on stored rows, the ratio being to the policy that produced them, with
                         A~ = R - median of the recent group means, and the weight gamma(step)               (1)
    SuccessFineTuning    -log pi of rows with R above a threshold, whoever produced them                    (2)

Both keep rows in a `wayfare.explore.success_buffer.SuccessBuffer`, which says when a burst is due: one optimiser step
after those of the step's own rows, and an empty buffer. A row is replayed in a later step than its own, never in the
same. R is the task's reward: the median of a shaped one falls as its bonus fades, and old rows then look too good.

Rows without a token to learn, as filters leave them, are not stored.

Source: (1) Qin et al. 2025 (arXiv 2509.22601), SPEAR, which takes R with its bonus; (2) is the simple rule that it is
measured against.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.explore.annealing import CosineRise
from wayfare.explore.success_buffer import Row, SuccessBuffer
from wayfare.learn.grpo.experience import last_rows
from wayfare.learn.grpo.regularisers import ClipCovariance
from wayfare.learn.rollouts import RolloutBatch, joined

__all__ = ["SelfImitation", "SuccessFineTuning"]

Weight = Callable[[int], float]
STORED = (
    "prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "loss_mask", "behaviour_logps", "old_logps",
    "truncated", "turn", "prompt_key", "extrinsic", "reward", "born_step",
)  # fmt: skip


class _Successes:
    """bursts, replayed: how many there were, and rows in them"""

    def __init__(self, buffer: SuccessBuffer, weight: Weight) -> None:
        self.buffer, self.weight = buffer, weight
        self.step = self.bursts = self.replayed = 0

    def sample(self, step: int) -> tuple[RolloutBatch, float] | None:
        """See `wayfare.learn.grpo.seams.AuxiliarySource`. A burst of weight 0 is not taken: its rows wait."""
        self.step = step
        self.buffer.expire(step)
        weight = self.weight(step)
        if weight <= 0 or not self.buffer.ready(step):
            return None
        found = self.buffer.burst(step)
        if not found.rows:
            return None
        self.bursts, self.replayed = self.bursts + 1, self.replayed + len(found.rows)
        batch = joined([_row_of(row) for row in found.rows])
        alone = torch.arange(len(batch))  # trajectories and groups of several steps may have one number
        return self._judged(replace(batch, group_id=alone, trajectory=alone, advantages=found.advantage)), weight

    def update(self, batch: RolloutBatch) -> None:
        """Keeps the step's successes. Raises: BadValue for rows without rewards or advantages."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The buffer, and counts."""
        counts = {name: getattr(self, name) for name in ("step", "bursts", "replayed")}
        return {"buffer": self.buffer.state_dict(), **counts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken."""
        self.buffer.load_state_dict(state["buffer"])
        self.step, self.bursts, self.replayed = (int(state[name]) for name in ("step", "bursts", "replayed"))

    def _judged(self, batch: RolloutBatch) -> RolloutBatch:
        return batch

    def _keep(self, batch: RolloutBatch, reward: Tensor, advantage: Tensor) -> None:
        usable = (batch.loss_mask.sum(dim=1) > 0) & ~reward.isnan()
        rows = usable.nonzero().flatten()
        told = {name: value for name in STORED if (value := getattr(batch, name)) is not None}
        stored = {name: value[rows] for name, value in told.items()}
        self.buffer.add(stored, reward[rows], advantage[rows], self.step)


class SelfImitation(_Successes):
    """(1).

    size, baseline, tolerance, ratio, every, decay, seed: see `SuccessBuffer`
    weight: gamma, of a training step from 0        coefficient: it is multiplied by
    clip: tokens chosen by covariance under the stored log-probabilities have advantage 0, so that their loss is 0 and
        all means are over as many tokens as without; None: none are
    of: 'extrinsic', or 'reward' with bonus and schedule, as published

    Raises: BadValue for a number or a name out of range.
    """

    loss: Literal["policy", "nll"] = "policy"

    def __init__(
        self, size: int = 64, *, baseline: int = 160, tolerance: int = 5, ratio: float = 1.5, every: int | None = 10,
        decay: float | None = None, weight: Weight | None = None, coefficient: float = 1.0,
        clip: ClipCovariance | None = None, of: Literal["extrinsic", "reward"] = "extrinsic", seed: int = 0,
    ) -> None:  # fmt: skip
        if of not in ("extrinsic", "reward"):
            raise BadValue("of", of, "'extrinsic' or 'reward'")
        if not coefficient >= 0:
            raise BadValue("coefficient", coefficient, "at least 0")
        gamma = CosineRise(100) if weight is None else weight
        buffer = SuccessBuffer(
            size, baseline=baseline, tolerance=tolerance, ratio=ratio, every=every, decay=decay, seed=seed
        )
        super().__init__(buffer, lambda step: coefficient * gamma(step))
        self.clip = clip
        self.of: Literal["extrinsic", "reward"] = of

    def update(self, batch: RolloutBatch) -> None:
        """Keeps the rows with an advantage above 0, and the mean of every group."""
        reward, advantage = getattr(batch, self.of), batch.advantages
        if reward is None or advantage is None:
            raise BadValue("batch", "rows without rewards or advantages", "rows with both")
        if advantage.ndim == 2:
            advantage = (advantage * batch.loss_mask).sum(dim=1) / batch.loss_mask.sum(dim=1).clamp(min=1)
        self.buffer.observe(_group_means(batch, reward))
        self._keep(batch, reward, advantage)
        if self.clip is not None:
            self.clip.update(batch)

    def state_dict(self) -> dict[str, Any]:
        """The buffer, counts, and the draws of the clip."""
        return {**super().state_dict(), "clip": {} if self.clip is None else self.clip.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken."""
        super().load_state_dict(state)
        if self.clip is not None:
            self.clip.load_state_dict(state["clip"])

    def _judged(self, batch: RolloutBatch) -> RolloutBatch:
        if self.clip is None:
            return batch
        assert batch.advantages is not None
        clipped = self.clip.chosen(batch)
        return replace(batch, advantages=batch.advantages.unsqueeze(1).masked_fill(clipped, 0.0))


class SuccessFineTuning(_Successes):
    """(2).

    threshold: of the task's reward        size, tolerance, ratio, every, seed: see `SuccessBuffer`
    weight: of a training step from 0; None: 1

    Raises: BadValue for a number out of range.
    """

    loss: Literal["policy", "nll"] = "nll"

    def __init__(
        self, size: int = 64, threshold: float = 0.5, *, tolerance: int = 5, ratio: float = 1.5,
        every: int | None = 10, weight: Weight | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        buffer = SuccessBuffer(size, tolerance=tolerance, ratio=ratio, every=every, decay=1.0, seed=seed)
        super().__init__(buffer, (lambda step: 1.0) if weight is None else weight)
        self.threshold = threshold

    def update(self, batch: RolloutBatch) -> None:
        """Keeps the rows with a reward above the threshold, at an advantage of 1."""
        if batch.extrinsic is None:
            raise BadValue("batch", "rows without rewards", "rows with extrinsic ones")
        above = batch.extrinsic - self.threshold
        self._keep(batch, above, (above > 0).float())


def _row_of(row: Row) -> RolloutBatch:
    """[1, ...] of what was stored."""
    told: dict[str, Any] = {name: value.unsqueeze(0) for name, value in row.items()}
    one = torch.zeros(1, dtype=torch.int64)
    return RolloutBatch(**told, group_id=one, trajectory=one)


def _group_means(batch: RolloutBatch, reward: Tensor) -> Tensor:
    """[M'] of the groups that have a reward, each trajectory counted once."""
    last = last_rows(batch)
    last = last[~reward[last].isnan()]
    _, group, sizes = batch.group_id[last].unique(return_inverse=True, return_counts=True)
    means: Tensor = torch.zeros(len(sizes), dtype=torch.float64).index_add(0, group, reward[last].double()) / sizes
    return means
