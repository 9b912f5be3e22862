"""From rewards to advantages, as the trainer asks for them: the estimators of `wayfare.learn.credit` as parts.

A row whose reward is NaN counts nowhere and gets 0; so does one that is alone in its group, which a budget or a filter
may leave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from wayfare.errors import BadValue
from wayfare.learn.credit import group_advantages

__all__ = ["GroupRelative", "LeaveOneOut"]


@dataclass(frozen=True)
class GroupRelative:
    """(r - mean of the group) / (deviation + 1e-4), of the group, of the batch, or not divided at all.

    clip: largest absolute advantage, above 0; None: none is cut
    """

    scale: Literal["group", "batch", "none"] = "group"
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.scale not in ("group", "batch", "none"):
            raise BadValue("scale", self.scale, "one of group, batch, none")
        _check_clip(self.clip)

    def advantage(self, reward: Tensor, group_id: Tensor, groups: int) -> Tensor:
        """See `wayfare.learn.grpo.seams.Advantage`."""
        return _clipped(group_advantages(reward, group_id, self.scale, lone="zero"), self.clip)


@dataclass(frozen=True)
class LeaveOneOut:
    """r - mean of the others of the group (RLOO). clip: as above"""

    clip: float | None = None

    def __post_init__(self) -> None:
        _check_clip(self.clip)

    def advantage(self, reward: Tensor, group_id: Tensor, groups: int) -> Tensor:
        """See `wayfare.learn.grpo.seams.Advantage`."""
        return _clipped(group_advantages(reward, group_id, "rloo", lone="zero"), self.clip)


def _clipped(found: Tensor, clip: float | None) -> Tensor:
    return found if clip is None else found.clamp(-clip, clip)


def _check_clip(clip: float | None) -> None:
    if clip is not None and not 0 < clip < math.inf:
        raise BadValue("clip", clip, "above 0 and finite, or None")
