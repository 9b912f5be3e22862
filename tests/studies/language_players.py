"""Runs made by hand, for the tests of what language-RL studies share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wayfare.studies.contract import Check
from wayfare.studies.language_checks import Rule
from wayfare.studies.language_runs import Run, Runs

STUDIES = (
    "infigui", "knapsack_rl", "repexp", "spear", "ntp_precision", "memory_r_plus", "rapo", "ead", "lp_reg",
)  # fmt: skip
"""Packages of the nine."""


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


@dataclass(frozen=True)
class Case:
    """What the checks of a study are tried with; each study's `test_checks.py` gives its own as `case()`.

    asked: its rules, the first of which asks whether there is a failure to cure        claims: names of the paper's
    refuse: raises where rules could not mean anything        player: by its script        check_of: a rule on runs
    """

    asked: Sequence[Rule]
    claims: Sequence[str]
    refuse: Callable[[Sequence[Rule]], None]
    player: Callable[[str], Run]
    check_of: Callable[[Any, Runs], Check]
    seeds: int = 3

    @classmethod
    def of(cls, checks: Any, config: Any, asked: Sequence[Rule], base: Run, *claims: str, seeds: int = 3) -> Case:
        """Of a study whose `checks` are all told the config, and where players start."""
        return cls(
            asked, claims, lambda some: checks.refuse_wrong_checks(config, some, base),
            lambda script: checks.player(config, base, script),
            lambda rule, runs: checks.check_of(config, rule, runs), seeds,
        )  # fmt: skip
