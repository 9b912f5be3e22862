"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

`look(player, measure)` gives one number a seed. Thresholds stand here, were written before the first recorded run, and
have not moved since. Before any player that learns is run, `refuse_wrong_checks` puts scripted ones in the places: the
best must pass and the worst must fail.

Success is in [0, 1]; chance is 0.225, and 0.79 what the frozen policy reaches when it is always shown a success of the
right strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.studies import stated
from wayfare.studies.agentfly import Config
from wayfare.studies.contract import Kind
from wayfare.studies.stated import Cast, StatedCheck

__all__ = ["Look", "Rule", "refuse_wrong_checks", "rules"]

Floats = NDArray[np.float64]
Look = Callable[[str, str], NDArray[Any]]
"""(player, measure) -> [seeds, ...]."""
ALL = ("smoke", "quick", "laptop", "full")
TESTED = ("quick", "laptop", "full")
GAIN, SURE = 0.15, 0.10
"""By how much soft-Q is to be above the best that learns nothing, in the mean and with its whole interval."""
PUBLISHED = 0.047
"""The smallest gain that is published for tasks of other distributions."""


@dataclass(frozen=True)
class Rule(StatedCheck):
    """One check before its data: `measure(look)` gives [seeds] values, `best` and `worst` the scripted casts.

    scales: where it is tested        mean: the mean over seeds is held against the threshold, not its interval
    """

    measure: Callable[[Look], Floats]
    best: Cast
    worst: Cast
    scales: tuple[str, ...] = TESTED
    mean: bool = False

    def point(self, look: Look) -> float:
        """The estimate without its interval."""
        return float(self.measure(look).mean())


def _gain(player: str, other: str, measure: str = "late") -> Callable[[Look], Floats]:
    return lambda look: np.asarray(_last(look(player, measure)) - _last(look(other, measure)), np.float64)


def _last(values: NDArray[Any]) -> NDArray[Any]:
    """[seeds]: of passes, the last."""
    return values if values.ndim == 1 else values[:, -1]


def _closed(player: str) -> Callable[[Look], Floats]:
    """Share of the way from chance to the ceiling."""
    return lambda look: np.asarray((look(player, "late") - look(player, "chance")) / look(player, "span"), np.float64)


def _of(player: str, measure: str) -> Callable[[Look], Floats]:
    return lambda look: np.asarray(look(player, measure), np.float64)


def rules(config: Config, strongest: str = "success only (standardised)") -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to. strongest: of those that learn nothing, on other seeds."""
    main, most = f"soft-Q K={config.k}", max(config.ks)

    def above(
        name: str, statement: str, kind: Kind, player: str, other: str, threshold: float = 0.0,
        measure: str = "late", mean: bool = False,
    ) -> Rule:  # fmt: skip
        best, worst = {player: "ceiling", other: "chance"}, {player: "chance", other: "ceiling"}
        return Rule(
            name, statement, kind, "above", threshold, "success", _gain(player, other, measure), best, worst, mean=mean
        )

    found = [
        Rule(
            "what is not learned is misled",
            f"The best that learns nothing ({strongest}) closes less than a quarter of the way from chance to always "
            "being shown the right strategy: there is a failure to cure",
            "instrument", "below", 0.25, "share of the way", _closed(strongest), {strongest: "chance"},
            {strongest: "ceiling"},
        ),
        above(
            "soft-Q above what is not learned",
            f"In the last tasks soft-Q succeeds more often than the best that learns nothing, by {GAIN:g} in the mean",
            "claim", "soft-Q", strongest, GAIN, mean=True,
        ),
        above(
            "... with certainty", f"... and its whole interval lies above {SURE:g}", "claim", "soft-Q", strongest, SURE,
        ),
        Rule(
            "soft backups find soft values",
            "Where a case decides which can be chosen next, the largest error of learned soft values is below 0.05",
            "claim", "below", 0.05, "largest error of Q", _of("soft backup", "error"), {"soft backup": "exact"},
            {"soft backup": "off"},
        ),
        above(
            "failed cases help", f"With {config.k} cases, failed ones shown as such, success is above that without",
            "claim", main, f"{main} (no negatives)",
        ),
        Rule(
            "max backups do not",
            "... of which a backup by the maximum is further off: the entropy is part of what is learned",
            "instrument", "above", 0.05, "largest error of Q", _of("max backup", "error"), {"max backup": "off"},
            {"max backup": "exact"},
        ),
    ]  # fmt: skip
    if config.memory_tasks:
        found.append(
            Rule(
                "arrays are the Memory",
                "Choices on arrays are those of a Memory in a file whose policy asks the same net, case by case",
                "instrument", "within", (1.0, 1.0), "share of tasks", _of("memory", "agreement"),
                {"memory": "agrees"}, {"memory": "disagrees"}, ALL,
            )
        )  # fmt: skip
    found += [
        above(
            "exploring pays while learning",
            "Over all tasks soft-Q succeeds more often than greedy Q: its regret is not above greedy's", "ours",
            "soft-Q", "greedy Q", measure="cumulative",
        ),
        above(
            "values need the context", "Soft-Q does better than MemRL, whose values know no query", "ours", "soft-Q",
            "MemRL",
        ),
        above(
            "the net above the raw kernel", "... and than episodic control with a kernel over raw states", "ours",
            "soft-Q", "kernel",
        ),
        above(
            "few cases are best", f"Of the best cases by Q, {config.k} do better than {most}, as is published", "ours",
            f"top-Q K={config.k}", f"top-Q K={most}",
        ),
        above(
            "inverse propensities pay", "Weighing rows by inverse propensity does better than not", "ours",
            f"{main} (inverse propensity)", main,
        ),
    ]  # fmt: skip
    if config.online_tasks:
        found += [
            above(
                "online: cases help", "From an empty bank, the most similar cases are above no cases in the last pass",
                "ours", "non-parametric", "no cases", measure="passes",
            ),
            above(
                "online: parametric above non-parametric", "... and the best by Q above the most similar", "ours",
                "parametric", "non-parametric", measure="passes",
            ),
            above(
                "online: other topics",
                f"On topics never seen the best by Q are above no cases by {PUBLISHED:g}, the least that is published",
                "ours", "parametric", "no cases", PUBLISHED, measure="other",
            ),
        ]  # fmt: skip
    return tuple(found)


def refuse_wrong_checks(checked: Sequence[Rule], look: Look) -> None:
    """Put scripted players in the learned ones' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return rule.point(lambda player, measure: look(cast.get(player, player), measure))

    stated.refuse_wrong_checks(checked, value)
