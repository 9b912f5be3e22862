"""How many answers each prompt of a step gets, from what its answers have earned before.

    KnapsackBudget     where a group is likeliest to have both outcomes, and to gain by it
    VarianceBudget     in proportion to p (1 - p)
    SolvableBudget     the same number to each prompt whose p lies within a range, nothing to the others

All remember rewards by the prompt's key and share the total of the step; a prompt that is not known well enough gets
the mean. The allocations themselves are `wayfare.explore.budgets`.

Sources: Li et al. 2025 (arXiv 2509.25849), Knapsack RL; the other two are the simple rules that it is measured against.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.explore.budgets import Knapsack, proportional_to_variance, uniform
from wayfare.explore.outcomes import OutcomeStatistics
from wayfare.learn.grpo.experience import last_rows
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["KnapsackBudget", "SolvableBudget", "VarianceBudget"]


class _Budget:
    """statistics: what is known of each prompt; None: rewards above 0.5 are successes, the rest as published"""

    def __init__(self, statistics: OutcomeStatistics | None = None) -> None:
        self.statistics = OutcomeStatistics(threshold=0.5) if statistics is None else statistics

    def allocate(self, keys: Tensor, total: int) -> Tensor:
        """See `wayfare.learn.grpo.seams.Budget`."""
        chance = self.statistics.chance(keys.tolist())
        return torch.from_numpy(np.asarray(self._shares(chance, total), np.int64))

    def update(self, batch: RolloutBatch) -> None:
        """Takes down what was earned, without bonus."""
        assert batch.prompt_key is not None and batch.extrinsic is not None
        last = last_rows(batch)
        there, number = torch.unique(batch.group_id[last], return_inverse=True)
        keys = torch.zeros_like(there)
        keys[number] = batch.prompt_key[last]
        self.statistics.record_groups(keys.tolist(), number.numpy(), batch.extrinsic[last].double().numpy())

    def state_dict(self) -> dict[str, Any]:
        """Of the statistics."""
        return self.statistics.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up where `state_dict` was taken."""
        self.statistics.load_state_dict(dict(state))

    def _shares(self, chance: npt.NDArray[np.float64], total: int) -> npt.NDArray[np.int64]:
        raise NotImplementedError


class KnapsackBudget(_Budget):
    """See the module. knapsack: least and most answers, and what to do where few prompts are solvable"""

    def __init__(
        self, statistics: OutcomeStatistics | None = None, knapsack: Knapsack | None = None, **limits: Any
    ) -> None:
        super().__init__(statistics)
        if knapsack is not None and limits:
            raise BadValue("limits", limits, "none where a knapsack is given")
        self.knapsack = Knapsack(**limits) if knapsack is None else knapsack

    def _shares(self, chance: npt.NDArray[np.float64], total: int) -> npt.NDArray[np.int64]:
        return self.knapsack.allocate(chance, total).n


class VarianceBudget(_Budget):
    """n_low, n_up: least and most answers of a prompt"""

    def __init__(self, statistics: OutcomeStatistics | None = None, n_low: int = 2, n_up: int = 128) -> None:
        super().__init__(statistics)
        self.n_low, self.n_up = n_low, n_up

    def _shares(self, chance: npt.NDArray[np.float64], total: int) -> npt.NDArray[np.int64]:
        return proportional_to_variance(chance, total, self.n_low, self.n_up)


class SolvableBudget(_Budget):
    """low, high: a prompt is asked while its p lies strictly between, or is unknown; where none does, all are"""

    def __init__(self, statistics: OutcomeStatistics | None = None, low: float = 0.1, high: float = 0.9) -> None:
        super().__init__(statistics)
        if not 0 <= low < high <= 1:
            raise BadValue("low, high", (low, high), "in rising order, between 0 and 1")
        self.low, self.high = low, high

    def _shares(self, chance: npt.NDArray[np.float64], total: int) -> npt.NDArray[np.int64]:
        wanted = np.isnan(chance) | ((chance > self.low) & (chance < self.high))
        if not wanted.any():
            wanted = np.ones_like(wanted)
        shares = np.zeros(len(chance), np.int64)
        shares[wanted] = uniform(int(wanted.sum()), total)
        return shares
