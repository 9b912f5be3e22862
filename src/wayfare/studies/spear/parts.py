"""The parts of the arms, as functions of plain numbers: arms name them by address.

conversations      answers are conversations with the task, which tells digits
fading, constant   how the bonus for calls is added to the reward
imitation          self-imitation, with the schedule of its weight and the clipping of its tokens
filters            rows that are learned from
calls              what is measured of conversations beside their answers
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from wayfare.explore.annealing import CosineFall, CosineRise
from wayfare.language.causal import CausalModel
from wayfare.learn.grpo.regularisers import ClipCovariance
from wayfare.learn.grpo.replay import SelfImitation
from wayfare.learn.grpo.seams import Asked
from wayfare.learn.grpo.shaping import AllOf, Readable, ScheduledBonus, WidestGroups
from wayfare.learn.grpo.tools import ToolRollout
from wayfare.worlds.verifiable import LookupArithmetic
from wayfare.worlds.verifiable.contract import Row

__all__ = ["calls", "constant", "conversations", "fading", "filters", "imitation"]

ANSWERS, SEED = 4, 20_001
"""Conversations about each prompt in `calls`, and the seed that they are drawn from."""


def conversations(task: LookupArithmetic) -> ToolRollout:
    """As many turns as the task answers calls, one more that it does not, and none for nothing."""
    return ToolRollout(task, turns=task.calls + 1)


def fading(steps: int) -> ScheduledBonus:
    """R + mu(t) x bonus, mu down a cosine from 1 to 0 over `steps`."""
    return ScheduledBonus(CosineFall(steps))


def constant(weight: float = 1.0) -> ScheduledBonus:
    """R + weight x bonus."""
    return ScheduledBonus(lambda step: weight)


def imitation(
    seed: int, steps: int, size: int, baseline: int, tolerance: int, every: int, *, decay: float | None = None,
    clip: tuple[float, float, float] | None = None,
) -> SelfImitation:  # fmt: skip
    """gamma up a cosine from 0 to 1 over `steps`; the others as `SelfImitation`. clip: low, high, share, or None"""
    clipped = None if clip is None else ClipCovariance(*clip, seed=seed)
    return SelfImitation(
        size, baseline=baseline, tolerance=tolerance, every=every, decay=decay, weight=CosineRise(steps), clip=clipped,
        seed=seed,
    )  # fmt: skip


def filters(seed: int, share: float) -> AllOf:
    """Rows of the groups whose rewards spread most, that have an end and do not repeat themselves."""
    return AllOf([WidestGroups(share, seed), Readable()])


def calls(model: CausalModel, task: LookupArithmetic, rows: Sequence[Row]) -> dict[str, float]:
    """A few conversations about each prompt.

    tool: share with a call        calls, useless: a conversation        right with both, right without: share of right
    answers where both keys were looked up, and where they were not, NaN where there is no such conversation
    """
    few = [row for row in rows for _ in range(ANSWERS)]
    numbers = torch.arange(len(few))
    keys = numbers // ANSWERS
    asked = Asked(
        prompts=[str(row["prompt"]) for row in few], rows=few, keys=keys, group_id=keys, numbers=numbers, step=0,
        attempt=0, seed=SEED, new=task.max_completion, train=False,
    )  # fmt: skip
    batch = conversations(task).collect(model, asked)
    assert batch.texts is not None
    ended = [task.replay(text, row) for text, row in zip(batch.texts, few, strict=True)]
    knew = torch.tensor([set(state.keys) <= set(state.asked) for state in ended])
    right = torch.tensor([float(state.right) for state in ended])
    made = batch.extras["calls"].double()
    return {
        "tool": float((made > 0).double().mean()), "calls": float(made.mean()),
        "useless": float(batch.extras["useless"].double().mean()), "both": float(knew.double().mean()),
        "right with both": float(right[knew].mean()), "right without": float(right[~knew].mean()),
    }  # fmt: skip
