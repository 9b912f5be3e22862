"""What a stream's result says, in numbers: how good, how soon, how lasting, at which cost.

    area          mean success over the whole stream: the area under the learning curve, as a share of the best
    last_third    mean success over the last third: where learning has come to
    gain          last third minus first third
    forgetting    success on tasks when they were met, minus on the same tasks asked again at the end

and the orders in which its tasks may come. All of one stream: intervals are over seeds (`report.statistics`).

Wei et al. 2025, "Evo-Memory" (arXiv 2511.20857): success and progress, step efficiency, robustness to the order, and
the cumulative curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wayfare.agents.streaming import StreamResult, StreamTask
from wayfare.draws import Stream
from wayfare.errors import BadValue

__all__ = ["MEASURES", "Order", "by_similarity", "cumulative", "measured", "ordered"]

Floats = NDArray[np.float64]
Order = Literal["random", "easy-hard", "hard-easy", "blocked"]
ORDERS: tuple[str, ...] = get_args(Order)
MEASURES = (
    "area", "first third", "last third", "gain", "progress", "steps", "context tokens", "items", "forgetting",
    "asked again", "failures", "memory calls",
)  # fmt: skip
"""Names of `measured`, in the order of tables."""


def ordered(tasks: Sequence[StreamTask], how: Order, seed: int) -> list[StreamTask]:
    """The tasks of a stream in one of its orders; where two tie they come in random order.

    random        easy-hard, hard-easy: by difficulty        blocked: family by family, the families at random
    Raises: BadValue.
    """
    if how not in ORDERS:
        raise BadValue("order", how, f"one of {', '.join(ORDERS)}")
    chance = np.asarray(Stream(seed, "order of tasks").uniform(np.arange(len(tasks))))
    if how == "random":
        key = chance
    elif how == "blocked":
        families = np.array([task.family for task in tasks], np.int64)
        key = np.asarray(Stream(seed, "order of families").uniform(families))
    else:
        key = np.array([task.difficulty for task in tasks], np.float64) * (1 if how == "easy-hard" else -1)
    return [tasks[i] for i in np.lexsort((chance, key))]


def cumulative(success: Floats) -> Floats:
    """[T] mean success up to each task: the curve that the paper draws."""
    return np.cumsum(success) / np.arange(1, len(success) + 1)


def measured(result: StreamResult) -> Mapping[str, float]:
    """The `MEASURES` of one stream; NaN where there is nothing to measure."""
    success = result.success
    third = max(1, len(success) // 3)
    first, last = float(success[:third].mean()), float(success[-third:].mean())
    again = _mean(result.again)
    return {
        "area": float(success.mean()),
        "first third": first,
        "last third": last,
        "gain": last - first,
        "progress": float(result.progress.mean()),
        "steps": float(result.steps.mean()),
        "context tokens": float(result.context_tokens.mean()),
        "items": float(result.items[-1]),
        "forgetting": _mean(success[result.asked_again]) - again,
        "asked again": again,
        "failures": float(len(result.failures)),
        "memory calls": float(result.calls),
    }


def by_similarity(result: StreamResult, edges: Sequence[float]) -> Floats:
    """Mean success given how similar the most similar earlier task was, [len(edges) - 1], NaN where there was none.

    edges: ascending; [a, b) each, the last one with its end. Near-duplicates make any search look like learning: this
    is where it shows.
    Raises: BadValue for edges that do not ascend.
    """
    ends = np.asarray(edges, np.float64)
    if len(ends) < 2 or not (np.diff(ends) > 0).all():
        raise BadValue("edges", list(edges), "two numbers at least, ascending")
    known = np.isfinite(result.nearest)
    similar, success = result.nearest[known], result.success[known]
    place = np.where(similar == ends[-1], len(ends) - 2, np.searchsorted(ends, similar, "right") - 1)
    return np.array([_mean(success[place == i]) for i in range(len(ends) - 1)])


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
