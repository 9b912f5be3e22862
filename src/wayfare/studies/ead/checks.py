"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

worst@16 is the chance that all of 16 answers to a problem are right. All are paired over seeds.

Scripted, from pass@1 of 0.1 and pass@16 of 0.75: those of `wayfare.studies.language_runs.scripted`, whose right answers
are all of some problems' and none of the others', so that worst@16 is pass@1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.studies import stated
from wayfare.studies.contract import Check
from wayfare.studies.ead import Config
from wayfare.studies.ead.plan import BACKWARDS, COOLED, FIXED, METHOD, K, Tuned, above
from wayfare.studies.language_checks import Look, Rule, collapse_rule, ends, equal_pass1_rule
from wayfare.studies.language_checks import check_of as _check_of
from wayfare.studies.language_frontiers import paired
from wayfare.studies.language_runs import Run, Runs, Script, scripted
from wayfare.studies.stated import Cast

__all__ = ["check_of", "player", "refuse_wrong_checks", "rules", "worst"]

Floats = NDArray[np.float64]
LOST = 0.05
"""Of pass@16, what the baseline loses at least: there is a failure to cure."""
HOT = "temperature 1.2"
PROBLEMS, ANSWERS = 100, 32
"""Of a scripted player."""


def worst(run: Run, k: int = K) -> Floats:
    """[E] worst@k: chance that k answers drawn without replacement are all right, mean over problems.

    Raises: BadValue for k above the answers to a problem.
    """
    n = int(run["answers"][0])
    if not 1 <= k <= n:
        raise BadValue("k", k, f"between 1 and {n}, the answers to each problem")
    chance = np.array([comb(c, k) / comb(n, k) for c in range(n + 1)])
    return np.asarray(chance[run["right"]].mean(axis=1), np.float64)


def rules(config: Config, tuned: Tuned) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    plain = tuned.baseline.name
    better, worse = {METHOD: "sharpens", plain: "collapses"}, {METHOD: "collapses", plain: "sharpens"}

    def over(name: str, other: str) -> Callable[[Look], Floats]:
        return lambda look: ends(look(METHOD), name) - ends(look(other), name)

    def at_inference(look: Look, drawn: str) -> Floats:
        return paired(look(FIXED), look(drawn), above)

    return (
        collapse_rule(plain, K, LOST),
        Rule(
            "above the frontier, untrained",
            f"pass@{K} of the annealed base above that of the best fixed temperature at equal pass@1", "claim",
            "above", 0.0, f"pass@{K}", lambda look: at_inference(look, COOLED),
            {COOLED: "sharpens", FIXED: "collapses"}, {COOLED: "collapses", FIXED: "sharpens"},
        ),
        equal_pass1_rule(
            "more breadth at equal pass@1, trained",
            f"pass@{K} of training with (1) above that of {plain} at equal pass@1", "claim", METHOD, plain, K,
        ),
        Rule(
            "entropy falls less", f"Entropy at temperature 1 ends higher than with {plain}", "claim", "above", 0.0,
            "nats a token", over("entropy", plain), better, worse,
        ),
        Rule(
            "better at the worst", f"worst@{K} ends above that of {plain}", "claim", "above", 0.0, f"worst@{K}",
            lambda look: np.array(
                [float(worst(a)[-1] - worst(b)[-1]) for a, b in zip(look(METHOD), look(plain), strict=True)]
            ),
            {METHOD: "sharpens", plain: "stays"}, {METHOD: "stays", plain: "sharpens"},
        ),
        Rule(
            "cooling, not warming, untrained",
            f"pass@{K} above the frontier is higher annealed than backwards, which is chosen from as many shapes",
            "ours", "above", 0.0, f"pass@{K}",
            lambda look: at_inference(look, COOLED) - at_inference(look, BACKWARDS),
            {COOLED: "sharpens", BACKWARDS: "collapses", FIXED: "collapses"},
            {COOLED: "collapses", BACKWARDS: "sharpens", FIXED: "collapses"},
        ),
        equal_pass1_rule(
            "better than hot alone, trained", f"pass@{K} above that of {HOT} at equal pass@1, at the same rate",
            "ours", METHOD, HOT, K,
        ),
    )  # fmt: skip


def check_of(config: Config, rule: Rule, runs: Runs) -> Check:
    """The rule on what was found."""
    return _check_of(rule, runs, config.scale)


def refuse_wrong_checks(checked: Sequence[Rule]) -> None:
    """Put scripted players in the arms' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return float(rule.measure(lambda arm: [player(cast[arm])]).mean())  # type: ignore[arg-type]

    stated.refuse_wrong_checks(checked, value)


def player(script: Script) -> Run:
    """A scripted player, see the module."""
    start = np.array([[0.1, 0.4, 0.75]])
    flat = {name: np.zeros(1) for name in ("malformed", "clipped", "length")}
    base = Run(
        "base", 0,
        {
            **flat, "pass": start, "ks": np.array([1, 4, K]), "answers": np.array([ANSWERS]), "seed": np.array([0]),
            "right": np.zeros((1, PROBLEMS), np.int64), "distinct": np.ones((1, PROBLEMS)),
            "entropy": np.full((1, PROBLEMS), 0.25), "index": np.arange(PROBLEMS),
        },
    )  # fmt: skip
    run = scripted(base, script)
    solved = np.arange(PROBLEMS) < np.rint(PROBLEMS * run.pass_at(1))[:, None]
    return Run(run.arm, 0, {**run.arrays, "right": ANSWERS * solved})
