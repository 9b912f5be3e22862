"""Reward for answers that differ: from the others of their group, or from what earlier groups gave.

    EllipticalBonus   beta x ridge leverage of an answer's features within its group                        (1)
    CopyBonus         beta / m, m = how often the same text stands in its group                             (2)
    RankBonus         beta x (answers of the group that are likelier) / (n - 1), if it is right              (3)

(1) needs `features`; it is 0 in groups without a right answer where the gate is closed to them, as published. With
G = 16 answers, features projected to 32 numbers and a ridge far below their scale, an answer that stands m times has
leverage near 1 / m - 1 / 16: that is (2), the simple rule it must be compared to.

Sources: (1) Tuyls et al. 2025 (arXiv 2510.11686); (2) ours; (3) after He et al. 2025 (arXiv 2506.02355), who pay
unlikely right answers more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.explore.leverage import UNSOLVED, Closed, gated, leverage, random_projection
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["CopyBonus", "EllipticalBonus", "RankBonus"]

ALIKE = 1e-4
"""Nats by which log-probabilities of one answer may differ between two passes."""


class EllipticalBonus:
    """(1), from `batch.features`.

    beta: weight        ridge: lambda        adaptive: lambda is ridge times the mean eigenvalue of the group
    width: of a random projection, a new one each step; None: features as they are
    closed: gates, see `wayfare.explore.leverage.gated`; () leaves all open        right: least extrinsic reward of one
    """

    def __init__(
        self, beta: float = 0.01, ridge: float = 0.01, *, width: int | None = 32, adaptive: bool = False,
        leave_one_out: bool = False, closed: tuple[Closed, ...] = UNSOLVED, right: float = 1.0, seed: int = 0,
    ) -> None:  # fmt: skip
        if width is not None and width < 1:
            raise BadValue("width", width, "at least 1, or None")
        self.beta, self.ridge, self.width, self.adaptive = beta, ridge, width, adaptive
        self.leave_one_out, self.closed, self.right, self.seed = leave_one_out, tuple(closed), right, seed
        self.steps = 0

    def score(self, batch: RolloutBatch) -> Tensor:
        """See `wayfare.learn.grpo.seams.Bonus`."""
        if batch.features is None:
            raise BadValue("features", None, "given to the trainer: this bonus compares them")
        assert batch.extrinsic is not None
        x = batch.features
        if self.width is not None:
            # as precise as the features are: their rounding must not be taken for novelty
            x = random_projection(x, self.width, self.seed, self.steps).to(x.dtype)
        found = leverage(
            x, self.ridge, batch.group_id, adaptive=self.adaptive, leave_one_out=self.leave_one_out
        )  # fmt: skip
        right = batch.extrinsic >= self.right  # false for NaN
        return self.beta * gated(found, right, batch.group_id, self.closed).float()

    def update(self, batch: RolloutBatch) -> None:
        """The next step has another projection."""
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """Steps done."""
        return {"steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken."""
        self.steps = int(state["steps"])


class CopyBonus:
    """(2). closed, right: as `EllipticalBonus`"""

    def __init__(self, beta: float = 0.01, *, closed: tuple[Closed, ...] = UNSOLVED, right: float = 1.0) -> None:
        self.beta, self.closed, self.right = beta, tuple(closed), right

    def score(self, batch: RolloutBatch) -> Tensor:
        """See `wayfare.learn.grpo.seams.Bonus`."""
        assert batch.texts is not None and batch.extrinsic is not None
        named = list(zip(batch.group_id.tolist(), batch.texts, strict=True))
        copies = Counter(named)
        found = torch.tensor([1.0 / copies[each] for each in named])
        right = batch.extrinsic >= self.right  # false for NaN
        return self.beta * gated(found, right, batch.group_id, self.closed)


class RankBonus:
    """(3). right: least extrinsic reward of a right answer"""

    def __init__(self, beta: float = 0.25, *, right: float = 1.0) -> None:
        self.beta, self.right = beta, right

    def score(self, batch: RolloutBatch) -> Tensor:
        """See `wayfare.learn.grpo.seams.Bonus`."""
        assert batch.extrinsic is not None
        logp = (batch.old_logps * batch.completion_mask).sum(dim=1)
        others = batch.group_id.unsqueeze(1) == batch.group_id
        likelier = others & (logp - logp.unsqueeze(1) > ALIKE)
        found = likelier.sum(dim=1) / (others.sum(dim=1) - 1).clamp(min=1)
        return self.beta * torch.where(batch.extrinsic >= self.right, found, 0.0)
