"""What came out: measures by player, and from them the checks, the tables and the notes."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from wayfare.report.statistics import Interval, share_interval
from wayfare.studies.contract import Check, Table
from wayfare.studies.stated import half_width, seeds_interval
from wayfare.studies.stepmix import Config
from wayfare.studies.stepmix.cells import SHARES, WEIGHTS
from wayfare.studies.stepmix.checks import Rule

__all__ = ["Measures", "check_of", "notes", "tables"]

Measures = dict[tuple[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""

SCRIPTED = ("worst", "one slip", "hand-over", "honest bounds", "shrunk bounds", "optimal", "tuning")


def check_of(config: Config, rule: Rule, measures: Measures) -> Check:
    """The rule on what was found."""
    values = rule.measure(lambda player, measure: measures[player, measure])
    if rule.way == "share":
        interval = share_interval(int(values.sum()), len(values))
    elif rule.way == "least":
        each = [seeds_interval(row) for row in values]
        least = min(each, key=lambda one: one.low if math.isfinite(one.low) else one.estimate)
        interval = Interval(least.estimate, least.low, least.high, "least of paired Student t", least.n)
    else:
        interval = seeds_interval(values)
    return rule.on(interval, values.shape[-1], "" if config.scale in rule.scales else "needs laptop scale")


def tables(config: Config, measures: Measures) -> dict[str, Table]:
    """One row a player: runs and episodes below the floor, regret, the loss in the end, what its bounds are worth."""
    rows = []
    for player in dict.fromkeys(player for player, _ in measures):
        if player in SCRIPTED or player.startswith("hand-over"):
            continue
        of = {measure: array for (who, measure), array in measures.items() if who == player}
        count, span = of["violations"], float(of["span"].mean())
        certain = player != "baseline"
        rows.append(
            (
                player, len(count), int((count > 0).sum()), int(count.sum()), int(of["episodes"].sum()),
                int(of["realised violations"].sum()), float(of["regret"].mean()), half_width(of["regret"]),
                float(of["late gap"].mean() / span), float(of["covered"].mean()) if certain else None,
                int(of["bound broken"].sum()) if certain else None,
                float(of["bound reaches floor"].mean()) if "bound reaches floor" in of else None,
            )
        )  # fmt: skip
    columns = (
        "player", "runs", "runs with a violation", "episodes below the floor", "episodes",
        "episodes below after the coin", "regret", "95 % +-", "loss in the last tenth, share of the baseline's",
        "intervals that cover", "runs with a lower bound too high", "logs whose bound reaches the floor",
    )  # fmt: skip
    safe, regret = measures["tuning", "violations"], measures["tuning", "regret"]
    tuning = [
        (weight, share, int((safe[i, j] > 0).sum()), float(regret[i, j].mean()))
        for i, weight in enumerate(WEIGHTS)
        for j, share in enumerate(SHARES)
    ]
    return {
        "players": Table("players", columns, tuple(rows)),
        "tuning": Table(
            "tuning of the mixtures, on other seeds",
            ("weight of the baseline", "for this share of the episodes", "runs with a violation", "regret"),
            tuple(tuning),
        ),
    }


def notes(config: Config, measures: Measures, schedules: tuple[tuple[float, int], tuple[float, int]]) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    (fixed, _), (weight, until) = schedules
    return [
        f"beta is multiplied by c = {config.bonus_scale:g} (further players: c= in the name). With the theory's c = 1 "
        "bounds stay at their caps for tens of thousands of episodes. No violation is a measurement, not a theorem.",
        "Values are exact: a violation is a policy worth less than the floor, whatever its episode happened to return.",
        "EpsMix and the mixtures are judged by the value before the coin, which is what the constraint asks for; "
        "'episodes below after the coin' counts the policies that were then played.",
        "StepMix follows the baseline first, so that late steps are explored before early ones.",
        f"Mixtures tuned on {config.tuning_seeds} other seeds: fixed at {fixed:g}; switched: {weight:g} for the first "
        f"{until:,} episodes. They know no bound: their promise rests on the seeds they were tuned on.",
        "Action 0 is the worst everywhere and ties go to the first action; 'ties shared' shows what that does.",
        "An offline player learns a baseline from a log of the true one by pessimistic value iteration, knows a lower "
        "bound of its value, and begins with empty counts.",
    ]
