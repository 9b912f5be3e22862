"""Runs made by hand, for the tests of what language-RL studies share."""

from __future__ import annotations

from typing import Any

import numpy as np

from wayfare.studies.language_runs import Run


def run_of(first: list[float], other: list[float], *, arm: str = "a", seed: int = 0, tokens: int = 100) -> Run:
    """pass@1 and pass@64 at evaluations that lie `tokens` apart."""
    points = len(first)
    each: dict[str, Any] = {
        "arm": np.array([arm]), "seed": np.array([seed]), "ks": np.array([1, 64]), "answers": np.array([64]),
        "pass": np.array([first, other]).T, "right": np.rint(64 * np.array(first)).astype(int)[:, None].repeat(3, 1),
        "tokens": tokens * np.arange(points), "trained_tokens": tokens * np.arange(points),
        "step": np.arange(points), "seconds": np.arange(points), "index": np.arange(3), "cached": np.array([False]),
        "entropy": np.full((points, 3), 0.2), "distinct": np.full((points, 3), 2), "malformed": np.zeros(points),
        "clipped": np.zeros(points), "length": np.ones(points), "reward": np.array(first),
        "train/frac_reward_zero_std": np.full(8, 0.5),
    }  # fmt: skip
    return Run(arm, seed, each)
