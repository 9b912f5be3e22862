"""How reward and bonus become one number, and which rows are learned from.

    ScheduledBonus     extrinsic + weight(step) x bonus
    WidestGroups       keeps the share of groups whose rewards spread most
    Readable           drops answers that repeat themselves or were cut off
    AllOf              rows that every one of several filters keeps

A dropped row is not learned from; its reward stays in its group's mean, so that never to answer still costs.

Source: Qin et al. 2025 (arXiv 2509.22601) for schedule and filters, the latter under the name Dr.BoT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.learn.grpo.experience import last_rows
from wayfare.learn.grpo.seams import RowFilter
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["AllOf", "Readable", "ScheduledBonus", "WidestGroups"]


class ScheduledBonus:
    """weight: of a training step from 0, as `wayfare.explore.annealing.CosineFall`"""

    def __init__(self, weight: Callable[[int], float]) -> None:
        self.weight = weight

    def combine(self, extrinsic: Tensor, bonus: Tensor, group_id: Tensor, step: int) -> Tensor:
        """See `wayfare.learn.grpo.seams.Shaper`."""
        return extrinsic + self.weight(step) * bonus


class WidestGroups:
    """share: of the groups, those whose rewards have the greatest deviation; ties by a draw from the seed"""

    def __init__(self, share: float = 0.75, seed: int = 0) -> None:
        if not 0 < share <= 1:
            raise BadValue("share", share, "above 0 and at most 1")
        self.share, self.draws = share, Stream(seed, "groups of equal spread")

    def keep(self, batch: RolloutBatch) -> Tensor:
        """See `wayfare.learn.grpo.seams.RowFilter`."""
        assert batch.reward is not None
        last = last_rows(batch)
        last = last[~batch.reward[last].isnan()]
        there = torch.unique(batch.group_id)  # others were thrown away before
        group, reward = torch.searchsorted(there, batch.group_id), batch.reward[last].double()
        zeros, at = torch.zeros(len(there), dtype=torch.float64), group[last]
        count = zeros.index_add(0, at, torch.ones_like(reward))
        mean = zeros.index_add(0, at, reward) / count.clamp(min=1)
        apart = (reward - mean[at]).square()
        spread = (zeros.index_add(0, at, apart) / (count - 1).clamp(min=1)).sqrt()
        step = 0 if batch.born_step is None or not len(batch) else int(batch.born_step.max())
        # rounded, since rounding noise in equal rewards is no spread
        order = torch.argsort(self.draws.uniform(there, step))
        order = order[torch.argsort((spread[order] * 1e6).round(), descending=True, stable=True)]
        chosen = torch.zeros(len(there), dtype=torch.bool)
        chosen[order[: max(1, round(self.share * len(there)))]] = True
        return chosen[group]


class Readable:
    """grams, times: an answer that has some n-gram of tokens so often is dropped        cut: so is what has no end"""

    def __init__(self, grams: int = 20, times: int = 10, cut: bool = True) -> None:
        if grams < 1 or times < 2:
            raise BadValue("grams, times", (grams, times), "at least 1, at least 2")
        self.grams, self.times, self.cut = grams, times, cut

    def keep(self, batch: RolloutBatch) -> Tensor:
        """See `wayfare.learn.grpo.seams.RowFilter`."""
        good = ~batch.truncated if self.cut else torch.ones_like(batch.truncated)
        if batch.completion_ids.shape[1] < self.grams + self.times - 1:
            return good
        repeats = [
            self._repeats(ids[mask].tolist())
            for ids, mask in zip(batch.completion_ids, batch.completion_mask, strict=True)
        ]
        return good & ~torch.tensor(repeats, dtype=torch.bool)

    def _repeats(self, tokens: list[int]) -> bool:
        seen: dict[tuple[int, ...], int] = {}
        for first in range(len(tokens) - self.grams + 1):
            gram = tuple(tokens[first : first + self.grams])
            seen[gram] = seen.get(gram, 0) + 1
            if seen[gram] >= self.times:
                return True
        return False


class AllOf:
    """filters: in any order"""

    def __init__(self, filters: Sequence[RowFilter]) -> None:
        self.filters = list(filters)

    def keep(self, batch: RolloutBatch) -> Tensor:
        """See `wayfare.learn.grpo.seams.RowFilter`."""
        kept = torch.ones(len(batch), dtype=torch.bool)
        for each in self.filters:
            kept = kept & each.keep(batch)
        return kept
