"""What came out: measures by player, and from them the checks, the tables and the notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.explore.rules.floor import FloorSettings
from wayfare.report.statistics import share_interval
from wayfare.studies.contract import Check, Table
from wayfare.studies.recall_bandit import Config
from wayfare.studies.recall_bandit.cells import ESTIMATORS
from wayfare.studies.recall_bandit.checks import Rule
from wayfare.studies.recall_bandit.plan import DESKS
from wayfare.studies.stated import half_width, seeds_interval

__all__ = ["Measures", "check_of", "notes", "tables"]

Measures = dict[tuple[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""


def check_of(config: Config, rule: Rule, measures: Measures) -> Check:
    """The rule on what was found."""
    values = rule.measure(lambda player, measure: measures[player, measure])
    counted = rule.way == "share"
    interval = share_interval(int(values.sum()), len(values)) if counted else seeds_interval(values)
    return rule.on(interval, len(values), "" if config.scale in rule.scales else "needs laptop scale")


def tables(config: Config, measures: Measures) -> dict[str, Table]:
    """The desks first: they are what a user gets. Then arms, floors, logs and the tuning."""
    return {
        "desk": _desks(config, measures),
        "arms": _arms(config, measures),
        "floor": _floors(measures),
        **({"logs": _logs(measures)} if config.logs else {}),
        "tuning": Table(
            "MemRL's rule on the tuning streams: mean reward",
            ("condition", "lambda by epsilon (rows of the grid)"),
            [
                (player, np.array2string(array.mean(axis=-1), precision=3).replace("\n", ""))
                for (player, measure), array in measures.items()
                if measure == "tuning"
            ],
        ),
    }


def _desks(config: Config, measures: Measures) -> Table:
    rows = []
    for name in DESKS:
        learned, similar = measures[name, "learned"], measures[name, "similarity"]
        for i, tasks in enumerate(config.looks):
            gain = seeds_interval(learned[:, i] - similar[:, i])
            rows.append(
                (
                    name, tasks, float(similar[:, i].mean()), float(learned[:, i].mean()), gain.estimate, gain.low,
                    gain.high, float(measures[name, "best"].mean()), len(learned),
                )
            )  # fmt: skip
    columns = (
        "desk", "credited tasks", "similarity", "default memory", "improvement", "95 % low", "95 % high", "best notes",
        "seeds",
    )  # fmt: skip
    return Table("through the public API: a default memory against similarity, on held-out tasks", columns, rows)


def _arms(config: Config, measures: Measures) -> Table:
    rows = []
    for player, measure in measures:
        condition, _, arm = player.rpartition(": ")
        if measure != "value" or arm.startswith("scripted"):
            continue
        of = {what: measures[player, what][: config.seeds] for what in ("value", "late")}
        few = len(of["late"])
        base, best = (measures.get((f"{condition}: {who}", "late")) for who in ("baseline", "oracle"))
        closed = None
        if base is not None and best is not None:
            closed = float((of["late"].mean() - base[:few].mean()) / (best[:few].mean() - base[:few].mean()))
        rows.append(
            (
                condition, arm, few, float(of["value"].mean()), half_width(of["value"]), float(of["late"].mean()),
                half_width(of["late"]), closed,
            )
        )  # fmt: skip
    columns = (
        "condition", "arm", "streams", "reward", "95 % +-", "reward in the last fifth", "95 % +- of that",
        "closed of the gap to the best",
    )  # fmt: skip
    return Table("arms", columns, sorted(rows, key=lambda row: row[0]))


def _floors(measures: Measures) -> Table:
    least, rows = FloorSettings().rho_min, []
    for player, measure in measures:
        condition, _, arm = player.rpartition(": ")
        if measure != "broken before" or arm != "safe mixture":
            continue
        of = {what: measures[player, what] for what in ("broken before", "broken after", "share", "worst ratio")}
        rows.append(
            (
                condition, len(of["share"]), int((of["broken before"] > 0).sum()), int((of["broken after"] > 0).sum()),
                float(of["worst ratio"].min()), float((of["share"] <= least + 1e-9).mean()),
                float(measures[player, "certified"].mean()), int((measures[player, "alarms"] > 0).sum()),
            )
        )  # fmt: skip
    columns = (
        "condition", "streams", "with a broken floor", "with one after the drift",
        "lowest block, share of the baseline's", "streams that end at the least share", "mean certified ratio",
        "streams with an alarm",
    )  # fmt: skip
    return Table("the floor of the safe mixture", columns, rows)


def _logs(measures: Measures) -> Table:
    rows = []
    for player in dict.fromkeys(player for player, _ in measures if player.startswith("logs")):
        for estimator in ESTIMATORS:
            covers, error, width = (measures[player, f"{estimator} {w}"] for w in ("covers", "error", "width"))
            fine = np.isfinite(error)
            rows.append(
                (
                    player, estimator, len(covers), float(covers.mean()), int((~fine).sum()),
                    float(error[fine].mean()) if fine.any() else None,
                    float(np.sqrt((error[fine] ** 2).mean())) if fine.any() else None,
                    float(width[fine].mean()) if fine.any() else None,
                )
            )  # fmt: skip
    columns = ("logs", "estimate", "logs judged", "intervals that cover", "refused", "bias", "error", "mean width")
    return Table("what another policy would have earned, from logs of the safe mixture", columns, rows)


def notes(config: Config, measures: Measures, chosen: Mapping[str, tuple[float, float]]) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    settings = FloorSettings()
    best = "; ".join(f"{name}: {weight:g}, {epsilon:g}" for name, (weight, epsilon) in chosen.items())
    return [
        "The agent is simulated. It follows one of the memories shown at random (additive reward), or the best of "
        "them; how a language model uses what it is shown lies between, or elsewhere.",
        "Rewards of streams are exact expectations over coin and slate, not what a task happened to earn. In streams "
        "the harness says which memory was followed, unless the condition says that it does not.",
        "Memories are written at the same tasks for all arms, so arms are paired. Under 'own outcomes written' a tenth "
        "of the tasks is written down by each arm: memories then differ, and nothing is checked.",
        f"The floor: alpha = {settings.alpha:g}, delta = {settings.delta:g}, least share {settings.rho_min:g}. Streams "
        f"count, {config.floor_streams:,} in all, shared out evenly over m.",
        f"MemRL's rule, tuned on {config.tuning_seeds} other streams of each condition (lambda, epsilon): {best}.",
        "Logs: the policy judged is Boltzmann's with explore = 0.1, in the situations recorded. 'additive' is exact "
        "for an additive reward only; its coverage on best-of-slate rewards is told, not asked for.",
        "Desk: all problems, notes, questions and outcomes come from the seed; files, search, policy, floor and "
        "credit are a user's. 'desk' credits the task alone, so that a reward is shared out over all five notes.",
        "The defaults of the learned policy (slope, kappa) were chosen on pilot streams of seeds 0 to 9 and on desks "
        "of seeds 0 and 1, before this run; thresholds come from the design and stood before.",
    ]
