"""What another policy would have earned is asked of one policy's log, and then that policy is run.

The command for anyone is `python benchmarks/evaluate_live.py`; here it is run small. Seeds are fixed, so that nothing
is left to chance; the bound is what intervals that hold 95 times in 100 fall below less than once in a thousand times.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import evaluate_live

from wayfare.memory import Policy

pytestmark = pytest.mark.xdist_group("evaluated-live")  # one worker, so that what all look at is made once

SEEDS = 6
TARGETS = {"similarity": Policy("similarity"), "boltzmann": Policy("boltzmann", explore=0.5)}


def fewest(trials: int, share: float = 0.95, chance: float = 0.001) -> int:
    """Successes under which a binomial of this share falls with less than this chance."""
    below, count = 0.0, 0
    while True:
        below += math.comb(trials, count) * share**count * (1 - share) ** (trials - count)
        if below >= chance:
            return count
        count += 1


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[evaluate_live.Answer]:
    found = []
    for seed in range(SEEDS):
        place = tmp_path_factory.mktemp(f"seed{seed}")
        found += evaluate_live.held_against_live(seed, 200, 250, 2, "mean", place, TARGETS)
    return found


def test_a_policy_run_live_earns_what_the_log_of_another_said(answers: list[evaluate_live.Answer]) -> None:
    told = [answer for answer in answers if not answer.refused]
    assert len(told) == len(answers) == SEEDS * len(TARGETS)
    assert sum(answer.inside for answer in told) >= fewest(len(told))


def test_the_intervals_say_something(answers: list[evaluate_live.Answer]) -> None:
    """Most are narrow, and over the seeds their middle is what was earned, which what the log earned is not."""
    for name in TARGETS:
        own = [answer for answer in answers if answer.policy == name]
        widths = sorted(answer.high - answer.low for answer in own)
        assert widths[SEEDS // 2] < 0.2
        assert abs(sum(answer.value - answer.live for answer in own)) / SEEDS < 0.03
        assert abs(sum(answer.logged - answer.live for answer in own)) / SEEDS > 0.04


def test_the_command_prints_each_answer_beside_what_was_earned(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate_live.main(["--seeds", "1", "--before", "20", "--tasks", "40", "--passes", "1"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in evaluate_live.TARGETS) and "are inside the interval" in said
