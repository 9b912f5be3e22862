"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

`look(part, measure)` gives [seeds, ...]. Thresholds stand here, were written before the first recorded run, and have
not moved since. Before anything is trained, `refuse_wrong_checks` puts scripted measures in the places: the best must
pass and the worst must fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.studies import stated
from wayfare.studies.memos import Config
from wayfare.studies.memos.policies import FIXED
from wayfare.studies.memos.replay import WORKLOADS
from wayfare.studies.stated import Cast, StatedCheck

__all__ = ["Look", "Rule", "refuse_wrong_checks", "rules", "scripted"]

Floats = NDArray[np.float64]
Look = Callable[[str, str], NDArray[Any]]
"""(part, measure) -> [seeds, ...]."""
ALL = ("smoke", "quick", "laptop")
TESTED = ("quick", "laptop")
SIMPLE = (*FIXED, "frequency threshold")
"""Policies that the scheduler is compared with."""
OTHERS = (*SIMPLE, "queries since the edit")


@dataclass(frozen=True)
class Rule(StatedCheck):
    """One check before its data: `measure(look)` gives [seeds] values; `best`, `worst`: part -> scripted part.

    scales: where it is tested
    """

    measure: Callable[[Look], Floats]
    best: Cast
    worst: Cast
    scales: tuple[str, ...] = TESTED

    def point(self, look: Look) -> float:
        """The estimate without its interval."""
        return float(self.measure(look).mean())


def _of(part: str, measure: str, over: str = "mean") -> Callable[[Look], Floats]:
    def values(look: Look) -> Floats:
        array = np.asarray(look(part, measure), np.float64)
        flat = array.reshape(len(array), -1)
        found: Floats = {"mean": np.mean, "max": np.max, "min": np.min}[over](flat, axis=1)  # type: ignore[operator]
        return found

    return values


def _ratio(workload: str, others: Sequence[str]) -> Callable[[Look], Floats]:
    """The scheduler's cost over the least of the others' mean costs in this workload."""

    def values(look: Look) -> Floats:
        best = min(others, key=lambda name: float(look(workload, name).mean()))
        return np.asarray(look(workload, "scheduler") / look(workload, best), np.float64)

    return values


def _winners(look: Look) -> Floats:
    """How many different forms are the cheapest fixed one in some workload, seed by seed."""
    pure = FIXED[:3]
    each = np.stack([np.stack([look(kind, name) for name in pure]).argmin(axis=0) for kind in WORKLOADS])
    return np.array([float(len(set(column))) for column in each.T.tolist()])


def rules(config: Config) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""

    def check(
        name: str, statement: str, kind: Any, rule: Any, threshold: Any, unit: str, measure: Callable[[Look], Floats],
        part: str, scales: tuple[str, ...] = TESTED,
    ) -> Rule:  # fmt: skip
        best, worst = {part: f"best {part}"}, {part: f"worst {part}"}
        return Rule(name, statement, kind, rule, threshold, unit, measure, best, worst, scales)

    a, b = "activation", "parameter"
    found = [
        check(
            "caches laid end to end are not the text",
            "Two caches made apart and laid end to end give other logits than the text, by more than 0.01 at every "
            "length: there is a failure to cure, and the test sees it",
            "instrument", "above", 0.01, "largest difference of a logit", _of(a, "apart", "min"), a, ALL,
        ),
        check(
            "the model reads",
            "The model finds facts in lists that it has never seen, at the shortest length, in 0.9 of the cases",
            "instrument", "above", 0.9, "share of questions", lambda look: np.asarray(look(a, "right")[:, 0]), a,
        ),
        check(
            "cache and text: logits", "A cache that was stored and loaded gives the logits of the text, to 1e-4",
            "claim", "below", 1e-4, "largest difference of a logit", _of(a, "difference", "max"), a, ALL,
        ),
        check(
            "cache and text: tokens", "... and the same tokens", "claim", "within", (1.0, 1.0), "share of questions",
            _of(a, "tokens", "min"), a, ALL,
        ),
        check(
            "cache and text: places",
            "The words behind a cache stand at the places behind the text: their keys in the first layer are equal, "
            "to 1e-4",
            "claim", "below", 1e-4, "largest difference of a key", _of(a, "place", "max"), a, ALL,
        ),
        check(
            "nothing is known beforehand", "Without text and adapter less than 0.2 of the facts are guessed",
            "instrument", "below", 0.2, "share of the facts", _of(b, "closed before"), b, ALL,
        ),
        check(
            "adapter: closed-book", "With an adapter at least 0.9 of the facts are answered without any text", "claim",
            "above", 0.9, "share of the facts", _of(b, "closed"), b,
        ),
        check(
            "adapter: written back", "... and written back as they were", "claim", "above", 0.9, "share of the facts",
            _of(b, "recovered"), b,
        ),
        check(
            "adapter: taken out", "Without the adapter the model is bit for bit the one before", "claim", "within",
            (0.0, 0.0), "largest difference of a logit", _of(b, "unload", "max"), b, ALL,
        ),
    ]  # fmt: skip
    table = {kind: f"best {kind}" for kind in WORKLOADS}, {kind: f"worst {kind}" for kind in WORKLOADS}
    found.append(
        Rule(
            "no form is best everywhere", "More than one form is the cheapest fixed one in some workload",
            "instrument", "above", 1.0, "forms", _winners, *table,
        )
    )  # fmt: skip
    for kind in WORKLOADS:
        found.append(
            check(
                f"{kind}: scheduler near the best fixed policy",
                "The scheduler costs less than 1.1 times the cheapest of always text, cache, adapter, and tuned "
                "thresholds of frequency",
                "claim", "below", 1.1, "cost over the best fixed policy's", _ratio(kind, SIMPLE), kind,
            )
        )  # fmt: skip
    for name in OTHERS:
        found.append(
            check(
                f"mixed: scheduler cheaper than {name}", "The scheduler costs less on the mixed load",
                "claim" if name in SIMPLE else "ours", "below", 1.0, "cost over the other's", _ratio("mixed", [name]),
                "mixed",
            )
        )  # fmt: skip
    if config.operations:
        d = "lifecycle"
        for name, statement, measure in (
            ("divergences", "No state of a cube differs from the reference's", "divergences"),
            ("lost operations", "No operation that was acknowledged is lost when the process is killed", "lost"),
            ("rollbacks", "Whatever is rolled back is byte-equal to what it was", "rollbacks_unequal"),
        ):
            found.append(
                check(
                    f"lifecycle: {name}", statement, "claim", "within", (0.0, 0.0), "cases", _of(d, measure), d, ALL,
                )
            )  # fmt: skip
    return tuple(found)


def scripted(seeds: int) -> dict[tuple[str, str], NDArray[Any]]:
    """Measures that are known beforehand, of the best and the worst that could be found."""
    one = np.ones(seeds)
    found: dict[tuple[str, str], NDArray[Any]] = {}
    told: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
        "activation": (
            {"apart": 1.0, "right": 1.0, "difference": 1e-6, "tokens": 1.0, "place": 0.0},
            {"apart": 0.0, "right": 0.05, "difference": 1.0, "tokens": 0.9, "place": 1.0},
        ),
        "parameter": (
            {"closed before": 0.03, "closed": 1.0, "recovered": 1.0, "unload": 0.0},
            {"closed before": 0.5, "closed": 0.03, "recovered": 0.03, "unload": 1e-6},
        ),
        "lifecycle": (
            {"divergences": 0.0, "lost": 0.0, "rollbacks_unequal": 0.0},
            {"divergences": 1.0, "lost": 1.0, "rollbacks_unequal": 1.0},
        ),
    }
    for part, pair in told.items():
        for which, measures in zip(("best", "worst"), pair, strict=True):
            for name, value in measures.items():
                found[f"{which} {part}", name] = (one * value)[:, None] if part == "activation" else one * value
    for number, kind in enumerate(WORKLOADS):
        for which, scheduler in (("best", 8.0), ("worst", 12.0)):
            found[f"{which} {kind}", "scheduler"] = one * scheduler
            for place, name in enumerate(OTHERS):
                cheap = place == (number % 2 if which == "best" else 0)
                found[f"{which} {kind}", name] = one * (10.0 if cheap else 11.0)
    return found


def refuse_wrong_checks(checked: Sequence[Rule], look: Look) -> None:
    """Put scripted measures in the real ones' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return rule.point(lambda part, measure: look(cast.get(part, part), measure))

    stated.refuse_wrong_checks(checked, value)
