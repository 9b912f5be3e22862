"""A live bandit keeps what it acknowledged, refuses what cannot be, and decides as an uninterrupted one would."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayfare.errors import BadValue
from wayfare.explore.live import ArmCounts, Bandit, RidgeScores, WeightedSums
from wayfare.explore.rules import UCB1, EpsilonGreedy, Exp3, Softmax

NAMES = ["card", "wallet", "bank"]


def plain(**options) -> Bandit:
    return Bandit(EpsilonGreedy(0.3), actions=NAMES, reward_range=(0, 1), **options)


def contextual(**options) -> Bandit:
    return Bandit(Softmax(0.5), RidgeScores(3, dimension=2), actions=NAMES, **options)


def weighted(**options) -> Bandit:
    return Bandit(Exp3(), WeightedSums(3), actions=NAMES, reward_range=(0, 1), **options)


def story(bandit: Bandit, steps: int, first: int = 0) -> list[tuple]:
    """Decide; every second reward comes three decisions late."""
    seen, late = [], []
    for t in range(first, first + steps):
        context = [math.sin(t), math.cos(t)] if bandit.model.dimension else None
        decision = bandit.decide(context, NAMES[t % 2 :])
        seen.append((decision.id, decision.action, decision.propensity))
        late.append((t + 3 * (t % 2), decision.id, 0.25 * (t % 4)))
        for due in [each for each in late if each[0] <= t]:
            bandit.learn(*due[1:])
            late.remove(due)
    return seen


def snapshot(bandit: Bandit) -> tuple:
    state = {name: array.tobytes() for name, array in bandit.model.state().items()}
    return state, bandit.decisions, bandit.waiting, np.array(bandit._rewards).tobytes()


def test_late_rewards_reach_the_action_and_the_context_they_belong_to() -> None:
    bandit = Bandit(UCB1(), actions=2)
    first, second = bandit.decide(), bandit.decide(actions=[1])
    bandit.learn(second.id, 5.0)
    bandit.learn(first.id, 2.0)
    counts, sums, _ = bandit.model.state()["table"]
    expected = np.zeros(2)
    expected[first.action] += 2.0
    expected[second.action] += 5.0
    assert sums.tolist() == expected.tolist() and counts.sum() == 2 and bandit.waiting == 0


@pytest.mark.parametrize("make", [plain, contextual, weighted])
def test_a_bandit_opened_again_goes_on_as_one_never_closed(make, tmp_path: Path) -> None:
    whole = make(seed=3)
    expected = story(whole, 30) + story(whole, 30, first=30)
    log = tmp_path / "log.jsonl"
    with make(seed=3, log=log) as before:
        seen = story(before, 30)
    with make(seed=3, log=log) as after:
        assert snapshot(after) == snapshot(before)
        assert seen + story(after, 30, first=30) == expected


@pytest.mark.parametrize("make", [plain, contextual, weighted])
def test_a_bandit_saved_and_loaded_goes_on_as_one_never_stopped(make, tmp_path: Path) -> None:
    bandit, other = make(seed=3), make(seed=3)
    story(bandit, 25)
    bandit.save(tmp_path / "state")
    other.load(tmp_path / "state")
    assert snapshot(other) == snapshot(bandit)
    assert story(other, 20, first=25) == story(bandit, 20, first=25)
    assert os.listdir(tmp_path) == ["state"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda b, d: b.learn(d.id, math.nan), "reward must be between 0 and 1, got nan"),
        (lambda b, d: b.learn(d.id, 1.5), "reward must be between 0 and 1, got 1.5"),
        (lambda b, d: b.learn(d.id, "high"), "reward must be a number, got 'high'"),
        (lambda b, d: b.learn("7-99", 0.5), "id must be that of a decision this bandit made, got '7-99'"),
        (lambda b, d: b.learn("0--1", 0.5), "id must be that of"),
        (lambda b, d: b.learn("0-99", 0.5), "id must be that of"),
        (lambda b, d: b.decide(actions=[]), r"actions must be at least one, got \[\]"),
        (lambda b, d: b.decide(actions=["cash"]), "actions must be among card, wallet, bank, got 'cash'"),
        (lambda b, d: b.decide([1.0]), r"context must be of shape \[0\], got \[1\]"),
    ],
)
def test_bad_input_is_refused_by_name_and_changes_nothing(wrong, message: str, tmp_path: Path) -> None:
    with plain(log=tmp_path / "log") as bandit:
        story(bandit, 5)
        decision = bandit.decide()
        before, text = snapshot(bandit), (tmp_path / "log").read_bytes()
        with pytest.raises(BadValue, match=message):
            wrong(bandit, decision)
        assert snapshot(bandit) == before and (tmp_path / "log").read_bytes() == text


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ([1.0, math.nan], r"context\[1\] must be finite"),
        ([1.0], r"of shape \[2\]"),
        ("ab", "2 numbers"),
        (None, "shape"),
    ],
)
def test_a_context_that_does_not_fit_is_refused(context, message: str) -> None:
    bandit = contextual()
    with pytest.raises(BadValue, match=message):
        bandit.decide(context)
    assert bandit.decisions == 0


def test_the_same_reward_twice_is_acknowledged_and_another_is_refused(tmp_path: Path) -> None:
    with plain(log=tmp_path / "log") as bandit:
        decision = bandit.decide()
        bandit.learn(decision.id, 0.5)
        before, text = snapshot(bandit), (tmp_path / "log").read_bytes()
        bandit.learn(decision.id, 0.5)
        with pytest.raises(BadValue, match=r"reward must be 0.5, which decision 0-0 was given before, got 0.75"):
            bandit.learn(decision.id, 0.75)
        assert snapshot(bandit) == before and (tmp_path / "log").read_bytes() == text


def test_a_log_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with plain(log=log) as bandit:
        story(bandit, 3)
        with pytest.raises(BadValue, match="no other process has open"):
            plain(log=log)
        with pytest.raises(BadValue, match="this bandit's state is its log"):
            bandit.load(tmp_path / "state")
    for make, field in (
        (lambda: plain(log=log, seed=1), "seed"),
        (lambda: Bandit(UCB1(), actions=NAMES[::-1], log=log), "actions"),
        (lambda: contextual(log=log), "model"),
    ):
        with pytest.raises(BadValue, match=f"{field} must be"):
            make()
    (tmp_path / "letter").write_text("Dear Sir,\n")
    with pytest.raises(BadValue, match="a journal of a live bandit"):
        plain(log=tmp_path / "letter")
    assert (tmp_path / "letter").read_text() == "Dear Sir,\n"
    with plain(log=log) as again:
        assert again.decisions == 3


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    bandit = plain()
    story(bandit, 4)
    bandit.save(tmp_path / "state")
    (tmp_path / "noise").write_bytes(b"nothing")
    other = Bandit(EpsilonGreedy(0.2), actions=NAMES)
    for path, message in ((tmp_path / "noise", "that Bandit.save wrote"), (tmp_path / "state", "parameters must be")):
        with pytest.raises(BadValue, match=message):
            other.load(path)
    assert other.decisions == 0


@given(cut=st.integers(0, 2000))
@settings(max_examples=25, deadline=None)
def test_a_log_cut_anywhere_opens_with_the_events_that_were_whole(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("cut") / "log"
    with plain(log=log) as bandit:
        story(bandit, 6)
    text = log.read_bytes()[:cut]
    log.write_bytes(text)
    with plain(log=log) as again:
        whole = [json.loads(line) for line in text.split(b"\n")[:-1]]
        assert again.decisions == sum(event.get("event") == "decision" for event in whole)
        story(again, 3, first=again.decisions)
    with plain(log=log) as once_more:
        assert snapshot(once_more) == snapshot(again)


WRITER = """
import sys
from wayfare.explore.live import Bandit
from wayfare.explore.rules import UCB1
bandit = Bandit(UCB1(), actions=3, log=sys.argv[1])
while True:
    decision = bandit.decide()
    print("decided", decision.id, flush=True)
    bandit.learn(decision.id, 0.5)
    print("learned", decision.id, flush=True)
"""


def test_nothing_acknowledged_is_lost_to_kill_9(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for round in range(2):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(log)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        told = [process.stdout.readline().split()]
        time.sleep(0.1 + 0.05 * round)
        process.send_signal(signal.SIGKILL)
        told += [line.split() for line in process.stdout if line.endswith("\n")]
        process.wait()
        with Bandit(UCB1(), actions=3, log=log) as bandit:
            made = sum(word == "decided" for word, _ in told)
            assert bandit.decisions >= int(told[-1][1].partition("-")[2]) + 1 and made > 3
            for word, id in told:
                if word == "learned":
                    assert bandit._rewards[bandit._number(id)] == 0.5


def test_ridge_scores_are_those_of_the_normal_equations() -> None:
    rng = np.random.default_rng(0)
    model = RidgeScores(2, dimension=3, ridge=0.7)
    xs, actions, rewards = rng.normal(size=(200, 3)), rng.integers(2, size=200), rng.normal(size=200)
    for x, action, reward in zip(xs, actions, rewards, strict=True):
        model.learn(x, int(action), float(reward))
    at = rng.normal(size=3)
    for action in range(2):
        design = np.c_[xs, np.ones(200)][actions == action]
        weights = np.linalg.solve(design.T @ design + 0.7 * np.eye(4), design.T @ rewards[actions == action])
        assert model.evidence(at).scores[action] == pytest.approx(weights @ np.append(at, 1.0), abs=1e-9)


def test_counts_are_those_of_the_rewards() -> None:
    model = ArmCounts(2)
    before = model.evidence(np.zeros(0))
    model.learn(np.zeros(0), 1, 3.0)
    assert before.counts.tolist() == [0, 0], "evidence given out does not change"
    after = model.evidence(np.zeros(0))
    assert (after.counts.tolist(), after.sums.tolist(), after.squares.tolist()) == ([0, 1], [0, 3], [0, 9])


def test_impossible_bandits_are_refused() -> None:
    for options, message in (
        ({"actions": 0}, "at least one name"),
        ({"actions": "abc"}, "at least one name"),
        ({"actions": 2.5}, "at least one name"),
        ({"actions": 2, "reward_range": (1,)}, "reward_range must be"),
        ({"actions": 4, "model": RidgeScores(3, 2)}, "one of 4 actions, got 'RidgeScores of 3 actions'"),
        ({"actions": 3, "model": RidgeScores(3, 2)}, "one that gives an ArmTable for UCB1"),
        ({"actions": ["a", "a"]}, "each named once"),
        ({"actions": 2, "reward_range": (1, 0)}, "reward_range must be"),
    ):
        with pytest.raises(BadValue, match=message):
            Bandit(UCB1(), **options)
    with pytest.raises(BadValue, match="dimension must be at least 1"):
        RidgeScores(2, dimension=0)
    with pytest.raises(BadValue, match="ridge must be above 0"):
        RidgeScores(2, dimension=1, ridge=0)


@pytest.mark.parametrize("rule", [None, UCB1, "UCB1"])
def test_what_is_no_rule_is_refused(rule: object) -> None:
    with pytest.raises(BadValue, match="an action rule"):
        Bandit(rule, actions=2)  # type: ignore[arg-type]


@pytest.mark.parametrize(("actions", "message"), [("card", "a list of actions"), ([["card"]], "among card")])
def test_actions_that_are_no_list_of_names_are_refused(actions: object, message: str) -> None:
    bandit = plain()
    with pytest.raises(BadValue, match=message):
        bandit.decide(actions=actions)  # type: ignore[arg-type]
    assert bandit.decisions == 0


def test_a_closed_bandit_says_so_and_learns_nothing(tmp_path: Path) -> None:
    bandit = plain(log=tmp_path / "log")
    decision = bandit.decide()
    bandit.close()
    for use in (bandit.decide, lambda: bandit.learn(decision.id, 1.0)):
        with pytest.raises(BadValue, match="closed"):
            use()
    assert bandit.waiting == 1


def test_a_log_whose_rewards_are_out_of_range_is_refused_with_the_first_of_them(tmp_path: Path) -> None:
    with plain(log=tmp_path / "log") as bandit:
        bandit.learn(bandit.decide().id, 0.25)
    with pytest.raises(BadValue, match=r"reward_range must be a range that holds 0.25, which decision 0-0"):
        Bandit(EpsilonGreedy(0.3), actions=NAMES, reward_range=(0.5, 1), log=tmp_path / "log")


def test_a_state_is_loaded_by_the_rule_that_saved_it(tmp_path: Path) -> None:
    Bandit(UCB1(0.3), actions=2).save(tmp_path / "state")
    with pytest.raises(BadValue, match="rule must be UCB1"):
        Bandit(EpsilonGreedy(0.3), actions=2).load(tmp_path / "state")
