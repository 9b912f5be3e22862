"""Outcome paid by length: right answers earn more where they are short, wrong ones lose more.

    r(l) = end + (start - end) (1 + cos(pi l / longest)) / 2,   l tokens, cut at `longest`                 (1)

falls from `start` to `end` for right answers and rises for wrong ones, so that to be brief is no way out for a policy
that is wrong.

Source: (1) Yeo et al. 2025 (arXiv 2502.03373), with the four values that are common for it in open scripts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from wayfare.errors import BadValue

__all__ = ["CosineOfLength"]


class CosineOfLength:
    """task: a verifiable one; its `reward` says what is right, at `threshold` or above. Where it has further reward
        functions these are added with their weights, and (1) has the weight of the first; their means are logged by the
        names that they would have alone
    longest: tokens; None: the longest completion of the task
    right, wrong: (start, end) of (1)

    Raises: BadValue for a length below 1.
    """

    def __init__(
        self, task: Any, longest: int | None = None, *, right: tuple[float, float] = (1.0, 0.5),
        wrong: tuple[float, float] = (-1.0, -0.5), threshold: float = 1.0,
    ) -> None:  # fmt: skip
        self.longest = task.max_completion if longest is None else longest
        if self.longest < 1:
            raise BadValue("longest", self.longest, "at least 1")
        self.task, self.right, self.wrong, self.threshold = task, tuple(right), tuple(wrong), threshold
        weights: tuple[float, ...] = getattr(task, "reward_weights", (1.0,))
        self.weight = weights[0]
        self.further = list(zip(getattr(task, "reward_functions", (None,))[1:], weights[1:], strict=True))

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Sequence[Sequence[int]],
        log_metric: Callable[[str, float], None] | None = None, **told: Any,
    ) -> list[float]:  # fmt: skip
        """See `wayfare.learn.grpo.rewards`."""
        paid = self.task.reward(prompts=prompts, completions=completions, **told)
        found = []
        for each, ids in zip(paid, completion_ids, strict=True):
            start, end = self.right if each >= self.threshold else self.wrong
            share = min(len(ids), self.longest) / self.longest
            found.append(self.weight * (end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0))
        for function, weight in self.further:
            values = function(prompts=prompts, completions=completions, **told)
            found = [one + weight * other for one, other in zip(found, values, strict=True)]
            if log_metric is not None:
                log_metric(f"rewards/{function.__name__}/mean", sum(values) / len(values))
        return found
