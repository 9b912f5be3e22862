"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

`look(player, setting, measure)` gives one number a seed. Thresholds stand here, were written before the first recorded
run, and have not moved since. Before any net is trained, `refuse_wrong_checks` puts scripted players in the places of
the nets: the best must pass and the worst must fail.

What a player closes is (uniform - player) / (uniform - teacher) of regret: 0 as good as chance, 1 as good as UCB. Half
of chance's regret would be no threshold: with a gap of 0.2 the teacher itself has more than that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfare.studies import stated
from wayfare.studies.evolve import Config
from wayfare.studies.evolve.stage import Setting
from wayfare.studies.stated import Cast, StatedCheck

__all__ = ["Look", "Rule", "needed", "refuse_wrong_checks", "rules"]

Floats = NDArray[np.float64]
Look = Callable[[str, str, str], Floats]
"""(player, setting, measure) -> [seeds, ...]."""
TESTED = ("quick", "laptop", "full")
NEVER = 2.0
"""Decisions that a net needs which does not get there, as a multiple of those it saw: the least that it can be."""


@dataclass(frozen=True)
class Rule(StatedCheck):
    """One check before its data: `measure(look)` gives [seeds] values, `best` and `worst` the scripted casts."""

    measure: Callable[[Look], Floats]
    best: Cast
    worst: Cast


def closed(player: str, setting: str, top: str = "teacher") -> Callable[[Look], Floats]:
    """[seeds] share of the way from uniform to `top`."""

    def measure(look: Look) -> Floats:
        mine = look(player, setting, "regret")
        low, high = (look(each, setting, "regret")[: len(mine)] for each in ("uniform", top))
        return np.asarray((low - mine) / (low - high))

    return measure


def needed(look: Look, player: str) -> Floats:
    """[seeds] log2 of the decisions at which regret first is at most 1.25 times the teacher's, between two points by
    the straight line; `NEVER` times the last where it never is."""
    seen, regret = look(player, "lessons", "decisions"), look(player, "lessons", "regret")
    goal = 1.25 * look("teacher", "lessons", "regret")
    found = []
    for x, y, wanted in zip(np.log2(seen), regret, goal[: len(seen)], strict=True):
        there = np.flatnonzero(y <= wanted)
        if not len(there):
            found.append(x[-1] + np.log2(NEVER))
        elif there[0] == 0:
            found.append(x[0])
        else:
            i = there[0]
            found.append(x[i - 1] + (x[i] - x[i - 1]) * (y[i - 1] - wanted) / (y[i - 1] - y[i]))
    return np.array(found)


def _sooner(player: str, other: str) -> Callable[[Look], Floats]:
    def measure(look: Look) -> Floats:
        a, b = needed(look, player), needed(look, other)
        few = min(len(a), len(b))
        return np.asarray(b[:few] - a[:few])

    return measure


def rules(config: Config, settings: Sequence[Setting]) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    main, way, share = settings[0].name, "share of the way from uniform to UCB", "share of answers"
    found = [
        Rule(
            "a net without lessons plays at chance",
            f"Before its lessons the net closes less than 20 % of the way from uniform to UCB ({main})",
            "instrument", "below", 0.2, way, closed("untrained", main), {"untrained": "uniform"},
            {"untrained": "teacher"},
        )
    ]  # fmt: skip
    for setting in settings:
        found.append(
            Rule(
                f"OFT-AG nears its teacher: {setting.name}",
                f"Trained on UCB's decisions with AG, the net closes at least 90 % ({setting.name})",
                "claim", "above", 0.9, way, closed("OFT-AG", setting.name), {"OFT-AG": "teacher"},
                {"OFT-AG": "uniform"},
            )
        )  # fmt: skip
    for player, other in (("OFT-AG", "OFT-SH"), ("OFT-SH", "OFT-RH")):
        if "RH" in other and not config.raw_seeds:
            continue
        found.append(
            Rule(
                f"{player} needs fewer decisions than {other}",
                f"{player} comes to 1.25 times UCB's regret after fewer decisions than {other}; a net that does not "
                f"get there counts as {NEVER:g} times what it saw",
                "claim", "above", 0.0, "log2 of decisions", _sooner(player, other),
                {player: "quick learner", other: "slow learner"}, {player: "slow learner", other: "quick learner"},
            )
        )  # fmt: skip
    found += [
        Rule(
            "guidance without lessons: AG",
            f"A net that only reads tables closes at least 80 % with AG before its eyes ({main})",
            "claim", "above", 0.8, way, closed("S2-AG", main), {"S2-AG": "teacher"}, {"S2-AG": "uniform"},
        ),
        Rule(
            "guidance without lessons: RH",
            f"The same net closes at most 30 % with the raw history ({main})",
            "claim", "below", 0.3, way, closed("S2-RH", main), {"S2-RH": "uniform"}, {"S2-RH": "teacher"},
        ),
        Rule(
            "guidance without lessons: AG beats SH",
            f"The same net has less regret with AG than with SH ({main})",
            "claim", "above", 0.0, "expected reward",
            lambda look: look("S2-SH", main, "regret") - look("S2-AG", main, "regret"),
            {"S2-SH": "uniform", "S2-AG": "teacher"}, {"S2-SH": "teacher", "S2-AG": "uniform"},
        ),
    ]  # fmt: skip
    if config.films:
        found.append(
            Rule(
                "contextual: AG above RH",
                "With films, AG closes more of the way from uniform to LinUCB than RH does, by more than 0.3",
                "claim", "above", 0.3, "share of the way from uniform to LinUCB",
                lambda look: closed("S2-AG", "films", "LinUCB")(look) - closed("S2-RH", "films", "LinUCB")(look),
                {"S2-AG": "LinUCB", "S2-RH": "uniform"}, {"S2-AG": "uniform", "S2-RH": "uniform"},
            )
        )  # fmt: skip
    players = ["OFT-AG", "OFT-SH", *(["OFT-RH"] if config.raw_seeds else []), "S2-AG", "S2-SH", "S2-RH"]
    for player in players:
        found.append(
            Rule(
                f"{player} names an arm",
                f"Sampling from all its words, {player} names no arm in less than 1 % of its answers ({main})",
                "ours", "below", 0.01, share,
                lambda look, player=player: look(player, main, "unmatched"),  # type: ignore[misc]
                {player: "teacher"}, {player: "mute"},
            )
        )  # fmt: skip
    return tuple(found)


def refuse_wrong_checks(checked: Sequence[Rule], look: Look, main: str) -> None:
    """Put scripted players in the nets' places; `quick learner`, `slow learner` and `mute` are made here.

    main: the setting that is like the lessons

    Raises: BadValue naming a check whose best cast fails it or whose worst cast passes it.
    """

    def stand_in(player: str, setting: str, measure: str) -> Floats:
        teacher = look("teacher", main, "regret")
        n = len(teacher)
        if player == "mute":
            return np.ones(n)
        if setting != "lessons":
            return look(player, setting, measure)
        if measure == "decisions":
            return np.tile(np.array([1000.0, 2000.0, 4000.0]), (n, 1))
        if player == "teacher":
            return teacher
        steps = np.array([1.0, 1.0, 1.0]) if player == "quick learner" else np.array([4.0, 2.0, 1.0])
        return np.asarray(teacher[:, None] * steps)

    def value(rule: Rule, cast: Cast) -> float:
        return float(rule.measure(lambda p, s, m: stand_in(cast.get(p, p), s, m)).mean())

    stated.refuse_wrong_checks(checked, value)
