"""Rejection replay shows a learning policy what it would have seen live, and values it so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.evaluation import DecisionLog, replay
from wayfare.explore.live import Bandit, RidgeScores
from wayfare.explore.rules import UCB1, EpsilonGreedy, Uniform


@dataclass
class Answer:
    id: str
    action: Any


@dataclass
class Scripted:
    """Takes the actions given, in turn, and remembers what it was told."""

    actions_to_take: list[Any]
    told: list[tuple[str, float]] = field(default_factory=list)
    turn: int = 0
    offered: list[Any] = field(default_factory=list)

    def decide(self, context: Any = None, actions: Any = None) -> Answer:
        self.offered.append((context, actions))
        self.turn += 1
        return Answer(str(self.turn - 1), self.actions_to_take[self.turn - 1])

    def learn(self, id: str, reward: float) -> None:
        self.told.append((id, reward))


def test_only_rows_in_which_the_policy_does_what_was_done_are_used() -> None:
    log = DecisionLog(None, 2, [0, 1, 1, 0], [1.0, 2.0, 3.0, 4.0], np.full(4, 0.5), names=("a", "b"))
    policy = Scripted(["a", "a", "b", "b"])
    found = replay(log, policy)
    assert found.used.tolist() == [0, 2] and found.rewards.tolist() == [1.0, 3.0] and found.value == 2.0
    assert policy.told == [("0", 1.0), ("2", 3.0)]
    assert found.low == pytest.approx(2 - 1.959963984540054) and found.high == pytest.approx(2 + 1.959963984540054)
    assert "2 of 4 decisions used (50.0 %)" in str(found)


def test_the_policy_is_shown_the_context_and_what_was_allowed() -> None:
    allowed = np.array([[True, True, False], [False, True, True]])
    policy = Scripted(["a", "c"])
    replay(DecisionLog([[1.0], [2.0]], allowed, [0, 2], [0.0, 1.0], [0.5, 0.5], names=("a", "b", "c")), policy)
    assert [(float(context[0]), actions) for context, actions in policy.offered] == [(1, ["a", "b"]), (2, ["b", "c"])]


def test_each_row_that_agrees_is_used_with_the_lowest_propensity_over_its_own() -> None:
    n = 20_000
    p = np.where(np.arange(n) % 2 == 0, 0.8, 0.2)
    log = DecisionLog(None, 2, np.arange(n) % 2, np.zeros(n), p)
    agreeing = Scripted([str(a) for a in log.actions])
    found = replay(log, agreeing)
    used = np.bincount(found.used % 2, minlength=2) / (n / 2)
    assert used[1] == 1.0 and used[0] == pytest.approx(0.25, abs=0.015)
    lower = replay(log, Scripted([str(a) for a in log.actions]), lowest_propensity=0.1)
    assert len(lower.used) / len(found.used) == pytest.approx(0.5, abs=0.03)


def _log(rows: int, copy: int, uniform: bool) -> DecisionLog:
    """Two kinds of context in which the better of two arms changes; arms pay 0.9 and 0.1."""
    stream, row = Stream(1, "replay world"), np.arange(rows)
    kind = stream.integers(2, copy, row, 0)
    chance = np.array([[0.5, 0.5], [0.5, 0.5]]) if uniform else np.array([[0.75, 0.25], [0.3, 0.7]])
    action = stream.categorical(chance[kind], copy, row, 1)
    pays = np.array([[0.9, 0.1], [0.1, 0.9]])
    reward = (stream.uniform(copy, row, 2) < pays[kind, action]).astype(float)
    return DecisionLog(np.eye(2)[kind], 2, action, reward, chance[kind, action])


def _live(steps: int, copy: int) -> float:
    """The same policy in the same world, live: its mean reward."""
    stream = Stream(2, "live world")
    bandit = _bandit(copy)
    kind = stream.integers(2, copy, np.arange(steps), 0)
    coin = stream.uniform(copy, np.arange(steps), 1)
    total = 0.0
    for t in range(steps):
        decision = bandit.decide(np.eye(2)[kind[t]])
        reward = float(coin[t] < (0.9 if decision.action == kind[t] else 0.1))
        bandit.learn(decision.id, reward)
        total += reward
    return total / steps


def _bandit(copy: int) -> Bandit:
    return Bandit(EpsilonGreedy(0.1), RidgeScores(2, dimension=2), actions=2, seed=copy)


@pytest.mark.parametrize("uniform", [True, False])
def test_a_learning_policy_earns_in_replay_what_it_earns_live(uniform: bool) -> None:
    """80 runs of the first 40 decisions, while it still learns: the means agree to their errors."""
    steps, runs = 40, 80
    lowest, rows = (0.5, 120) if uniform else (0.25, 230)
    found = [replay(_log(rows, copy, uniform), _bandit(copy), lowest_propensity=lowest) for copy in range(runs)]
    assert all(len(each.used) >= steps - 10 for each in found)
    replayed = np.array([each.rewards[:steps].mean() for each in found])
    live = np.array([_live(steps, copy) for copy in range(120)])
    error = np.sqrt(replayed.var() / runs + live.var() / 120)
    assert abs(replayed.mean() - live.mean()) < 3.5 * error
    assert live.mean() > 0.6 and error < 0.025


def test_it_learns_only_from_rows_that_are_used() -> None:
    bandit = _bandit(0)
    found = replay(_log(100, 0, True), bandit)
    assert bandit.decisions == 100 and bandit.waiting == 100 - len(found.used)


def test_actions_may_be_called_by_the_log_s_names_or_by_their_numbers() -> None:
    log = DecisionLog(None, 3, [0, 1, 2] * 20, np.ones(60), np.full(60, 1 / 3), names=("x", "y", "z"))
    by_name = replay(log, Bandit(UCB1(), actions=["x", "y", "z"]))
    by_number = replay(log, Bandit(UCB1(), actions=3))
    assert by_name.used.tolist() == by_number.used.tolist()
    with pytest.raises(BadValue, match="policy must be one with the log's: x, y, z"):
        replay(log, Bandit(Uniform(), actions=["x", "y"]))


def test_the_same_seed_uses_the_same_rows() -> None:
    log = _log(200, 0, False)
    first, second, other = (replay(log, _bandit(0), seed=seed) for seed in (0, 0, 1))
    assert first.used.tolist() == second.used.tolist() != other.used.tolist()


def test_what_cannot_be_replayed_is_refused() -> None:
    log = _log(50, 0, False)
    kept: dict[str, Any] = {"contexts": None, "allowed": 2, "actions": [0, 1], "rewards": [0.0, 1.0]}
    with pytest.raises(BadValue, match="rejection replay needs them"):
        replay(DecisionLog(**kept, propensities=None), _bandit(0))
    with pytest.raises(BadValue, match="got 'estimated'"):
        replay(DecisionLog(**kept, propensities=[0.5, 0.5], propensity_method=("estimated",)), _bandit(0))
    with pytest.raises(BadValue, match="one that never learns: use `evaluate`"):
        replay(log, Uniform())  # type: ignore[arg-type]
    with pytest.raises(BadValue, match=r"at most 0\.25, the lowest of the log"):
        replay(log, _bandit(0), lowest_propensity=0.3)
    with pytest.raises(BadValue, match="level must be"):
        replay(log, _bandit(0), level=1.0)
    with pytest.raises(BadValue, match="action of the policy in row 0"):
        replay(log, Scripted(["7"]))
    never = DecisionLog(**kept, propensities=[0.5, 0.5])
    with pytest.raises(BadValue, match="none was used"):
        replay(never, Scripted(["1", "0"]))
