"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

`look(player, measure)` gives one number a seed. Thresholds stand here, were written before the first recorded run, and
have not moved since. Before any player that learns is run, `refuse_wrong_checks` puts scripted ones in the places: the
best must pass and the worst must fail.

What is claimed is asked where wrong strategies are often lucky: a label of success then says little, which is what
learned values are to cure. Success is in [0, 1]; chance is 0.34 there, and 0.75 what the frozen policy reaches when it
is always shown the right strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.studies import stated
from wayfare.studies.contract import Kind
from wayfare.studies.memrl import Config
from wayfare.studies.stated import Cast, StatedCheck

__all__ = ["Look", "Rule", "at", "refuse_wrong_checks", "rules"]

Floats = NDArray[np.float64]
Look = Callable[[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""
ALL = ("smoke", "quick", "laptop", "full")
TESTED = ("quick", "laptop", "full")


@dataclass(frozen=True)
class Rule(StatedCheck):
    """One check before its data: `measure(look)` gives [seeds] values, `best` and `worst` the scripted casts.

    scales: where it is tested
    """

    measure: Callable[[Look], Floats]
    best: Cast
    worst: Cast
    scales: tuple[str, ...] = TESTED

    def point(self, look: Look) -> float:
        """The estimate without its interval."""
        return float(self.measure(look).mean())


def at(player: str, lucky: float) -> str:
    """The player where a wrong strategy succeeds with this chance."""
    return f"{player} {lucky:g}"


def _gain(player: str, other: str, measure: str = "late") -> Callable[[Look], Floats]:
    return lambda look: np.asarray(look(player, measure) - look(other, measure), np.float64)


def _closed(player: str) -> Callable[[Look], Floats]:
    """Share of the way from chance to the ceiling."""
    return lambda look: np.asarray((look(player, "late") - look(player, "chance")) / look(player, "span"), np.float64)


def _same(player: str, other: str) -> Callable[[Look], Floats]:
    """Share of episodes in which both are shown the same."""
    return lambda look: np.asarray((look(player, "shown") == look(other, "shown")).mean(axis=1), np.float64)


def _of(player: str, measure: str) -> Callable[[Look], Floats]:
    return lambda look: np.asarray(look(player, measure), np.float64)


def rules(config: Config, strongest: str = "success filter (last)") -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to. strongest: the success filter that was best on other seeds."""
    lucky = config.lucky[0]
    memrl, used, similarity, written = (
        at(name, lucky) for name in ("MemRL", "MemRL (used)", "similarity", "success filter (written)")
    )
    good, bad = at("ceiling", lucky), at("chance", lucky)

    def above(
        name: str, statement: str, kind: Kind, player: str, other: str, threshold: float = 0.0,
        measure: str = "late",
    ) -> Rule:  # fmt: skip
        best, worst = {player: good, other: bad}, {player: bad, other: good}
        return Rule(name, statement, kind, "above", threshold, "success", _gain(player, other, measure), best, worst)

    found = [
        Rule(
            "similarity is misled",
            "Recall by similarity closes less than a quarter of the way from chance to always being shown the right "
            "strategy: there is a failure to cure",
            "instrument", "below", 0.25, "share of the way", _closed(similarity), {similarity: bad}, {similarity: good},
        ),
        above(
            "MemRL above similarity", "In the last passes MemRL succeeds more often than similarity, by 0.15 at least",
            "claim", memrl, similarity, 0.15,
        ),
        above(
            "MemRL above the success filter",
            "... and more often than similarity among what succeeded when it was written", "claim", memrl, written,
        ),
    ]  # fmt: skip
    if 0.0 in config.weights:
        zero = at("MemRL lambda=0", lucky)
        found.append(
            above("Q matters", "lambda = 0.5 succeeds more often than lambda = 0", "claim", memrl, zero)
        )  # fmt: skip
    found += [
        above(
            "held-out: MemRL above similarity", "On held-out tasks MemRL succeeds more often than similarity", "claim",
            memrl, similarity, measure="held",
        ),
        above(
            "held-out: MemRL above the success filter", "... and than the success filter", "claim", memrl, written,
            measure="held",
        ),
    ]  # fmt: skip
    if 0.0 in config.weights:
        found.append(
            Rule(
                "lambda = 0 is similarity", "With lambda = 0 every recall is that of similarity", "instrument",
                "within", (1.0, 1.0), "share of recalls", _same(zero, similarity), {zero: good, similarity: good},
                {zero: "nearly", similarity: good}, ALL,
            )
        )  # fmt: skip
    if config.memory_passes:
        found.append(
            Rule(
                "arrays are the Memory",
                "Episodes on arrays, with the library's own candidates, are those of a Memory in a file, choice by "
                "choice",
                "instrument", "within", (1.0, 1.0), "share of episodes", _of("memory", "agreement"),
                {"memory": "agrees"}, {"memory": "disagrees"}, ALL,
            )
        )  # fmt: skip
    found += [
        Rule(
            f"estimator: {what} of Q",
            f"The {what} of Q after a fixed reward is the closed form's, to three standard errors at the worst of six "
            "places, in the mean over seeds",
            "instrument", "below", 3.0, "standard errors", _of("estimator", f"{what} deviation"),
            {"estimator": "exact"}, {"estimator": "biased"},
        )
        for what in ("mean", "variance")
    ]  # fmt: skip
    if len(config.lucky) > 1:
        rare = config.lucky[1]
        own, filtered = at("MemRL", rare), at("success filter (written)", rare)
        low, high = at("chance", rare), at("ceiling", rare)
        found.append(
            Rule(
                "where luck is rare a label does as well",
                f"Where a wrong strategy succeeds with {rare:g} only, MemRL and the success filter differ by less than "
                "0.05",
                "ours", "within", (-0.05, 0.05), "success", _gain(own, filtered), {own: high, filtered: high},
                {own: high, filtered: low},
            )
        )  # fmt: skip
    found += [
        above(
            "MemRL above the strongest filter",
            "MemRL succeeds more often than similarity among what succeeded, labelled in the way that was best on "
            "other seeds",
            "ours", memrl, at(strongest, lucky),
        ),
        above(
            "credit for what was used", "Credit for the item that was acted upon does better than uniform credit",
            "ours", used, memrl,
        ),
        above(
            "means of counts above the moving average",
            "The Beta mean + 0.3 similarity does better than MemRL, both crediting what was used", "ours",
            at("Beta mean", lucky), used,
        ),
        above(
            "the prior of an untried memory",
            "... and than the library's learned score, whose prior is what the other candidates earned", "ours",
            at("Beta mean", lucky), at("library's mean", lucky),
        ),
        above(
            "intents, not items", "Five intents as candidates do better than five items", "ours", memrl,
            at("MemRL (raw items)", lucky),
        ),
        above(
            "the library's candidates suffice",
            "MemRL on the candidates that a Memory finds by itself loses less than 0.05 against five intents", "ours",
            at("MemRL (library's candidates)", lucky), used, -0.05,
        ),
        above(
            "several of an intent before the next",
            "The candidates that a Memory finds by itself do better than with one of every intent before a second",
            "ours", at("MemRL (library's candidates)", lucky), at("MemRL (one of an intent)", lucky),
        ),
    ]  # fmt: skip
    if config.wide_families:
        found.append(
            above(
                "three at once: credit for what was used",
                "Where three items are recalled at once, credit for what was used does better than uniform credit",
                "ours", at("wide MemRL (used)", lucky), at("wide MemRL", lucky),
            )
        )  # fmt: skip
    return tuple(found)


def refuse_wrong_checks(checked: Sequence[Rule], look: Look) -> None:
    """Put scripted players in the learned ones' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return rule.point(lambda player, measure: look(cast.get(player, player), measure))

    stated.refuse_wrong_checks(checked, value)
