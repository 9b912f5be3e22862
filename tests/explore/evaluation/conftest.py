from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from wayfare.draws import Stream
from wayfare.explore.evaluation import DecisionLog


@dataclass
class Drawn:
    """A log from a world whose rewards are coins of known chance.

    chance, target, behaviour: [N, A]        value: what the target earns per decision, averaged over the log's law
    """

    log: DecisionLog
    chance: np.ndarray
    target: np.ndarray
    behaviour: np.ndarray
    value: float


@pytest.fixture
def draw() -> Callable[..., Drawn]:
    """Four kinds of context, three actions; action 2 is not always allowed. `copy` tells one log from another."""

    def make(rows: int = 400, copy: int = 0) -> Drawn:
        stream, row = Stream(7, "evaluation"), np.arange(rows)
        kind = stream.integers(4, copy, row, 0)
        contexts = np.eye(4)[kind]
        allowed = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0], [1, 1, 1]], dtype=bool)
        behaviour = np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.7, 0.3, 0.0], [0.1, 0.3, 0.6]])
        target = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.2, 0.8, 0.0], [0.6, 0.2, 0.2]])
        chance = np.array([[0.1, 0.5, 0.9], [0.3, 0.3, 0.4], [0.8, 0.2, 0.0], [0.25, 0.5, 0.75]])
        action = stream.categorical(behaviour[kind], copy, row, 1)
        reward = (stream.uniform(copy, row, 2) < chance[kind, action]).astype(float)
        log = DecisionLog(contexts, allowed[kind], action, reward, behaviour[kind, action])
        value = float((target * chance).sum() / 4)
        return Drawn(log, chance[kind], target[kind], behaviour[kind], value)

    return make
