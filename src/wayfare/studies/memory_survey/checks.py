"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

`look(player, measure)` gives one number a seed (a class, where it is foretold). Thresholds stand here, were written
before the first recorded run, and have not moved since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.studies import stated
from wayfare.studies.contract import Kind
from wayfare.studies.memory_survey.families import FAMILIES
from wayfare.studies.memory_survey.plan import FUNCTIONS
from wayfare.studies.stated import Cast, StatedCheck

__all__ = ["Look", "Rule", "refuse_wrong_checks", "rules"]

Floats = NDArray[np.float64]
Look = Callable[[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""
TESTED = ("quick", "laptop", "full")
WINDOW = "recent window"


@dataclass(frozen=True)
class Rule(StatedCheck):
    """One check before its data: `measure(look)` gives [seeds] values, `best` and `worst` the scripted casts.

    over: what the values are counted over        scales: where it is tested
    """

    measure: Callable[[Look], Floats]
    best: Cast
    worst: Cast
    over: str = "seeds"
    scales: tuple[str, ...] = TESTED


def _gain(player: str, other: str, family: str) -> Callable[[Look], Floats]:
    return lambda look: np.asarray(look(player, family) - look(other, family), np.float64)


def _of(player: str, measure: str) -> Callable[[Look], Floats]:
    return lambda look: np.asarray(look(player, measure), np.float64)


def _mean(player: str) -> Callable[[Look], Floats]:
    return lambda look: np.mean([look(player, family) for family in FAMILIES], axis=0)


def rules(best: Mapping[str, tuple[str, str]]) -> tuple[Rule, ...]:
    """The checks. best: of a family, the best player of its function and the best of the others, by other seeds"""

    def whole(name: str, statement: str, kind: Kind, player: str, measure: str, over: str) -> Rule:
        cast, wrong = {player: "all"}, {player: "one missing"}
        return Rule(name, statement, kind, "within", (1.0, 1.0), "share", _of(player, measure), cast, wrong, over)

    found = [
        Rule(
            "a window is not enough",
            "One big recent window, the strongest simple memory, scores under 0.6 over the three families: there is "
            "something that functions could add",
            "instrument", "below", 0.6, "score", _mean(WINDOW), {WINDOW: "guesses"}, {WINDOW: "knows"},
        ),
        whole(
            "cards agree",
            "Every declared field of every card that has a probe says what the probe saw", "claim", "cards",
            "agreement", "probe seeds",
        ),
        whole(
            "leaves are populated",
            "Every place on an axis with a probe that a tried memory claims is held by one whose probes all agree",
            "claim", "cards", "leaves", "probe seeds",
        ),
    ]  # fmt: skip
    for family in FAMILIES:
        mine, other = best[family]
        found.append(
            Rule(
                f"{family}: {FUNCTIONS[family]} memories",
                f"The best {FUNCTIONS[family]} memory ({mine}) beats the best of the other functions ({other}) by 0.10",
                "claim", "above", 0.10, "score", _gain(mine, other, family), {mine: "knows", other: "guesses"},
                {mine: "guesses", other: "knows"},
            )
        )  # fmt: skip
    found.append(
        Rule(
            "cards foretell behaviour",
            "Foretelling the ten outcomes of a class from its card is better, by 0.10 in balanced accuracy, than from "
            "short-term or long-term",
            "claim", "above", 0.10, "balanced accuracy", _of("prediction", "gain"), {"prediction": "foretold"},
            {"prediction": "no better"}, "classes",
        )
    )  # fmt: skip
    for family in FAMILIES:
        mine = best[family][0]
        found.append(
            Rule(
                f"{family}: above the window", f"{mine} beats one big recent window", "ours", "above", 0.0, "score",
                _gain(mine, WINDOW, family), {mine: "knows", WINDOW: "guesses"}, {mine: "guesses", WINDOW: "knows"},
            )
        )  # fmt: skip
    found.append(
        whole(
            "what is wrong is caught",
            "Ten cards with one wrong field each, and five memories that are none, all disagree with the probes",
            "ours",
            "wrong", "caught", "probe seeds",
        )
    )  # fmt: skip
    return tuple(found)


def refuse_wrong_checks(checked: Sequence[Rule], look: Look) -> None:
    """Put scripted players in the others' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return float(rule.measure(lambda player, measure: look(cast.get(player, player), measure)).mean())

    stated.refuse_wrong_checks(checked, value)
