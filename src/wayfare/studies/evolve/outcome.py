"""What came out: measures by player and setting, and from them the checks, the tables and the notes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.explore.diagnostics import fit_regret
from wayfare.report.statistics import student_quantile
from wayfare.studies.contract import Check, Table
from wayfare.studies.evolve import Config
from wayfare.studies.evolve.checks import Rule, closed, needed
from wayfare.studies.evolve.stage import Setting
from wayfare.studies.stated import half_width, seeds_interval

__all__ = ["Measures", "check_of", "look_in", "notes", "tables", "win_rates"]

Measures = dict[tuple[str, str, str], NDArray[Any]]
"""(player, setting, measure) -> [seeds, ...]."""
PLAYERS = (
    "teacher", "Thompson", "epsilon-greedy", "greedy", "OFT-AG", "OFT-SH", "OFT-RH", "S2-AG", "S2-SH", "S2-RH",
    "untrained", "uniform",
)  # fmt: skip


def look_in(measures: Measures) -> Any:
    """`checks.Look` of the measures."""
    return lambda player, setting, measure: measures[player, setting, measure]


def check_of(config: Config, rule: Rule, measures: Measures) -> Check:
    """The rule on what was found."""
    values = rule.measure(look_in(measures))
    interval = seeds_interval(values)
    reason = "" if config.scale != "smoke" else "needs laptop scale"
    if not reason and rule.unit == "log2 of decisions" and not values.any():
        reason = "neither net gets there with the decisions that it saw"
    return rule.on(interval, len(values), reason)


def win_rates(rewards: Mapping[str, Sequence[NDArray[np.float64]]], level: float = 0.05) -> dict[str, float]:
    """Share of (setting, other player) in which a player's total rewards are higher at p < level, by Welch's test.

    rewards: by player, [worlds] of each setting; every player has all settings. The number depends on who is compared.
    """
    wins = dict.fromkeys(rewards, 0)
    for a, b in combinations(rewards, 2):
        for x, y in zip(rewards[a], rewards[b], strict=True):
            u, v = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
            if u + v == 0:
                continue
            t = float((x.mean() - y.mean()) / math.sqrt(u + v))
            freedom = float((u + v) ** 2 / (u**2 / (len(x) - 1) + v**2 / (len(y) - 1)))
            if abs(t) > student_quantile(1 - level / 2, freedom):
                wins[a if t > 0 else b] += 1
    games = max(1, (len(rewards) - 1) * len(next(iter(rewards.values()), [])))
    return {player: won / games for player, won in wins.items()}


def tables(config: Config, measures: Measures, settings: Sequence[Setting]) -> dict[str, Table]:
    """Regret and how players fail, by setting; the contextual world; decisions needed; curve fits; win rates."""
    look = look_in(measures)
    rows: list[tuple[Any, ...]] = []
    for setting in settings:
        for player in PLAYERS:
            if (player, setting.name, "regret") in measures:
                of = {m: look(player, setting.name, m) for m in _KEPT}
                way = seeds_interval(closed(player, setting.name)(look))
                rows.append(
                    (
                        setting.name, player, len(of["regret"]), float(of["regret"].mean()), half_width(of["regret"]),
                        way.estimate, *(float(of[m].mean()) for m in _KEPT[1:]),
                    )
                )  # fmt: skip
    found = {
        "players": Table(
            "players",
            ("setting", "player", "seeds", "regret", "95 % +-", "closed", "answers that name no arm",
             "suffix failures", "K MinFrac", "GreedyFrac"),
            tuple(rows),
        )
    }  # fmt: skip
    full = [p for p in PLAYERS if all((p, s.name, "rewards") in measures for s in settings)]
    if len(full) > 1:
        few = min(len(look(p, settings[0].name, "rewards")) for p in full)
        rates = win_rates({p: [look(p, s.name, "rewards")[:few].ravel() for s in settings] for p in full})
        found["win rates"] = Table(
            "overall win rates", ("player", "win rate", "among"),
            tuple((p, rate, ", ".join(full)) for p, rate in sorted(rates.items(), key=lambda item: -item[1])),
        )  # fmt: skip
    films = [
        (p, float(look(p, "films", "regret").mean()), half_width(look(p, "films", "regret")),
         float(closed(p, "films", "LinUCB")(look).mean()),
         float(measures[p, "films", "unmatched"].mean()))
        for p in ("LinUCB", "greedy", "S2-AG", "S2-RH", "uniform") if (p, "films", "regret") in measures
    ]  # fmt: skip
    if films:
        found["films"] = Table(
            "contextual", ("player", "regret", "95 % +-", "closed", "answers that name no film"), tuple(films)
        )
    learners = [p for p in ("OFT-AG", "OFT-SH", "OFT-RH") if (p, "lessons", "decisions") in measures]
    found["decisions"] = Table(
        "decisions to 1.25 times the teacher's regret",
        ("player", "seed", "decisions", "seen in all", "loss in the end"),
        tuple(
            (p, i, float(2**log), float(look(p, "lessons", "decisions")[i, -1]), float(look(p, "lessons", "loss")[i]))
            for p in learners for i, log in enumerate(needed(look, p))
        ),
    )  # fmt: skip
    fits = []
    for player in PLAYERS:
        if (player, "long", "curve") in measures:
            curve = look(player, "long", "curve").mean(axis=0)
            fit = fit_regret(np.arange(1, len(curve) + 1), curve, min(config.gaps))
            fits.append((player, fit.slope, fit.log_weight, fit.exponent, fit.error, float(curve[-1])))
    if fits:
        found["regret curves"] = Table(
            f"fit of the regret curve, gap {min(config.gaps):g}, {config.long_horizon} pulls",
            ("player", "beta (linear)", "lambda 1", "alpha", "rms error", "regret"), tuple(fits),
        )  # fmt: skip
    return found


_KEPT = ("regret", "unmatched", "suffix failures", "K MinFrac", "GreedyFrac")


def notes(config: Config, measures: Measures, epsilon: float) -> list[str]:
    """What a reader needs in order not to misread the tables."""
    right = measures["S2", "reading", "right"]
    return [
        f"Nets: {config.size}, trained from nothing in the run; a number is one word of theirs, and number words begin "
        "with weights that are smooth in the number, as a pretrained model's would be.",
        f"S1 saw {config.decisions:,} decisions {config.passes} times, with other names each time; 'decisions' counts "
        "what was seen. Arms never pulled tie under UCB and go by lot, not in index order, so that there is no "
        "position to memorise.",
        f"S2's net reads {100 * right.mean():.1f} % of new tables right. It is asked for the largest sum of value and "
        "bonus (AG), the largest mean (SH), or the largest first number behind the raw lines (RH).",
        f"epsilon-greedy: epsilon = {epsilon:g}, tuned on {config.tuning_seeds} other seeds.",
        "RH histories are as long as the play; those of the lessons were "
        f"{config.lesson_horizon} pulls, so that the rest is beyond what the net has read. With films, RH shows the "
        "newest 30 pulls and AG the two numbers for the person who asks, without the lines of the past.",
        "The win rate depends on who is compared; the set stands beside it. Beta of the fit is reported, not checked.",
    ]
