"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

`look(player, measure)` gives one number a seed, or one a pair of a log and a model. Thresholds stand here, were written
before the first recorded run, and have not moved since. Before any player that learns is run, `refuse_wrong_checks`
puts scripted ones in the places: the best must pass and the worst must fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wayfare.studies import stated
from wayfare.studies.adyen import Config
from wayfare.studies.adyen.cells import ESTIMATORS
from wayfare.studies.adyen.plan import MEMORIES, label
from wayfare.studies.contract import Kind
from wayfare.studies.stated import Cast, StatedCheck

__all__ = ["Look", "Rule", "refuse_wrong_checks", "rules"]

Floats = NDArray[np.float64]
Look = Callable[[str, str], Floats]
"""(player, measure) -> [seeds], or [seeds, pairs]."""
Way = Literal["mean", "least", "clustered"]
"""mean of [seeds]; the least of the means of [several, seeds]; share of [seeds, pairs], clustered by seed."""

QUICK = ("quick", "laptop", "full")
LAPTOP = ("laptop", "full")
ESTIMATOR_NAMES = {"ips": "IPS", "snips": "Self-normalised IPS", "dr": "Doubly robust"}


@dataclass(frozen=True)
class Rule(StatedCheck):
    """One check before its data: `measure(look)` gives values, `best` and `worst` the scripted casts.

    way: how values become an interval        scales: where it is tested
    """

    way: Way
    measure: Callable[[Look], Floats]
    best: Cast
    worst: Cast
    scales: tuple[str, ...] = QUICK

    def point(self, look: Look) -> float:
        """The estimate without its interval."""
        values = self.measure(look)
        return float(values.mean() if self.way == "clustered" else values.mean(axis=-1).min())


def _minus(player: str, other: str, measure: str, times: float = 1.0) -> Callable[[Look], Floats]:
    return lambda look: look(player, measure) - times * look(other, measure)


def _of(player: str, measure: str) -> Callable[[Look], Floats]:
    return lambda look: look(player, measure)


def _tuned_minus(rule: str, other: str) -> Callable[[Look], Floats]:
    """[W, seeds]: what the tuned rule earned beyond another, tuned at the same W where it has one."""

    def measure(look: Look) -> Floats:
        against = [other if other == "uniform" else f"tuned {other} {label(memory)}" for memory in MEMORIES]
        mine = [f"tuned {rule} {label(memory)}" for memory in MEMORIES]
        return np.stack([look(a, "served") - look(b, "served") for a, b in zip(mine, against, strict=True)])

    return measure


def rules(config: Config) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    rate, times = "success rate", config.waves - 2
    square, fast, epsilon = (
        [f"tuned {rule} {label(memory)}" for memory in MEMORIES] for rule in ("SquareCB", "FastCB", "epsilon")
    )
    pairs: tuple[tuple[str, list[str], Kind], ...] = (("SquareCB", square, "claim"), ("FastCB", fast, "ours"))
    found = [
        Rule(
            "uniform exploration is dear", "The uniform policy earns at least 0.1 less than the best actions: there is "
            "something to gain", "instrument", "above", 0.1, rate, "mean", _minus("oracle", "uniform", "served"),
            {"uniform": "random"}, {"uniform": "oracle"},
        ),
        Rule(
            "SquareCB against uniform", "At each W the policies of tuned SquareCB earn at least 0.1 more than uniform "
            "ones", "claim", "above", 0.1, rate, "least", _tuned_minus("SquareCB", "uniform"),
            {**dict.fromkeys(square, "oracle"), "uniform": "random"},
            {**dict.fromkeys(square, "random"), "uniform": "random"},
        ),
        *(
            Rule(
                f"{name} against epsilon-greedy", f"At each W tuned {name} earns no less than tuned epsilon-greedy by "
                "more than 0.01", kind, "above", -0.01, rate, "least", _tuned_minus(name, "epsilon"),
                {**dict.fromkeys(mine, "oracle"), **dict.fromkeys(epsilon, "oracle")},
                {**dict.fromkeys(mine, "random"), **dict.fromkeys(epsilon, "oracle")},
            )
            for name, mine, kind in pairs
        ),
    ]  # fmt: skip
    for player in ("SquareCB", "FastCB"):
        found += [
            Rule(
                f"{player}: later models are worse", f"With W = 1 the models that {player} fits to its own logs are "
                "worth less, greedily, than the one from uniform data", "claim", "below", 0.0, rate, "mean",
                _of(player, "shift"), {player: "see-saw"}, {player: "rising"},
            ),
            Rule(
                f"{player}: worse than uniform's later models", "That loss is not uniform's: its later models differ "
                f"less from its first than those of {player}", "claim", "below", 0.0, rate, "mean",
                _minus(player, "uniform", "shift"), {player: "see-saw", "uniform": "steady"},
                {player: "steady", "uniform": "see-saw"},
            ),
        ]  # fmt: skip
    found += [
        Rule(
            "SquareCB: generations differ", "The standard deviation of the models' values over generations is more "
            "than 1.5 times uniform's", "claim", "above", 0.0, f"{rate}, sd less 1.5 of uniform's", "mean",
            _minus("SquareCB", "uniform", "sd", 1.5), {"SquareCB": "see-saw", "uniform": "steady"},
            {"SquareCB": "steady", "uniform": "see-saw"},
        ),
        Rule(
            "SquareCB: generations see-saw", "The values of successive models are correlated below what chance gives "
            f"in {times} generations, -1/{times}", "claim", "below", -1.0 / times, "correlation", "mean",
            _of("SquareCB", "autocorrelation"), {"SquareCB": "see-saw"}, {"SquareCB": "rising"}, LAPTOP,
        ),
        Rule(
            "SquareCB: see-saws more than uniform", "That correlation lies below uniform's", "claim", "below", 0.0,
            "correlation", "mean", _minus("SquareCB", "uniform", "autocorrelation"),
            {"SquareCB": "see-saw", "uniform": "rising"}, {"SquareCB": "rising", "uniform": "see-saw"}, LAPTOP,
        ),
        Rule(
            "longer memory cures it", "With W = 4 the later models of SquareCB are worth no less than the one from "
            "uniform data", "ours", "above", 0.0, rate, "mean", _of("SquareCB W=4", "shift"),
            {"SquareCB W=4": "rising"}, {"SquareCB W=4": "see-saw"},
        ),
        *(
            Rule(
                f"{ESTIMATOR_NAMES[name]} intervals cover", f"{ESTIMATOR_NAMES[name]}: more than 85 % of the 95 % "
                "intervals of a next greedy model, from a log of SquareCB that it was not fitted to, hold its value",
                "ours", "above", 0.85, "share of intervals", "clustered", _of("SquareCB", f"{name} covered"),
                {"SquareCB": "honest"}, {"SquareCB": "shrunk"},
            )
            for name in ESTIMATORS
        ),
    ]  # fmt: skip
    return tuple(found)


def refuse_wrong_checks(checked: Sequence[Rule], look: Look) -> None:
    """Put scripted players in the learned ones' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return rule.point(lambda player, measure: look(cast.get(player, player), measure))

    stated.refuse_wrong_checks(checked, value)
