"""The parts of the study that take time: an arm on the streams of some seeds, and logs that judge another policy.

Each function is one cell: plain arguments in, arrays named "player|measure" out, [seeds, ...] each. A stream is the
same for all arms, and the same uniform draws decide what is shown and whether a task succeeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.evaluation.slate_estimates import SlateEstimator, estimate_slates
from wayfare.explore.evaluation.slates import SlateLog, SlateRecall, SlateTask
from wayfare.explore.rules.floor import FloorSettings
from wayfare.explore.rules.slates import SlateMixture
from wayfare.memory.policy import Policy
from wayfare.memory.utility import gaussian_posterior
from wayfare.studies.recall_bandit.arms import Played, Seen, play_stream
from wayfare.studies.recall_bandit.stage import Setting, Stage, expected_reward

__all__ = ["BLOCK", "EPSILONS", "ESTIMATORS", "LAMBDAS", "judge", "measured", "play", "scripted", "tune"]

Measures = dict[str, NDArray[Any]]
BLOCK = 50
SLACK = 1e-9  # of a comparison of two exact values
LAMBDAS = (0.25, 0.5, 0.75, 1.0)
EPSILONS = (0.01, 0.1)
TUNING_SEED = 1_000_000
ESTIMATORS: tuple[SlateEstimator, ...] = ("ips", "snips", "dr", "additive", "additive-dr")
TARGET = Policy("boltzmann", explore=0.1)
"""Whom the logs judge: a learned policy that did not write them and was not fitted to them. Where Thompson is sure it
shows others so seldom that policies which stray further are refused for lack of support."""


class Report(Protocol):
    """Tells how far a cell is."""

    def __call__(self, done: int, total: int, **metrics: float) -> None: ...


def play(
    report: Report,
    *,
    name: str,
    arm: str,
    setting: Setting,
    seeds: Sequence[int],
    policy: Mapping[str, Any] | None = None,
    own: bool = False,
) -> Measures:
    """An arm on some streams. policy: fields of `Policy`, None where the arm has none, or the default

    own: the arm writes what came of its tasks
    """
    chosen = None if policy is None else Policy(**policy)
    rows = []
    for done, seed in enumerate(seeds, 1):
        rows.append(measured(play_stream(Stage(setting, seed), arm, chosen, own=own), setting))
        report(done, len(seeds))
    found = {f"{name}|{measure}": np.array([row[measure] for row in rows]) for measure in rows[0]}
    if arm == "baseline" and not own:
        condition = name.rpartition(": ")[0]
        best = [measured(play_stream(Stage(setting, seed), "oracle"), setting) for seed in seeds]
        found |= {f"{condition}: oracle|{measure}": np.array([row[measure] for row in best]) for measure in best[0]}
    return found


def measured(played: Played, setting: Setting) -> dict[str, Any]:
    """What is told of one stream.

    value, late: mean over all tasks and over the last fifth        curve: by blocks; base curve: of the most relevant
    broken before, broken after: blocks below the floor, before and after the drift        share: of the baseline, last
    """
    tasks = setting.tasks
    curve, base = (row.reshape(-1, BLOCK).mean(axis=1) for row in (played.value, played.baseline))
    least = 1.0 - FloorSettings().alpha
    broken = curve < least * base - SLACK
    half = len(curve) // 2 if setting.drift else len(curve)
    return {
        "value": played.value.mean(), "late": played.value[-(tasks // 5) :].mean(), "curve": curve, "base curve": base,
        "share curve": played.share.reshape(-1, BLOCK).mean(axis=1), "share": played.share[-1],
        "certified": played.certified[-1], "broken before": broken[:half].sum(), "broken after": broken[half:].sum(),
        "worst ratio": (curve[:half] / base[:half]).min(),
        "alarms": sum(what != "certified" for _, what in played.events),
    }  # fmt: skip


def tune(report: Report, *, name: str, setting: Setting, seeds: Sequence[int]) -> Measures:
    """MemRL's rule at each lambda and epsilon on other streams: mean reward, [lambdas, epsilons, seeds]."""
    found = np.zeros((len(LAMBDAS), len(EPSILONS), len(seeds)))
    done = 0
    for s, seed in enumerate(seeds):
        stage = Stage(setting, TUNING_SEED + seed)
        for i, weight in enumerate(LAMBDAS):
            for j, epsilon in enumerate(EPSILONS):
                policy = Policy("memrl", weight=weight, epsilon=epsilon)
                found[i, j, s] = play_stream(stage, "policy", policy).value.mean()
                done += 1
                report(done, found.size)
    return {f"{name}|tuning": found}


def judge(report: Report, *, name: str, setting: Setting, seeds: Sequence[int]) -> Measures:
    """What the safe mixture's log says another policy would have earned, and what it truly would have: [seeds].

    "ESTIMATOR covers", "ESTIMATOR error" and "ESTIMATOR width"; an estimate that is refused covers nothing
    """
    found: dict[str, list[float]] = {
        f"{estimator} {what}": [] for estimator in ESTIMATORS for what in ("covers", "error", "width")
    }
    for done, seed in enumerate(seeds, 1):
        log, truth = _logged(Stage(setting, seed))
        for estimator in ESTIMATORS:
            try:
                told = estimate_slates(log, estimator)
                numbers = (float(told.low <= truth <= told.high), told.value - truth, told.high - told.low)
            except BadValue:
                numbers = (0.0, np.nan, np.nan)
            for what, number in zip(("covers", "error", "width"), numbers, strict=True):
                found[f"{estimator} {what}"].append(number)
        report(done, len(seeds))
    return {f"{name}|{measure}": np.array(numbers) for measure, numbers in found.items()}


def _logged(stage: Stage) -> tuple[SlateLog, float]:
    """The log of the safe mixture, and the exact mean reward of the target in the situations recorded."""
    kind, k = stage.setting.reward, stage.setting.k
    tasks, truth = [], []

    def see(t: int, seen: Seen) -> None:
        target = SlateMixture(TARGET.parts(seen.candidates, k, Stream(stage.seed, "target").at(t)), k)
        truth.append(expected_reward(target, seen.worth, kind))
        c = seen.candidates
        mean, width, _ = gaussian_posterior(c.n, c.total, c.squares)
        recall = SlateRecall(
            seen.mixtures, {"target": target}, seen.slate, features=np.column_stack([c.relevance, mean, width])
        )
        tasks.append(SlateTask(f"task {t}", seen.reward, seen.side, [recall], seen.shares))

    play_stream(stage, "safe mixture", see=see)
    return SlateLog(tasks), float(np.mean(truth))


def scripted(report: Report, *, conditions: Mapping[str, Setting], seeds: Sequence[int], looks: int) -> Measures:
    """Players whose worth is known beforehand, to try the checks on: of each condition the best and the worst set, the
    most relevant; intervals that always or never cover; a desk that gains everything, and one that gains nothing."""
    found: Measures = {}
    for condition, setting in conditions.items():
        for player, arm in (("best", "oracle"), ("worst", "worst"), ("similar", "baseline")):
            found |= play(report, name=f"{condition}: scripted {player}", arm=arm, setting=setting, seeds=seeds)
        found[f"{condition}: scripted best|share"] = np.full(len(seeds), FloorSettings().rho_min)
        found[f"{condition}: scripted worst|share"] = np.ones(len(seeds))
    for estimator in ESTIMATORS:
        found[f"always|{estimator} covers"] = np.ones(len(seeds))
        found[f"never|{estimator} covers"] = np.zeros(len(seeds))
    gain = np.full((len(seeds), looks), 0.5)
    found |= {"desk best|learned": gain, "desk best|similarity": 0 * gain}
    found |= {"desk similar|learned": gain, "desk similar|similarity": gain}
    return {name: array for name, array in found.items() if ": oracle|" not in name}
