"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

`look(player, measure)` gives one number a seed. Thresholds stand here, were written before the first recorded run, and
have not moved since. Before any player that learns is run, `refuse_wrong_checks` puts scripted ones in the places: the
best must pass and the worst must fail.

The constraint speaks of all episodes of a run, so runs are what is counted: one violated episode spoils a run. A gap or
a slope is divided by the mean of V* - V^b over seeds, the loss of playing the baseline for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wayfare.studies import stated
from wayfare.studies.stated import Cast, StatedCheck
from wayfare.studies.stepmix import Config

__all__ = ["Look", "Rule", "Way", "refuse_wrong_checks", "rules"]

Floats = NDArray[np.float64]
Look = Callable[[str, str], Floats]
"""(player, measure) -> [seeds]."""

Way = Literal["mean", "share", "least"]
"""mean of [seeds]; share of runs that are 1, counted; the least of the means of [several, seeds]."""


@dataclass(frozen=True)
class Rule(StatedCheck):
    """One check before its data: `measure(look)` gives [seeds] values, `best` and `worst` the scripted casts.

    way: how values become an interval        scales: where it is tested
    """

    way: Way
    measure: Callable[[Look], Floats]
    best: Cast
    worst: Cast
    scales: tuple[str, ...] = ("laptop", "full")

    def point(self, look: Look) -> float:
        """The estimate without its interval."""
        values = self.measure(look)
        return float(values.mean(axis=-1).min())


def _spoiled(player: str) -> Callable[[Look], Floats]:
    return lambda look: (look(player, "violations") > 0).astype(np.float64)


def _late_gap(player: str) -> Callable[[Look], Floats]:
    return lambda look: look(player, "late gap") / look(player, "span").mean()


def _extra_slope(player: str) -> Callable[[Look], Floats]:
    """Growth an episode, over the last fifth, of the regret beyond the unconstrained method's."""

    def measure(look: Look) -> Floats:
        late = [look(p, "regret") - look(p, "early regret") for p in (player, "unconstrained")]
        return np.asarray((late[0] - late[1]) / (look(player, "episodes") // 5) / look(player, "span").mean())

    return measure


def _order(player: str) -> Callable[[Look], Floats]:
    """log2 of regret(K) / regret(K / 2): the exponent of K."""
    return lambda look: np.asarray(np.log2(look(player, "regret") / look(player, "half regret")))


def _regret_minus(player: str, other: str) -> Callable[[Look], Floats]:
    return lambda look: look(player, "regret") - look(other, "regret")


def _falls(player: str, floors: Sequence[float], main: float, few: int) -> Callable[[Look], Floats]:
    """[floors - 1, seeds] extra regret at each floor minus that at the next lower one."""

    def measure(look: Look) -> Floats:
        names = [player if floor == main else f"{player} g={floor:g}" for floor in floors]
        regret = np.stack([look(name, "regret")[:few] for name in names])
        return regret[:-1] - regret[1:]

    return measure


TESTED = ("quick", "laptop", "full")
CERTIFIED = ("StepMix", "EpsMix")


def rules(config: Config, floors: Sequence[float]) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to. floors: those that are run, from the highest."""
    share, gap = "share of runs", "share of V* - V^b"
    large = f"offline StepMix ({max(config.logged)})" if config.logged else ""
    found = [
        Rule(
            "unconstrained exploration breaks the floor",
            "More than 90 % of the runs of the unconstrained method have an episode below the floor: there is a "
            "failure to cure",
            "instrument", "above", 0.9, share, "share", _spoiled("unconstrained"),
            {"unconstrained": "worst"}, {"unconstrained": "baseline"},
        ),
    ]  # fmt: skip
    for player in (*CERTIFIED, large):
        if not player:
            continue
        found.append(
            Rule(
                f"{player}: no episode below the floor",
                f"Fewer than delta = 5 % of the runs of {player} have an episode whose policy is worth less than the "
                "floor",
                "claim", "below", 0.05, share, "share", _spoiled(player), {player: "hand-over"}, {player: "one slip"},
            )
        )  # fmt: skip
    for player in (*CERTIFIED, large):
        if not player:
            continue
        found.append(
            Rule(
                f"{player}: ends near the optimum",
                f"In the last tenth of the episodes {player} loses less than 5 % of what the baseline loses",
                "claim", "below", 0.05, gap, "mean", _late_gap(player), {player: "hand-over"}, {player: "baseline"},
                TESTED,
            )
        )  # fmt: skip
    for player in CERTIFIED:
        found.append(
            Rule(
                f"{player}: extra regret is bounded",
                f"Over the last fifth the regret of {player} grows beyond the unconstrained method's by less than 1 % "
                "of V* - V^b an episode",
                "claim", "below", 0.01, gap + " an episode", "mean", _extra_slope(player),
                {player: "hand-over", "unconstrained": "optimal"}, {player: "baseline", "unconstrained": "optimal"},
                TESTED,
            )
        )  # fmt: skip
    for player in CERTIFIED:
        found.append(
            Rule(
                f"{player}: regret order",
                f"Over the last half the regret of {player} grows no faster than the square root of the episodes",
                "claim", "below", 0.5, "exponent of K", "mean", _order(player), {player: "hand-over"},
                {player: "baseline"}, TESTED,
            )
        )  # fmt: skip
    if len(floors) > 1:
        for player in CERTIFIED:
            names = {player if floor == config.floor else f"{player} g={floor:g}": floor for floor in floors}
            found.append(
                Rule(
                    f"{player}: more slack, less extra regret",
                    f"From each floor to the next lower one ({', '.join(f'{g:g}' for g in floors)} of V^b) the regret "
                    f"of {player} falls, that of the unconstrained method being the same",
                    "claim", "above", 0.0, "reward", "least",
                    _falls(player, floors, config.floor, config.sweep_seeds),
                    {name: f"hand-over g={floor:g}" for name, floor in names.items()},
                    dict.fromkeys(names, "hand-over"),
                )
            )  # fmt: skip
    found += [
        Rule(
            "a floor on the sum breaks the floor",
            "More than 90 % of the runs that keep the floor on the sum of values only have an episode below it",
            "ours", "above", 0.9, share, "share", _spoiled("budget"), {"budget": "worst"}, {"budget": "baseline"},
        ),
        *(
            Rule(
                f"{player} against the tuned {other}",
                f"{player} has less regret than a {other} tuned on other seeds to the same promise",
                "ours", "below", 0.0, "reward", "mean", _regret_minus(player, other),
                {player: "optimal", other: "hand-over"}, {player: "baseline", other: "hand-over"}, TESTED,
            )
            for player in CERTIFIED
            for other in ("fixed mixture", "switched mixture")
        ),
        *(
            Rule(
                f"{player}: intervals cover",
                f"More than 95 % of the intervals of {player}'s candidates, over all episodes, hold the value",
                "instrument", "above", 0.95, "share of intervals", "mean",
                lambda look, player=player: look(player, "covered"),  # type: ignore[misc]
                {player: "honest bounds"}, {player: "shrunk bounds"}, TESTED,
            )
            for player in CERTIFIED
        ),
        *(
            Rule(
                f"{player}: lower bounds hold throughout",
                f"In fewer than 5 % of the runs of {player} any lower bound ever lies above the value: what the "
                "theorem asks for",
                "instrument", "below", 0.05, share, "share",
                lambda look, player=player: look(player, "bound broken"),  # type: ignore[misc]
                {player: "honest bounds"}, {player: "shrunk bounds"},
            )
            for player in CERTIFIED
        ),
    ]  # fmt: skip
    return tuple(found)


def refuse_wrong_checks(checked: Sequence[Rule], look: Look) -> None:
    """Put scripted players in the learned ones' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return rule.point(lambda player, measure: look(cast.get(player, player), measure))

    stated.refuse_wrong_checks(checked, value)
