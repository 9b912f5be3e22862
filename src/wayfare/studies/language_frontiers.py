"""Arms of language RL compared where they can be: at equal pass@1, at equal tokens, and by the time to a threshold.

A run passes through points (pass@1, pass@k), one an evaluation, joined by straight lines. Its frontier is

    F_k(p) = max { pass@k of a point on the way whose pass@1 is at least p }                              (1)

what one can have of pass@k who asks for pass@1 of p and may stop when he likes: it falls with p, and begins at the
base's own. A maximum over noisy evaluations lies a little high, in both arms alike where both have as many.

    at_equal_pass1    mean of F_k(p) of one less the other's, over p from the base up to what both reach        (2)
    time_to           tokens until pass@1 crosses a threshold first, at most the budget (right-censored)
    restricted_times  those of all seeds: their mean is the restricted mean up to the budget, censored or not
    deciding          the arm with the highest mean score over tuning runs
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.errors import BadValue
from wayfare.studies.language_runs import Run, Runs

__all__ = ["Reached", "at_equal_pass1", "common_levels", "deciding", "frontier", "paired", "pass_sum",
           "restricted_times", "time_to"]  # fmt: skip

Floats = NDArray[np.float64]
BETWEEN = 32
"""Points on each line between two evaluations."""
LEVELS = 65


class Reached(NamedTuple):
    """tokens: until the threshold, or the budget        reached: whether it was crossed before"""

    tokens: float
    reached: bool


def frontier(run: Run, k: int, levels: ArrayLike) -> Floats:
    """(1) at `levels` [L] of pass@1 -> [L], NaN above what the run reaches."""
    x, y = run.pass_at(1), run.pass_at(k)
    at, way = np.arange(len(x)), np.linspace(0, len(x) - 1, (len(x) - 1) * BETWEEN + 1)
    x, y = np.interp(way, at, x), np.interp(way, at, y)
    found = [y[x >= level].max() if (x >= level).any() else np.nan for level in np.asarray(levels, np.float64)]
    return np.asarray(found, np.float64)


def common_levels(a: Run, b: Run) -> Floats | None:
    """pass@1 from where the higher of both begins up to what both reach; None where one never rises above it."""
    begin = max(float(a.pass_at(1)[0]), float(b.pass_at(1)[0]))
    end = min(float(a.pass_at(1).max()), float(b.pass_at(1).max()))
    return np.linspace(begin, end, LEVELS) if end > begin else None


def at_equal_pass1(a: Run, b: Run, k: int) -> float:
    """(2), a less b; NaN where one of both never rises above the base, so that nothing can be compared."""
    levels = common_levels(a, b)
    if levels is None:
        return float("nan")
    return float((frontier(a, k, levels) - frontier(b, k, levels)).mean())


def time_to(run: Run, threshold: float, budget: float, measure: str = "pass@1") -> Reached:
    """Tokens until `measure` is at `threshold` first, between evaluations on a straight line.

    Raises: BadValue for a budget beyond the run's end: what it would have done there is not known.
    """
    values, tokens = run.measure(measure), run.tokens
    if not 0 < budget <= tokens[-1]:
        raise BadValue("budget", budget, f"above 0 and at most {tokens[-1]:g}, the tokens that {run.arm} drew")
    above = np.flatnonzero(values >= threshold)
    if not len(above):
        return Reached(float(budget), False)
    first = int(above[0])
    if first == 0:
        return Reached(0.0, True)
    share = (threshold - values[first - 1]) / (values[first] - values[first - 1])
    when = float(tokens[first - 1] + share * (tokens[first] - tokens[first - 1]))
    return Reached(min(when, float(budget)), when <= budget)


def restricted_times(runs: Sequence[Run], threshold: float, budget: float, measure: str = "pass@1") -> Floats:
    """[S] of `time_to`. Raises: as that."""
    return np.array([time_to(run, threshold, budget, measure).tokens for run in runs])


def paired(a: Sequence[Run], b: Sequence[Run], value: Callable[[Run, Run], float]) -> Floats:
    """[S] value(run of a, run of b) of each seed. Raises: BadValue where both do not have the same seeds."""
    seeds = [run.seed for run in a], [run.seed for run in b]
    if seeds[0] != seeds[1]:
        raise BadValue("seeds", seeds[1], f"those of the other arm, {seeds[0]}")
    return np.array([value(one, other) for one, other in zip(a, b, strict=True)])


def pass_sum(run: Run, k: int = 64, tokens: float | None = None) -> float:
    """pass@1 + pass@k at so many tokens, or at the end: a score that neither sharpening nor breadth alone wins."""
    both = run.pass_at(1) + run.pass_at(k)
    return float(both[-1]) if tokens is None else run.at_tokens(both, tokens)


def deciding(tuning: Runs, score: Callable[[Run], float] = pass_sum) -> str:
    """The arm with the highest mean score over its tuning runs; the first of equals.

    Raises: BadValue for no arms, or where arms were not all run on the same seeds.
    """
    if not tuning:
        raise BadValue("tuning", "no arms", "at least one")
    seeds = {arm: [run.seed for run in runs] for arm, runs in tuning.items()}
    first = next(iter(seeds.values()))
    for arm, told in seeds.items():
        if told != first:
            raise BadValue(f"seeds of {arm}", told, f"those of the others, {first}")
    means = {arm: float(np.mean([score(run) for run in runs])) for arm, runs in tuning.items()}
    return max(means, key=lambda arm: means[arm])
