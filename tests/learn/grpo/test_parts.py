"""Every part goes through two steps of training beside the others' defaults, and a run with it can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import pytest
import torch

from tests.learn.grpo.small import model, trainer, weights
from wayfare.explore.annealing import CosineFall
from wayfare.explore.outcomes import OutcomeStatistics
from wayfare.language.policies import copy_frozen
from wayfare.learn.grpo.bonuses import CopyBonus, EllipticalBonus, RankBonus
from wayfare.learn.grpo.budgets import KnapsackBudget, SolvableBudget, VarianceBudget
from wayfare.learn.grpo.episodic_bonus import EpisodicBonus
from wayfare.learn.grpo.features import MeanStates, TextFeatures
from wayfare.learn.grpo.regularisers import (
    ClipCovariance,
    CovarianceDivergence,
    ForwardDivergence,
    LowProbability,
    UncertainTokens,
)
from wayfare.learn.grpo.replay import SelfImitation, SuccessFineTuning
from wayfare.learn.grpo.shaping import AllOf, Readable, ScheduledBonus, WidestGroups
from wayfare.learn.grpo.tools import ToolBonus, ToolRollout


def digits(texts: Sequence[str]) -> torch.Tensor:
    return torch.tensor([[float(text.count(str(digit))) for digit in range(10)] for text in texts])


class Once:
    """Answers the first turn with a digit and ends with the second."""

    def start(self, row: Any) -> list[str]:
        return []

    def respond_all(self, states: Sequence[list[str]], texts: Sequence[str]) -> list[str | None]:
        for state, text in zip(states, texts, strict=True):
            state.append(text)
        return ["5" if len(state) == 1 else None for state in states]


def always(step: int) -> float:
    return 1.0


def seen() -> OutcomeStatistics:
    return OutcomeStatistics(enough=1, threshold=0.5)


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "knapsack": lambda: {"budget": KnapsackBudget(seen(), n_low=1, dead=1, solved=1)},
    "variance": lambda: {"budget": VarianceBudget(seen(), 1)},
    "solvable": lambda: {"budget": SolvableBudget(seen())},
    "elliptical": lambda: {
        "features": MeanStates(copy_frozen(model())),
        "bonus": EllipticalBonus(closed=()),
        "shaper": ScheduledBonus(CosineFall(4)),
    },
    "texts": lambda: {"features": TextFeatures(digits), "bonus": EllipticalBonus(adaptive=True, width=None)},
    "copies": lambda: {"bonus": CopyBonus()},
    "ranks": lambda: {"bonus": RankBonus()},
    "episodic": lambda: {"bonus": EpisodicBonus(digits)},
    "episodic, before": lambda: {"bonus": EpisodicBonus(digits, order="before", shuffled=True)},
    "filters": lambda: {"row_filter": AllOf([WidestGroups(0.5), Readable(2, 2)])},
    "forward": lambda: {"regularisers": [ForwardDivergence()], "ref_model": copy_frozen(model())},
    "sampled": lambda: {"regularisers": [ForwardDivergence(mode="score")], "ref_model": copy_frozen(model())},
    "low": lambda: {"regularisers": [LowProbability(0.3)], "mini_batches": 2, "max_steps": 4},
    "low, full": lambda: {"regularisers": [LowProbability(0.3, mode="full")], "num_iterations": 2, "max_steps": 4},
    "covariance": lambda: {"regularisers": [ClipCovariance(-9, 9, 0.1), CovarianceDivergence(0.1), UncertainTokens()]},
    "replay": lambda: {"auxiliary": [SelfImitation(8, every=1, weight=always, clip=ClipCovariance(-9, 9, 0.1))]},
    "fine-tuning": lambda: {"auxiliary": [SuccessFineTuning(8, every=1)], "loss_type": "dr_grpo"},
    "tools": lambda: {"rollout": ToolRollout(Once(), turns=2, stop=("1", "2", "3")), "bonus": ToolBonus()},
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_a_part_goes_through_two_steps_and_takes_up_where_it_was_stopped(name: str) -> None:
    told = PARTS[name]
    whole, half = (trainer(**{"max_steps": 2, **told()}) for _ in range(2))
    begun = weights(whole.model)
    whole.advance()
    stored = BytesIO()
    torch.save(whole.state_dict(), stored)
    stored.seek(0)
    half.load_state_dict(torch.load(stored, weights_only=True))
    for each in (whole, half):
        each.advance()
    assert whole.done and bool(torch.isfinite(weights(whole.model)).all())
    assert not torch.equal(weights(whole.model), begun)
    assert torch.equal(weights(whole.model), weights(half.model))
    assert whole.metrics[-1] == half.metrics[-1]
