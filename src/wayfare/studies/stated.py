"""A check before its data: what a study says it will ask, written down with its threshold before anything has run.

    @dataclass(frozen=True)
    class Rule(StatedCheck):                        # a study adds how its values are had, and who plays best and worst
        measure: Callable[[Look], Floats]
        best: Cast
        worst: Cast

    refuse_wrong_checks(RULES, value)               # before any training: scripted players in the learned ones' places
    rule.on(seeds_interval(values), len(values))    # afterwards: the check, on what was found

A check that the best scripted players fail, or the worst pass, could not mean anything: the study refuses to run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from wayfare.errors import BadValue
from wayfare.report.statistics import Interval, mean_interval
from wayfare.studies.contract import Check, Kind, Rule

__all__ = ["Cast", "StatedCheck", "half_width", "refuse_wrong_checks", "seeds_interval"]

Cast = Mapping[str, str]
"""Learned player -> the scripted one that takes its place."""


@dataclass(frozen=True)
class StatedCheck:
    """The part of a `Check` that is known before its data; a study's own rule adds fields behind these."""

    name: str
    statement: str
    kind: Kind
    rule: Rule
    threshold: float | tuple[float, float]
    unit: str

    def passes(self, value: float) -> bool:
        """Whether the point `value` lies on the claimed side."""
        if isinstance(self.threshold, tuple):
            return self.threshold[0] <= value <= self.threshold[1]
        return value > self.threshold if self.rule == "above" else value < self.threshold

    def on(self, interval: Interval, n_seeds: int, reason: str = "") -> Check:
        """The check itself. reason: why it is not tested, empty where it is"""
        return Check(
            name=self.name, statement=self.statement, kind=self.kind, estimate=interval.estimate, low=interval.low,
            high=interval.high, rule=self.rule, threshold=self.threshold, unit=self.unit, n_seeds=n_seeds,
            method=interval.method, reason=reason,
        )  # fmt: skip


class _Cast(Protocol):
    @property
    def best(self) -> Cast: ...
    @property
    def worst(self) -> Cast: ...


RuleT = TypeVar("RuleT", bound=StatedCheck)


def refuse_wrong_checks(rules: Iterable[RuleT], value: Callable[[RuleT, Cast], float]) -> None:
    """value: of a rule when the players of a cast stand in the places of the learned ones; rules: with `best`, `worst`

    Raises: BadValue naming a check whose best cast fails it or whose worst cast passes it.
    """
    for rule in rules:
        casts: _Cast = rule  # type: ignore[assignment]
        for cast, must in ((casts.best, True), (casts.worst, False)):
            found = value(rule, cast)
            if rule.passes(found) is not must:
                kind = "passed by its best scripted players" if must else "failed by its worst scripted players"
                raise BadValue(f"check '{rule.name}'", round(found, 4), f"{kind} ({rule.rule} {rule.threshold})")


def seeds_interval(values: ArrayLike) -> Interval:
    """Student's t over seeds, [seeds]; one seed says something of itself alone."""
    each = np.asarray(values, dtype=np.float64)
    if len(each) > 1:
        return mean_interval(each)
    return Interval(float(each.mean()), math.nan, math.nan, "one seed, no interval", len(each))


def half_width(values: ArrayLike) -> float | None:
    """Of that interval; None for one seed."""
    interval = seeds_interval(values)
    return (interval.high - interval.low) / 2 if math.isfinite(interval.high) else None
