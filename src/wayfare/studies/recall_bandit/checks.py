"""What the study claims, as rules with thresholds, and scripted players to prove that each can be passed and failed.

`look(player, measure)` gives one number a seed. Thresholds stand here, were written before the first recorded run, and
have not moved since. Before any arm that learns is run, `refuse_wrong_checks` puts scripted ones in the places: the
best must pass and the worst must fail.

A floor is kept or broken by a whole stream: one block of 50 tasks below it spoils the stream, and streams are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wayfare.explore.rules.floor import FloorSettings
from wayfare.studies import stated
from wayfare.studies.recall_bandit import Config
from wayfare.studies.recall_bandit.plan import DESKS, named
from wayfare.studies.stated import Cast, StatedCheck

__all__ = ["Look", "Rule", "Way", "refuse_wrong_checks", "rules"]

Floats = NDArray[np.float64]
Look = Callable[[str, str], Floats]
"""(player, measure) -> [seeds]."""

Way = Literal["mean", "share"]
"""mean of [seeds]; share of streams that are 1, counted."""
SAFE = "safe mixture"
AGREES = 1e-9


@dataclass(frozen=True)
class Rule(StatedCheck):
    """One check before its data: `measure(look)` gives [seeds] values, `best` and `worst` the scripted casts.

    way: how values become an interval        scales: where it is tested
    """

    way: Way
    measure: Callable[[Look], Floats]
    best: Cast
    worst: Cast
    scales: tuple[str, ...] = ("quick", "laptop", "full")

    def point(self, look: Look) -> float:
        """The estimate without its interval."""
        return float(self.measure(look).mean())


def _minus(one: str, other: str, measure: str) -> Callable[[Look], Floats]:
    return lambda look: _paired(look, measure, one, other)[0] - _paired(look, measure, one, other)[1]


def _paired(look: Look, measure: str, *players: str) -> list[Floats]:
    """Of the seeds that all of them played, which are the first."""
    rows = [look(player, measure) for player in players]
    few = min(len(row) for row in rows)
    return [row[:few] for row in rows]


def _kept(condition: str) -> Callable[[Look], Floats]:
    """[seeds] reward as a share of the baseline's."""

    def measure(look: Look) -> Floats:
        mine, base = _paired(look, "value", f"{condition}: {SAFE}", f"{condition}: baseline")
        return mine / base

    return measure


def _closed(condition: str) -> Callable[[Look], Floats]:
    """[seeds] part of the way from the baseline to the oracle, in the last fifth."""

    def measure(look: Look) -> Floats:
        players = (f"{condition}: {SAFE}", f"{condition}: baseline", f"{condition}: oracle")
        mine, base, best = _paired(look, "late", *players)
        return np.asarray((mine - base) / (best - base))

    return measure


def _broken(conditions: Sequence[str]) -> Callable[[Look], Floats]:
    return lambda look: np.concatenate(
        [(look(f"{condition}: {SAFE}", "broken before") > 0).astype(np.float64) for condition in conditions]
    )


def _handed_over(condition: str) -> Callable[[Look], Floats]:
    least = FloorSettings().rho_min
    return lambda look: (look(f"{condition}: {SAFE}", "share") <= least + AGREES).astype(np.float64)


def _covers(player: str, estimator: str) -> Callable[[Look], Floats]:
    return lambda look: look(player, f"{estimator} covers")


def _gain(desk: str, at: int) -> Callable[[Look], Floats]:
    return lambda look: look(desk, "learned")[:, at] - look(desk, "similarity")[:, at]


def rules(config: Config) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    half, right, all_m = named(0.5), named(0.0), [named(m) for m in config.misled]
    found = [
        Rule(
            "similarity misleads",
            "At m = 0.5 the most relevant memories earn at least 0.15 a task less than the best: there is something to "
            "learn",
            "instrument", "above", 0.15, "reward", "mean", _minus(f"{half}: oracle", f"{half}: baseline", "value"),
            {f"{half}: oracle": f"{half}: scripted best", f"{half}: baseline": f"{half}: scripted similar"},
            {f"{half}: oracle": f"{half}: scripted similar", f"{half}: baseline": f"{half}: scripted similar"},
        ),
        Rule(
            "nothing is given up where similarity is right",
            "At m = 0 the safe mixture earns at least 98 % of what the most relevant memories earn, over the whole "
            "stream",
            "claim", "above", 0.98, "share of the baseline's reward", "mean", _kept(right),
            {f"{right}: {SAFE}": f"{right}: scripted best", f"{right}: baseline": f"{right}: scripted similar"},
            {f"{right}: {SAFE}": f"{right}: scripted worst", f"{right}: baseline": f"{right}: scripted similar"},
        ),
    ]  # fmt: skip
    for m in config.misled:
        if m < 0.25:
            continue
        at = named(m)
        known = {f"{at}: baseline": f"{at}: scripted similar", f"{at}: oracle": f"{at}: scripted best"}
        found.append(
            Rule(
                f"learns past a misleading similarity, {at}",
                f"At {at}, in the last fifth of the tasks, the safe mixture has closed at least half of the gap from "
                "the most relevant to the best memories",
                "claim", "above", 0.5, "share of the gap", "mean", _closed(at),
                {**known, f"{at}: {SAFE}": f"{at}: scripted best"},
                {**known, f"{at}: {SAFE}": f"{at}: scripted similar"},
            )
        )  # fmt: skip
        found.append(
            Rule(
                f"above MemRL's rule, {at}",
                f"At {at}, in the last fifth, the safe mixture earns more than MemRL's rule tuned on other streams",
                "claim", "above", 0.0, "reward", "mean", _minus(f"{at}: {SAFE}", f"{at}: MemRL", "late"),
                {f"{at}: {SAFE}": f"{at}: scripted best", f"{at}: MemRL": f"{at}: scripted similar"},
                {f"{at}: {SAFE}": f"{at}: scripted worst", f"{at}: MemRL": f"{at}: scripted similar"},
            )
        )  # fmt: skip
    found += [
        Rule(
            "the floor is kept",
            "Fewer than 10 % of the streams, over all m and without drift, have a block of 50 tasks in which the "
            "mixture is worth less than (1 - alpha) of the baseline, at delta = 0.05",
            "claim", "below", 0.1, "share of streams", "share", _broken(all_m),
            {f"{at}: {SAFE}": f"{at}: scripted similar" for at in all_m},
            {f"{at}: {SAFE}": f"{at}: scripted worst" for at in all_m}, ("laptop", "full"),
        ),
        Rule(
            "the share is handed over",
            "At m = 0.5 the baseline keeps no more than its least share in at least 90 % of the streams at their end",
            "claim", "above", 0.9, "share of streams", "share", _handed_over(half),
            {f"{half}: {SAFE}": f"{half}: scripted best"}, {f"{half}: {SAFE}": f"{half}: scripted worst"},
            ("laptop", "full"),
        ),
    ]  # fmt: skip
    if config.logs:
        for reward, estimator, form in (
            ("additive", "dr", "doubly robust"), ("best", "dr", "doubly robust"),
            ("additive", "additive-dr", "additive"),
        ):  # fmt: skip
            player = f"logs, {reward}"
            found.append(
                Rule(
                    f"the {form} estimate covers, {reward}",
                    f"Where the reward is {reward}, at least 90 % of the 95 % intervals of the {form} estimate, each "
                    "from one log of the safe mixture, hold what another policy would truly have earned",
                    "instrument", "above", 0.9, "share of intervals", "share", _covers(player, estimator),
                    {player: "always"}, {player: "never"}, ("laptop", "full"),
                )
            )  # fmt: skip
    for name, used in DESKS.items():
        for i, tasks in enumerate(config.looks):
            how = ", with the memory named that was followed" if used else ""
            least = 0.15 if tasks >= 1000 else 0.0
            found.append(
                Rule(
                    f"{name}: better than similarity after {tasks:,} tasks",
                    f"Through the public API with default settings, after {tasks:,} credited tasks{how}, what a memory "
                    f"shows in tasks that it has not met is worth more than what similarity shows by over {least:g}",
                    "ours", "above", least, "reward", "mean", _gain(name, i), {name: "desk best"},
                    {name: "desk similar"},
                )
            )  # fmt: skip
    return tuple(found)


def refuse_wrong_checks(checked: Sequence[Rule], look: Look) -> None:
    """Put scripted players in the learned ones' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return rule.point(lambda player, measure: look(cast.get(player, player), measure))

    stated.refuse_wrong_checks(checked, value)
