"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

`look(player, measure)` gives one row a seed. Each check is a smooth function of means over seeds (a mean, a ratio of
means, a log-log slope of a mean curve); its interval is Student's t on the jackknife's pseudo-values, which for a mean
is Student's t itself. Thresholds are those of the study's card, written before the first recorded run; they have not
moved since. Before any player that learns is run, `refuse_wrong_checks` puts scripted ones in the places: the best must
pass and the worst must fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.report.statistics import Interval, mean_interval
from wayfare.studies import stated
from wayfare.studies.rafa import Config
from wayfare.studies.rafa.steps import curve_steps
from wayfare.studies.stated import Cast, StatedCheck, seeds_interval

__all__ = ["Look", "Rule", "interval_of", "refuse_wrong_checks", "rules", "scripted"]

Floats = NDArray[np.float64]
Look = Callable[[str, str], Floats]
"""(player, measure) -> [seeds, ...]."""
DECADE = 11
"""Points of a curve in its last decade."""


@dataclass(frozen=True)
class Rule(StatedCheck):
    """One check before its data.

    measure: look -> [seeds, k]        of: what is made of the means [k]        best, worst: the scripted casts
    """

    measure: Callable[[Look], Floats]
    of: Callable[[Floats], float]
    best: Cast
    worst: Cast
    scales: tuple[str, ...] = ("laptop",)


def interval_of(rule: Rule, values: Floats) -> Interval:
    """Student's t on the pseudo-values n f(all) - (n - 1) f(without i)."""
    n, whole = len(values), rule.of(values.mean(axis=0))
    if n < 2:
        return seeds_interval([whole])
    without = (values.sum(axis=0) - values) / (n - 1)
    found = mean_interval([n * whole - (n - 1) * rule.of(row) for row in without])
    method = "Student t" if rule.of is _mean else "Student t on jackknife pseudo-values"
    return Interval(whole, found.low + whole - found.estimate, found.high + whole - found.estimate, method, n)


def _mean(means: Floats) -> float:
    return float(means[0])


def _ratio(means: Floats) -> float:
    return float(means[0] / max(means[1], 1e-12))


def _slope(steps: int) -> Callable[[Floats], float]:
    x = np.log(curve_steps(steps)[-DECADE:].astype(np.float64))

    def fitted(means: Floats) -> float:
        return float(np.polyfit(x[-len(means) :], np.log(np.maximum(means, 1e-12)), 1)[0])

    return fitted


def _curve(player: str) -> Callable[[Look], Floats]:
    return lambda look: look(player, "curve")[:, -DECADE:]


def _two(one: str, other: str) -> Callable[[Look], Floats]:
    return lambda look: np.stack([look(one, "regret"), look(other, "regret")], axis=1)


def _area(one: str, other: str) -> Callable[[Look], Floats]:
    return lambda look: 100 * (look(one, "success") - look(other, "success")).mean(axis=1, keepdims=True)


def _difference(one: str, other: str, measure: str) -> Callable[[Look], Floats]:
    return lambda look: 100 * (look(one, measure) - look(other, measure))[:, None]


def _rise(look: Look) -> Floats:
    accuracy = look("maze model", "accuracy")
    return 100 * (accuracy[:, -1] - accuracy[:, 0])[:, None]


TESTED = ("quick", "laptop")


def rules(config: Config) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    river, found = _slope(config.river_steps), []
    for player in ("reactive", "epsilon-greedy"):
        found.append(
            Rule(
                f"river: {player} has the failure",
                f"In RiverSwim-6 the regret of {player} grows faster than T^0.6 over the last decade of steps",
                "instrument", "above", 0.6, "log-log slope", _curve(f"river {player}"), river,
                {f"river {player}": "linear"}, {f"river {player}": "square root"},
            )
        )  # fmt: skip
    for player in ("RAFA sampled", "RAFA optimistic"):
        found.append(
            Rule(
                f"river: {player}, slope of regret",
                f"In RiverSwim-6 the mean regret of {player} over seeds grows no faster than T^0.6 over the last "
                "decade of steps",
                "claim", "below", 0.6, "log-log slope", _curve(f"river {player}"), river,
                {f"river {player}": "square root"}, {f"river {player}": "linear"},
            )
        )  # fmt: skip
    for other in ("open loop", "reactive", "reflexion"):
        found.append(
            Rule(
                f"grid: RAFA against {other}",
                f"On the grids of 64 hypotheses RAFA (mean model) has less than 0.7 of the regret of {other}",
                "claim", "below", 0.7, "ratio of regrets", _two("grid RAFA mean", f"grid {other}"), _ratio,
                {"grid RAFA mean": "little", f"grid {other}": "much"}, {"grid RAFA mean": "much"}, TESTED,
            )
        )  # fmt: skip
    for world in ("grid", "river"):
        found.append(
            Rule(
                f"{world}: the switching condition costs little",
                "RAFA (mean model) with its switching condition has less than 1.10 of the regret of the same agent "
                "with a snapshot renewed at every step",
                "claim", "below", 1.1, "ratio of regrets", _two(f"{world} RAFA mean", f"{world} every step"), _ratio,
                {f"{world} RAFA mean": "little", f"{world} every step": "much"},
                {f"{world} RAFA mean": "much", f"{world} every step": "little"}, TESTED,
            )
        )  # fmt: skip
    for other in ("reactive", "open loop", "reflexion", "empty buffer"):
        found.append(
            Rule(
                f"mazes: RAFA against {other}",
                f"In unseen mazes RAFA's share of successful episodes is more than 5 points above that of {other}",
                "claim", "above", 5.0, "points of success", _area("maze RAFA", f"maze {other}"), _mean,
                {"maze RAFA": "always", f"maze {other}": "never"}, {"maze RAFA": "never"},
            )
        )  # fmt: skip
    found.append(
        Rule(
            "mazes: the model learns in context",
            "With 64 remembered transitions the model foretells the moves from visited cells better than with none",
            "claim", "above", 0.0, "points of accuracy", _rise, _mean,
            {"maze model": "rising"}, {"maze model": "falling"}, TESTED,
        )
    )  # fmt: skip
    found.append(
        Rule(
            "grid: looking 8 steps ahead",
            "Looking 8 steps ahead has less regret than looking 1 step ahead",
            "ours", "below", 1.0, "ratio of regrets", _two("grid U=8", "grid U=1"), _ratio,
            {"grid U=8": "little", "grid U=1": "much"}, {"grid U=8": "much", "grid U=1": "little"}, TESTED,
        )
    )  # fmt: skip
    found.append(
        Rule(
            "grid: a tenth of a bit costs little",
            "Renewed at a tenth of a bit of divergence RAFA has less than 1.10 of the regret of renewing at every step",
            "ours", "below", 1.1, "ratio of regrets", _two("grid divergence 0.1", "grid every step"), _ratio,
            {"grid divergence 0.1": "little", "grid every step": "much"},
            {"grid divergence 0.1": "much", "grid every step": "little"}, TESTED,
        )
    )  # fmt: skip
    for world in ("grid", "river"):
        for player, other in (("RAFA sampled", "PSRL"), ("RAFA optimistic", "UCRL")):
            one, two = f"{world} {player}", f"{world} {other}"
            found.append(
                Rule(
                    f"{world}: {player} against {other}",
                    f"{player} has less regret than {other}",
                    "ours", "below", 1.0, "ratio of regrets", _two(one, two), _ratio,
                    {one: "little", two: "much"}, {one: "much", two: "little"}, TESTED,
                )
            )  # fmt: skip
    found.append(
        Rule(
            "24: feedback shows in the loop",
            "With a simulated model, not language, RAFA's loop solves more puzzles than ToT without feedback at equal "
            "calls; the model obeys memory by construction",
            "instrument", "above", 0.0, "points of puzzles", _difference("24 RAFA", "24 ToT", "solved"), _mean,
            {"24 RAFA": "always", "24 ToT": "never"}, {"24 RAFA": "never", "24 ToT": "always"}, TESTED,
        )
    )  # fmt: skip
    return tuple(found)


def scripted(config: Config, seeds: int = 4) -> dict[tuple[str, str], Floats]:
    """Players whose measures are known beforehand, to try the checks on."""
    steps: Any = curve_steps(config.river_steps).astype(np.float64)
    spread: Any = 1 + 0.01 * np.arange(seeds)
    found: dict[tuple[str, str], Floats] = {
        ("square root", "curve"): spread[:, None] * np.sqrt(steps),
        ("linear", "curve"): 0.1 * spread[:, None] * steps,
        ("little", "regret"): 1.0 * spread,
        ("much", "regret"): 10.0 * spread,
        ("rising", "accuracy"): spread[:, None] * np.linspace(0.6, 0.9, 7),
        ("falling", "accuracy"): spread[:, None] * np.linspace(0.9, 0.6, 7),
    }
    for name, share in (("always", 0.98), ("never", 0.0)):
        found[name, "success"] = np.full((seeds, config.episodes), share) + 0.01 * (spread[:, None] - 1)
        found[name, "solved"] = np.full(seeds, share) + 0.01 * (spread - 1)
    return found


def refuse_wrong_checks(checked: Sequence[Rule], known: Mapping[tuple[str, str], Floats]) -> None:
    """Put scripted players in the learned ones' places; who is not in a cast is played by the best of its kind.

    Raises: BadValue naming a check whose best cast fails it or whose worst cast passes it: no result could mean
    anything.
    """
    stand_in = {"regret": "much", "success": "always", "solved": "always", "curve": "linear", "accuracy": "rising"}

    def value(rule: Rule, cast: Cast) -> float:
        found = rule.measure(lambda player, measure: known[cast.get(player, stand_in[measure]), measure])
        return rule.of(found.mean(axis=0))

    stated.refuse_wrong_checks(checked, value)
