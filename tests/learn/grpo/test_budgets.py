"""Budgets: a step's total is shared by what prompts have earned, and what they earn is taken down once a trajectory."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
import torch

from tests.learn.grpo.small import drawn_rows, model
from wayfare.errors import BadValue
from wayfare.explore.budgets import Knapsack
from wayfare.explore.outcomes import OutcomeStatistics
from wayfare.learn.grpo.budgets import KnapsackBudget, SolvableBudget, VarianceBudget
from wayfare.learn.rollouts import RolloutBatch

BUDGETS = (KnapsackBudget, SolvableBudget, VarianceBudget)
NAN = float("nan")


def earned(keys: list[int], groups: list[int], rewards: list[float], **others: Any) -> RolloutBatch:
    told = {"prompt_key": torch.tensor(keys), "group_id": torch.tensor(groups), "extrinsic": torch.tensor(rewards)}
    return replace(drawn_rows(model(), len(keys)), **{**told, **others})


def known(budget: Any, chances: dict[int, float], many: int = 20) -> Any:
    """Each prompt has been seen `many` times."""
    for key, chance in chances.items():
        right = round(chance * many)
        budget.update(earned([key] * many, [0] * many, [1.0] * right + [0.0] * (many - right)))
    return budget


@pytest.mark.parametrize("kind", BUDGETS)
def test_unknown_prompts_get_the_mean_and_every_share_sums_to_the_total(kind: Any) -> None:
    told = kind().allocate(torch.tensor([5, 3, 9]), 24)
    assert told.dtype == torch.int64 and told.tolist() == [8, 8, 8]
    assert int(known(kind(), {1: 0.3}).allocate(torch.arange(7), 60).sum()) == 60


def test_the_knapsack_moves_answers_from_solved_prompts_to_those_that_may_be_either() -> None:
    budget = known(KnapsackBudget(), {0: 1.0, 1: 0.2, 2: 0.0, 3: 0.5})
    told = budget.allocate(torch.arange(4), 32)
    wanted = Knapsack().allocate([1.0, 0.2, 0.0, 0.5], 32).n
    assert told.tolist() == wanted.tolist() and told[0] == 2 and told[1] > told[3]
    # an unknown prompt has the mean, and a share of what the one between cannot use
    assert budget.allocate(torch.tensor([0, 1, 7]), 24).tolist() == [4, 10, 10]


def test_answers_go_by_variance_and_an_unknown_prompt_keeps_the_mean() -> None:
    budget = known(VarianceBudget(n_low=1), {0: 0.5, 1: 0.05})
    told = budget.allocate(torch.tensor([0, 1, 7]), 30)
    assert told[2] == 10 and told.sum() == 30
    assert told[0] / told[1] == pytest.approx(0.25 / 0.0475, rel=0.3)


def test_only_solvable_prompts_are_asked_where_there_are_any() -> None:
    budget = known(SolvableBudget(), {0: 0.0, 1: 0.5, 2: 1.0, 3: 0.1})
    assert budget.allocate(torch.tensor([0, 1, 2, 3, 8]), 10).tolist() == [0, 5, 0, 0, 5]
    assert budget.allocate(torch.tensor([0, 2]), 10).tolist() == [5, 5]


def test_what_was_earned_is_taken_down_by_prompt_whatever_the_order_without_what_has_no_reward() -> None:
    statistics = [OutcomeStatistics(enough=1, threshold=0.5) for _ in range(2)]
    batch = earned([4, 4, 9, 9, 9, 4], [2, 2, 0, 0, 0, 2], [1.0, 0.0, NAN, 1.0, 1.0, 0.6])
    for each, order in zip(statistics, ([0, 1, 2, 3, 4, 5], [3, 5, 2, 1, 0, 4]), strict=True):
        KnapsackBudget(each).update(batch.rows(torch.tensor(order)))
        assert each.chance([4, 9, 1]).tolist() == pytest.approx([2 / 3, 1.0, NAN], nan_ok=True)
        assert each.observations([4, 9]).tolist() == [3, 2]


def test_a_trajectory_of_several_rows_is_one_observation() -> None:
    statistics = OutcomeStatistics(enough=1, threshold=0.5)
    batch = earned([4] * 4, [0] * 4, [1.0, 1.0, 1.0, 0.0])
    SolvableBudget(statistics).update(
        replace(batch, trajectory=torch.tensor([0, 0, 0, 1]), turn=torch.tensor([0, 1, 2, 0]))
    )
    assert statistics.observations([4]).tolist() == [2] and statistics.chance([4]).tolist() == [0.5]


@pytest.mark.parametrize("kind", BUDGETS)
def test_a_budget_goes_on_from_its_state(kind: Any) -> None:
    one, two = known(kind(), {0: 0.5, 1: 0.05}), kind()
    stored = BytesIO()
    torch.save(one.state_dict(), stored)
    stored.seek(0)
    two.load_state_dict(torch.load(stored, weights_only=True))
    for each in (one, two):
        known(each, {2: 0.2, 0: 0.4})
    assert one.allocate(torch.arange(4), 40).tolist() == two.allocate(torch.arange(4), 40).tolist()


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BadValue):
        SolvableBudget(low=0.9, high=0.1)
    with pytest.raises(BadValue):
        KnapsackBudget(knapsack=Knapsack(), n_low=1)
    assert KnapsackBudget(n_low=1).knapsack.n_low == 1
