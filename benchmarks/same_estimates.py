"""Are our off-policy estimates those of the Open Bandit Pipeline on the same log? `python benchmarks/same_estimates.py`

One log of 2,000 rounds with five actions, drawn here, goes to both: the policy's probabilities and one table of
predicted rewards. obp needs an older NumPy and works in its own environment (peers/obp.txt) and process; this file
started with `peer` is what runs there, and answers on standard output.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["differences", "log", "ours", "theirs"]

ROUNDS, ACTIONS, TAU = 2_000, 5, 3.0
CLOSE = 1e-9


def main() -> None:
    """Print both values of each estimator; exit with 1 where one differs."""
    from run import environment

    drawn = log()
    ask = theirs(environment("obp"), drawn)
    answer = ours(drawn)
    for name, value in answer.items():
        print(f"{name:10} ours {value:.12f}   obp {ask[name]:.12f}   difference {abs(value - ask[name]):.1e}")
    if found := differences(answer, ask):
        sys.exit("; ".join(found))


def log() -> dict[str, Any]:
    """A log in plain lists: context, action, reward, pscore, target [N, A], predicted [N, A]."""
    from wayfare.draws import Stream

    stream, row = Stream(0, "same estimates"), np.arange(ROUNDS)
    context = stream.normal(0, row, np.arange(3)[:, None]).T
    effect = stream.normal(1, np.arange(3)[:, None], np.arange(ACTIONS))
    behaviour, target = (np.exp(slope * context @ effect) for slope in (0.4, -0.8))
    behaviour, target = (each / each.sum(axis=1, keepdims=True) for each in (behaviour, target))
    action = stream.categorical(behaviour, 2, row)
    chance = 1 / (1 + np.exp(-context @ effect))
    reward = (stream.uniform(3, row) < chance[row, action]).astype(float)
    columns = {"context": context, "action": action, "reward": reward, "pscore": behaviour[row, action]}
    return {name: each.tolist() for name, each in {**columns, "target": target, "predicted": 0.8 * chance}.items()}


def ours(drawn: dict[str, Any]) -> dict[str, float]:
    """Value by estimator."""
    from wayfare.explore.evaluation import DecisionLog, evaluate

    asked: dict[str, dict[str, Any]] = {name: {"model": drawn["predicted"]} for name in ("dm", "dr", "switch-dr")}
    asked["switch-dr"]["switch"] = TAU
    read = DecisionLog(drawn["context"], ACTIONS, drawn["action"], drawn["reward"], drawn["pscore"])
    names = ("ips", "snips", "dm", "dr", "switch-dr")
    return {name: evaluate(read, drawn["target"], name, **asked.get(name, {})).value for name in names}


def theirs(python: Path, drawn: dict[str, Any]) -> dict[str, float]:
    """The same of obp, by the interpreter of its environment."""
    words = [str(python), str(Path(__file__).resolve()), "peer"]
    done = subprocess.run(words, input=json.dumps(drawn), check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def differences(answer: dict[str, float], ask: dict[str, float]) -> list[str]:
    """Which estimators differ by more than 1e-9, in words; [] where none does."""
    return [
        f"{name} is {value!r}, obp says {ask[name]!r}"
        for name, value in answer.items()
        if not abs(value - ask[name]) <= CLOSE
    ]


def peer() -> None:
    """In obp's environment: a log from standard input, its values to standard output."""
    from obp.ope import (
        DirectMethod,
        DoublyRobust,
        InverseProbabilityWeighting,
        SelfNormalizedInverseProbabilityWeighting,
        SwitchDoublyRobust,
    )

    drawn = {name: np.array(each) for name, each in json.load(sys.stdin).items()}
    feedback = {name: drawn[name] for name in ("action", "reward", "pscore")}
    feedback |= {"action_dist": drawn["target"][:, :, None]}
    model = {"estimated_rewards_by_reg_model": drawn["predicted"][:, :, None]}
    told = {
        "ips": InverseProbabilityWeighting().estimate_policy_value(**feedback),
        "snips": SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**feedback),
        "dm": DirectMethod().estimate_policy_value(action_dist=feedback["action_dist"], **model),
        "dr": DoublyRobust().estimate_policy_value(**feedback, **model),
        "switch-dr": SwitchDoublyRobust(tau=TAU).estimate_policy_value(**feedback, **model),
    }
    print(json.dumps({name: float(value) for name, value in told.items()}))


if __name__ == "__main__":
    peer() if sys.argv[1:] == ["peer"] else main()
