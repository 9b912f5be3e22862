"""The parts of the study that take time: the passes of a player over its tasks, for several seeds.

Each function is one cell: plain arguments in, arrays named "player|measure" out, [seeds, ...] each. Success is the
chance to succeed given what was shown, over all that the frozen policy may do: luck enters what is learned, and not
what is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare.studies.memrl.bank import Arm, Bank
from wayfare.studies.memrl.families import Families, Setting
from wayfare.studies.on_arrays import place_of

__all__ = ["Played", "Report", "episode", "play", "play_seed", "scripted", "tune"]

Floats = NDArray[np.float64]
TUNING_SEED = 1_000_000


class Report(Protocol):
    """Tells how far a cell is."""

    def __call__(self, done: float, total: float, **metrics: float) -> None: ...


class Played:
    """What one seed did, in the order in which tasks came.

    success: [passes, T] chance given what was shown        solved: [passes, T] whether the reward was 1
    shown: [passes, T] strategy of the first item shown, -1 for none        played: [passes, T] strategy
    held: chance on held-out tasks, in the mean
    """

    def __init__(self, passes: int, tasks: int) -> None:
        self.success = np.zeros((passes, tasks))
        self.solved = np.zeros((passes, tasks), np.bool_)
        self.shown = np.full((passes, tasks), -1, np.int8)
        self.played = np.zeros((passes, tasks), np.int8)
        self.held = 0.0
        self.records = 0


def episode(task: int, turn: int) -> str:
    """The task's id in a Memory, from which its draws follow."""
    return f"task {task} pass {turn}"


def play_seed(families: Families, arm: Arm, bank: Bank, passes: int) -> Played:
    """The passes of one seed, then its held-out tasks with a memory that no longer learns."""
    found = Played(passes, families.tasks)
    for turn in range(passes):
        for i, task in enumerate(families.order(turn)):
            shown = bank.recall(task, arm, place_of(episode(task, turn)))
            strategies = [bank.strategy[record] for record in shown]
            which = families.copied(task, turn, len(shown))
            strategy = families.own(task, turn) if which is None else strategies[which]
            reward = families.reward(task, turn, strategy)
            bank.credit(shown, [] if which is None else [shown[which]], reward, arm)
            if arm.policy is not None:
                bank.write(task, strategy, reward > 0)
            found.success[turn, i] = families.success(task, strategies)
            found.solved[turn, task] = reward > 0
            found.shown[turn, i] = strategies[0] if strategies else -1
            found.played[turn, i] = strategy
    held = range(families.tasks, len(families.vectors))
    found.held = float(
        np.mean(
            [
                families.success(query, [bank.strategy[r] for r in bank.recall(query, arm, place_of(f"held {query}"))])
                for query in held
            ]
        )
    )
    found.records = len(bank)
    return found


def play(
    report: Report, *, name: str, arm: Arm, setting: Setting, seeds: Sequence[int], late: int
) -> Mapping[str, NDArray[Any]]:
    """A player on some seeds.

    late: last passes that count as the end
    Measures: late, held, cumulative (solved at least once), curve [passes], records, shown [passes * T], chance, span
    """
    rows = []
    for done, seed in enumerate(seeds):
        families = Families(setting, seed)
        rows.append(play_seed(families, arm, Bank(families.vectors, seed=seed), setting.passes))
        report(done + 1, len(seeds), success=float(rows[-1].success[-late:].mean()))
    found = {
        "late": np.array([row.success[-late:].mean() for row in rows]),
        "held": np.array([row.held for row in rows]),
        "cumulative": np.array([row.solved.any(axis=0).mean() for row in rows]),
        "curve": np.array([row.success.mean(axis=1) for row in rows]),
        "records": np.array([float(row.records) for row in rows]),
        "shown": np.array([row.shown.ravel() for row in rows]),
        **_known(setting, len(seeds)),
    }
    return {f"{name}|{measure}": value for measure, value in found.items()}


def tune(
    report: Report, *, arms: Mapping[str, Arm], setting: Setting, seeds: Sequence[int], late: int
) -> Mapping[str, NDArray[Any]]:
    """Late success of each player on other seeds: [seeds]."""
    found: dict[str, NDArray[Any]] = {}
    for done, (name, arm) in enumerate(arms.items()):
        other = [TUNING_SEED + seed for seed in seeds]
        told = play(lambda *_, **__: None, name=name, arm=arm, setting=setting, seeds=other, late=late)
        found[f"tuning {name}|late"] = told[f"{name}|late"]
        report(done + 1, len(arms))
    return found


def scripted(report: Report, *, settings: Sequence[Setting], seeds: int) -> Mapping[str, NDArray[Any]]:
    """Players whose success is known beforehand, to try the checks on.

    chance: shows nothing        ceiling: always shows the right strategy
    nearly: an agreement with one choice amiss        exact, biased: an estimator as the theory says, and one that is
    five standard errors off
    """
    found: dict[str, NDArray[Any]] = {}
    for setting in settings:
        low, high = setting.chance, setting.ceiling
        for name, value in (("chance", low), ("ceiling", high)):
            told = {measure: np.full(seeds, value) for measure in ("late", "held")}
            told |= _known(setting, seeds)
            told["shown"] = np.zeros((seeds, 4), np.int8)
            key = f"{name} {setting.lucky:g}"
            found |= {f"{key}|{measure}": array for measure, array in told.items()}
    other = np.zeros((seeds, 4), np.int8)
    other[:, 0] = 1
    found["nearly|shown"] = other
    for name, value in (("exact", 0.0), ("biased", 5.0)):
        for measure in ("mean", "variance"):
            found[f"{name}|{measure} deviation"] = np.full(seeds, value)
    for name, value in (("agrees", 1.0), ("disagrees", 0.99)):
        found[f"{name}|agreement"] = np.full(seeds, value)
    report(1, 1)
    return found


def _known(setting: Setting, seeds: int) -> dict[str, Floats]:
    return {
        "chance": np.full(seeds, setting.chance),
        "span": np.full(seeds, setting.ceiling - setting.chance),
    }


def wide(setting: Setting, families: int, per_family: int, passes: int) -> Setting:
    """The same world, cut into more families."""
    return replace(setting, families=families, per_family=per_family, passes=passes)
