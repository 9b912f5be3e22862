"""The bandit benchmark: every contender plays the game that is claimed, and ours can be started as the front does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import bandits
import bandits_ours
import bandits_peers


def test_every_contender_has_its_script_its_pins_and_a_partner() -> None:
    for rows in bandits.CONTENDERS.values():
        ours = {who for home, _, who, _ in rows if home == "ours"}
        for home, script, _, wanted in rows:
            assert (bandits.HERE / script).exists()
            assert home in ("ours", "numba") or (bandits.HERE / "peers" / f"{home}.txt").exists()
            assert set(wanted) <= ours


def test_chances_of_the_stream_are_chances_and_differ_between_actions() -> None:
    contexts, chances, coins = bandits.events(0)
    assert contexts.shape == (bandits.EVENTS, bandits.DIMENSION)
    assert chances.shape == (bandits.EVENTS, bandits.ACTIONS)
    assert chances.min() > 0 and chances.max() < 1 and coins.shape == (bandits.EVENTS,)
    assert np.mean(chances.max(axis=1) - chances.mean(axis=1)) > 0.1


@pytest.mark.parametrize("who", ["squarecb", "squarecb-256"])
def test_our_stream_does_better_than_chance(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandits_ours, "STREAMS", 4)
    monkeypatch.setattr(bandits_ours, "events", lambda seed: tuple(part[:1500] for part in bandits.events(seed)))
    _, chances, _ = bandits.events(0)
    told = bandits_ours.stream(who, 30.0, 0)
    assert told["events"] == 1500 * (1 if who == "squarecb" else 4)
    assert told["regret an event"] < 0.6 * np.mean(chances.max(axis=1) - chances.mean(axis=1))


def test_our_runs_of_ucb1_lose_what_a_textbook_loop_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandits_ours, "RUNS", 64)
    ticks = iter(range(10**9))
    monkeypatch.setattr(bandits_ours.time, "perf_counter", lambda: float(next(ticks)))
    told = bandits_ours.simulate("ucb1", 110.0, 0)  # a "second" each time the clock is read: about 1,100 pulls
    chances = bandits.means()
    rng = np.random.default_rng(1)
    lost = []
    for _ in range(20):
        counts, sums, regret = np.zeros(bandits.ARMS), np.zeros(bandits.ARMS), 0.0
        for t in range(1000):
            with np.errstate(divide="ignore", invalid="ignore"):
                index = np.where(counts > 0, sums / counts + np.sqrt(2 * np.log(max(t, 1)) / counts), np.inf)
            arm = int(index.argmax())
            counts[arm] += 1
            sums[arm] += rng.random() < chances[arm]
            regret += chances.max() - chances[arm]
        lost.append(regret)
    assert told["regret at 1000"] == pytest.approx(np.mean(lost), rel=0.08)


def test_a_peers_file_without_dependencies_says_so_first() -> None:
    assert (bandits.HERE / "peers" / "banditbench.txt").read_text().startswith("# no dependencies")


def test_the_chances_of_arms_are_the_same_for_all() -> None:
    assert bandits_peers.means is bandits_ours.means is bandits.means
    assert sorted(bandits.means()) == pytest.approx(np.linspace(0.1, 0.9, bandits.ARMS))
