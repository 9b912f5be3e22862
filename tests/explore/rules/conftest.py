from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from wayfare.draws import Draws, Stream
from wayfare.explore.rules import ActionRule, play

Textbook = Callable[[list[float], list[float], int, Draws], int]
"""(pulls, sums of rewards, pulls left, this copy's draws) -> action, in plain Python."""

COPIES, HORIZON = 25, 14


@pytest.fixture
def same_actions() -> Callable[..., None]:
    """Play a rule on a batch and the textbook on one copy after another: every action must agree."""

    def compare(rule: ActionRule, choose: Textbook, arms: int = 3, *, payoffs: str = "gaussian") -> None:
        task, noise = Stream(3, "task").at(np.arange(COPIES)), Stream(3, "noise")

        def paid(copy: int, action: int, t: int) -> float:
            if payoffs == "bernoulli":
                return float(noise.uniform(copy, t) < task.uniform(arms)[copy, action])
            return float(task.normal(arms)[copy, action] + noise.normal(copy, t))

        def pull(actions: np.ndarray, t: int) -> np.ndarray:
            return np.array([paid(b, int(a), t) for b, a in enumerate(actions)])

        batch = play(rule, pull, arms, COPIES, HORIZON, seed=11).actions
        tried = set()
        for b in range(COPIES):
            pulls, sums = [0.0] * arms, [0.0] * arms
            for t in range(HORIZON):
                action = choose(pulls, sums, HORIZON - t, Stream(11, "policy").at(b, t))
                assert action == batch[t, b], f"copy {b}, step {t}"
                pulls[action] += 1
                sums[action] += paid(b, action, t)
                tried.add(action)
        assert tried == set(range(arms))

    return compare


@pytest.fixture
def first_of_best() -> Callable[..., int]:
    """The best score; among equals the largest tie draw. In plain Python."""

    def choose(scores: list[float], ties: np.ndarray) -> int:
        return max(range(len(scores)), key=lambda a: (scores[a], ties[a]))

    return choose
