"""What a policy that learns would have earned: it is played on the rows of a log that happen to agree with it.

    result = replay(log, Bandit(SquareCB(gamma=50), RidgeScores(3, dimension=8), actions=["a", "b", "c"]))
    print(result)

In each row the policy decides. Where it takes another action than the log did, the row is passed over and it never
learns of it; where it takes the same, the row is used with probability p_min / p, so that every action of the policy
had the same chance to be used. What it sees is then what it would have seen live, in fewer steps: with K actions logged
uniformly, 1 row in K. Weights of a policy that learns from the log do not do this: its later choices depend on rewards
that the weights are applied to.

Source: Li, Chu, Langford & Wang 2011, "Unbiased offline evaluation of contextual-bandit-based news article
recommendation algorithms", algorithm 2; the rejection for propensities that differ is von Neumann's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.evaluation.log import DecisionLog
from wayfare.explore.evaluation.targets import refuse_method

__all__ = ["LearningPolicy", "Replay", "replay"]

Floats = NDArray[np.float64]


class LearningPolicy(Protocol):
    """What a live `wayfare.explore.live.Bandit` is, too."""

    def decide(self, context: Any = None, actions: Any = None) -> Any:
        """context: [D] or None, actions: those allowed, by name -> an object with `id` and `action`, a name."""
        ...

    def learn(self, id: str, reward: float) -> None:
        """What the decision of that id paid."""
        ...


@dataclass(frozen=True)
class Replay:
    """What a learning policy would have earned per decision in its first M decisions.

    value: mean reward of the rows used        low, high: normal interval at `level`; NaN for fewer than 2 rows
    used: [M] rows of the log        rewards: [M]
    n: rows of the log        lowest_propensity: p_min        seed: of the rejections
    """

    value: float
    low: float
    high: float
    level: float
    used: NDArray[np.int64]
    rewards: Floats
    n: int
    lowest_propensity: float
    seed: int

    def __str__(self) -> str:
        share = 100 * len(self.used) / self.n
        return (
            f"{self.value:.4g}, {100 * self.level:g} % interval {self.low:.4g} to {self.high:.4g} (rejection replay)\n"
            f"{len(self.used):,} of {self.n:,} decisions used ({share:.1f} %), lowest propensity "
            f"{self.lowest_propensity:.3g}, seed {self.seed}: what the policy earns in its first {len(self.used):,}"
        )


def replay(
    log: DecisionLog,
    policy: LearningPolicy,
    *,
    lowest_propensity: float | None = None,
    level: float = 0.95,
    estimated: bool = False,
    seed: int = 0,
) -> Replay:
    """Play a policy that learns through a log, in its order. The policy is played, and keeps what it learns.

    policy: its actions are the log's names, or their numbers 0 .. A-1; contexts are handed over where the log has any
    lowest_propensity: p_min, which the logging policy never went below for an allowed action; None: the log's lowest
    estimated: accept propensities that were estimated from samples

    Raises: BadValue for a log without propensities, a p_min above one of them, a policy that does not learn or takes
    an action that is not allowed, and where no row could be used.
    """
    if log.propensities is None:
        raise BadValue("propensities", None, "in the log: rejection replay needs them, uniform or otherwise known")
    refuse_method("log", log.propensity_method, estimated)
    if not 0 < level < 1:
        raise BadValue("level", level, "between 0 and 1, 0.95 for 95 %")
    if not (hasattr(policy, "decide") and hasattr(policy, "learn")):
        raise BadValue(
            "policy", type(policy).__name__, "one with decide and learn; one that never learns: use `evaluate`"
        )
    least = float(log.propensities.min())
    lowest = least if lowest_propensity is None else float(lowest_propensity)
    if not 0 < lowest <= least:
        raise BadValue("lowest_propensity", lowest, f"above 0 and at most {least:g}, the lowest of the log")
    names = _names(log, policy)
    place = {name: number for number, name in enumerate(names)}
    kept = Stream(seed, "replay").uniform(0, np.arange(len(log))) * log.propensities <= lowest
    used = []
    for row in range(len(log)):
        context = None if log.contexts is None else log.contexts[row]
        offered = [names[int(a)] for a in np.flatnonzero(log.allowed[row])]
        decision = policy.decide(context, offered)
        if decision.action not in offered:
            raise BadValue(f"action of the policy in row {row}", decision.action, f"one of {offered}")
        if place[decision.action] == log.actions[row] and kept[row]:
            policy.learn(decision.id, float(log.rewards[row]))
            used.append(row)
    if not used:
        raise BadValue("log", f"{len(log)} rows", "one with rows in which the policy does what was done: none was used")
    rows = np.array(used, dtype=np.int64)
    rewards = log.rewards[rows]
    value, m = float(rewards.mean()), len(rows)
    width = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(float(rewards.var(ddof=1)) / m) if m > 1 else math.nan
    return Replay(value, value - width, value + width, level, rows, rewards, len(log), lowest, seed)


def _names(log: DecisionLog, policy: LearningPolicy) -> Sequence[Any]:
    """The log's actions as the policy calls them."""
    known = getattr(policy, "actions", None)
    if known is None or set(known) == set(log.names):
        return log.names
    if list(known) == list(range(log.shape[1])):
        return range(log.shape[1])
    raise BadValue("policy", f"actions {', '.join(map(str, known))}", f"one with the log's: {', '.join(log.names)}")
