"""Play a bandit by its counts: one action rule, many copies at once, for as many pulls as are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wayfare.arrays import array_namespace
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import ActionRule, ArmTable, Array

__all__ = ["Play", "play"]


@dataclass(frozen=True)
class Play:
    """actions: [T, N] int64        rewards: [T, N] float64        table: [N, K] all that was learned"""

    actions: Array
    rewards: Array
    table: ArmTable


def play(
    rule: ActionRule,
    pull: Callable[[Array, int], Array],
    arms: int,
    copies: int | Array,
    horizon: int,
    seed: int | Array,
    *,
    name: str = "policy",
) -> Play:
    """Copy b decides at step t by `Stream(seed, name).at(b, t)`: it plays the same among however many others.

    pull:   (actions [N], t) -> rewards [N], the world
    copies: how many (then NumPy plays), or their indices [N]: in torch for a torch world
    seed:   one, or one a copy [N]
    Raises: BadValue for arms, copies or horizon below 1.
    """
    for field, value in (("arms", arms), ("horizon", horizon), ("copies", copies if isinstance(copies, int) else 1)):
        if value < 1:
            raise BadValue(field, value, "at least 1")
    index: Any = np.arange(copies) if isinstance(copies, int) else copies
    xp = array_namespace(index)
    stream = Stream(seed, name)
    table = ArmTable.empty((index.shape[0], arms), like=index)
    actions, rewards = [], []
    for t in range(horizon):
        action = rule.decide(table, None, stream.at(index, t)).action
        reward = xp.astype(pull(action, t), xp.float64)
        table = table.updated(action, reward)
        actions.append(action)
        rewards.append(reward)
    return Play(xp.stack(actions), xp.stack(rewards), table)
