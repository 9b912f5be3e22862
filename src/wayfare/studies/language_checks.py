"""Checks of language-RL studies, tried on players without a model before any arm is trained.

    Rule(..., measure=lambda look: ends(look("method"), "pass@64") - ends(look(baseline), "pass@64"),
         best={"method": "sharpens", baseline: "collapses"}, worst={"method": "collapses", baseline: "sharpens"})

`look(arm)` gives the runs of an arm, by seed. The casts of a rule name the scripts of
`wayfare.studies.language_runs.scripted` that stand in the arms' places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.studies import stated
from wayfare.studies.contract import Check, Kind
from wayfare.studies.language_frontiers import at_equal_pass1, paired
from wayfare.studies.language_runs import Run, Runs, Script, scripted
from wayfare.studies.stated import Cast, StatedCheck, seeds_interval

__all__ = ["Look", "Rule", "band_rule", "check_of", "collapse_rule", "ends", "equal_pass1_rule", "refuse_wrong_checks"]

Floats = NDArray[np.float64]
Look = Callable[[str], Sequence[Run]]
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


def ends(runs: Sequence[Run], name: str) -> Floats:
    """[S] a measure at the last evaluation of each run."""
    return np.array([run.end(name) for run in runs])


def collapse_rule(baseline: str, k: int = 64, threshold: float = 0.05) -> Rule:
    """The first check: the baseline loses what the method is to keep, or there is nothing to cure."""
    return Rule(
        "the baseline collapses", f"pass@{k} of {baseline} ends {threshold:g} below its base's: a failure to cure",
        "instrument", "above", threshold, f"pass@{k}",
        lambda look: np.array([run.pass_at(k)[0] - run.pass_at(k)[-1] for run in look(baseline)]),
        {baseline: "collapses"}, {baseline: "stays"},
    )  # fmt: skip


def equal_pass1_rule(
    name: str, statement: str, kind: Kind, method: str, baseline: str, k: int = 64, threshold: float = 0.0
) -> Rule:
    """pass@k of the method above the baseline's at equal pass@1, paired over seeds; NaN counts as no difference.

    A seed where nothing can be compared (an arm never rises above the base) shows no advantage.
    """

    def measure(look: Look) -> Floats:
        return np.nan_to_num(paired(look(method), look(baseline), lambda a, b: at_equal_pass1(a, b, k)))

    return Rule(
        name, statement, kind, "above", threshold, f"pass@{k}", measure,
        {method: "sharpens", baseline: "collapses"}, {method: "collapses", baseline: "sharpens"},
    )  # fmt: skip


def band_rule(name: str, statement: str, measure: str, band: tuple[float, float]) -> Rule:
    """The base lies where the study's task says it must: 'base' is looked at, at its start."""
    return Rule(
        name, statement, "instrument", "within", band, measure,
        lambda look: np.array([run.measure(measure)[0] for run in look("base")]), {}, {},
    )  # fmt: skip


def refuse_wrong_checks(rules: Sequence[Rule], base: Run) -> None:
    """Put scripted players in the arms' places, from where the base stands; bands have none.

    Raises: BadValue for a check that the best of them fail or the worst pass, or a cast that is no script.
    """

    def value(rule: Rule, cast: Cast) -> float:
        def look(arm: str) -> Sequence[Run]:
            if arm not in cast:
                raise BadValue(f"cast of check '{rule.name}'", arm, f"one of {', '.join(cast)}")
            script: Script = cast[arm]  # type: ignore[assignment]
            return [scripted(base, script)]

        return float(rule.measure(look).mean())

    stated.refuse_wrong_checks([rule for rule in rules if rule.best or rule.worst], value)


def check_of(rule: Rule, runs: Runs, scale: str) -> Check:
    """The rule on what was found: a mean over seeds with its interval."""
    values = rule.measure(lambda arm: runs[arm])
    return rule.on(seeds_interval(values), len(values), "" if scale in rule.scales else f"needs {rule.scales[0]} scale")
