"""The moving average against its closed forms, for a fixed memory and a fixed reward.

    Q_t = (1 - a) Q_{t-1} + a r_t,   E r = b
    E Q_t - b = (1 - a)^t (Q_0 - b)                                                                                (1)
    Var Q_t   = a / (2 - a) (1 - (1 - a)^{2t}) Var r    ->    a / (2 - a) Var r                                    (2)

Credits go through `wayfare.memory.credit.credited`, so that what is tested is the library's Q.

Both are elementary; arXiv 2601.03192 argues from them that Q is stable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.memory.credit import START, STEP, credited
from wayfare.memory.records import Utility
from wayfare.studies.memrl.cells import Report

__all__ = ["MEANS", "closed_mean", "closed_variance", "follow"]

Floats = NDArray[np.float64]
MEANS = (0.25, 0.5, 0.8)
"""b: mean rewards, each followed by copies of its own."""


def closed_mean(b: float, t: int, a: float = STEP, start: float = START) -> float:
    """(1)."""
    return b + (1 - a) ** t * (start - b)


def closed_variance(b: float, t: int, a: float = STEP) -> float:
    """(2) for rewards of 0 and 1."""
    return a / (2 - a) * (1 - (1 - a) ** (2 * t)) * b * (1 - b)


def follow(
    report: Report, *, seeds: Sequence[int], copies: int, steps: int, step: float = STEP
) -> Mapping[str, NDArray[Any]]:
    """The largest deviation, over b and over an early and the last step, in standard errors: [seeds] each.

    step: what (1) and (2) are computed with; another than the library's must show
    """
    at = sorted({max(1, steps // 6), steps})
    means, variances = np.zeros((len(seeds), len(MEANS), len(at))), np.zeros((len(seeds), len(MEANS), len(at)))
    found = np.zeros((len(seeds), len(MEANS), steps))
    for i, seed in enumerate(seeds):
        for j, b in enumerate(MEANS):
            q = _followed(Stream(seed, f"theory {b}"), b, copies, steps)
            found[i, j] = q.mean(axis=0)
            for k, t in enumerate(at):
                x = q[:, t - 1]
                spread = float(x.var(ddof=1))
                fourth = float(((x - x.mean()) ** 4).mean())
                means[i, j, k] = (x.mean() - closed_mean(b, t, step)) / np.sqrt(spread / copies)
                error = np.sqrt(max(fourth - spread**2, 1e-300) / copies)
                variances[i, j, k] = (spread - closed_variance(b, t, step)) / error
        report(i + 1, len(seeds))
    return {
        "estimator|mean deviation": np.abs(means).max(axis=(1, 2)),
        "estimator|variance deviation": np.abs(variances).max(axis=(1, 2)),
        "estimator|mean": found,
    }


def _followed(stream: Stream, b: float, copies: int, steps: int) -> Floats:
    """[copies, steps] Q after each credit."""
    rewards = (stream.uniform(np.arange(copies)[:, None], np.arange(steps)) < b).astype(np.float64)
    q = np.zeros((copies, steps))
    for copy in range(copies):
        utility = Utility()
        for t, reward in enumerate(rewards[copy].tolist()):
            utility = credited(utility, 1.0, reward, 0.0, True)
            assert utility.q is not None
            q[copy, t] = utility.q
    return q
