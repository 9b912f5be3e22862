"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

Thresholds stand here, were written after two tuning seeds and before any other, and have not moved since.

Selection: `look(base, choice)` gives, by seed, the answers verified until one is right, a mean over prompts; checks are
on ratios of them. Scripted choices take the `first` answer, one at `random` of a pool with one right in fifty, the
`last`.

Training: runs of arms, compared at equal pass@1 and paired over seeds; scripted players are those of
`wayfare.studies.language_runs`, from where the base stands (at smoke scale, where none has learned, from a stated one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfare.studies import language_checks, stated
from wayfare.studies.contract import Arrays, Check, Kind
from wayfare.studies.language_checks import TESTED, Rule, collapse_rule, ends, equal_pass1_rule
from wayfare.studies.language_runs import Run, Runs
from wayfare.studies.repexp import Config
from wayfare.studies.repexp.plan import Tuned
from wayfare.studies.stated import Cast, StatedCheck, seeds_interval

__all__ = [
    "Choice",
    "SelectionRule",
    "check_of",
    "choice_rules",
    "refuse_wrong_checks",
    "rules",
    "selection_check",
    "standing",
]

Floats = NDArray[np.float64]
Choice = Callable[[str, str], Floats]
"""(base, choice) -> [seeds] answers verified until one is right."""
SOONER = 0.6
"""Of the answers that a random choice verifies."""
GAINS = 0.9
"""Of those that skipping copies verifies: less would be a gain for a weak base too."""
COLLAPSE = 0.05
"""Fall of pass@64 under plain GRPO at the method's rate: there is something to keep."""
KEPT = 0.03
"""By how much pass@64 is to be above, at equal pass@1."""


@dataclass(frozen=True)
class SelectionRule(StatedCheck):
    """base, choice, other: whose answers are divided by whose; best and worst: scripted choices in their places"""

    base: str
    choice: str
    other: str
    best: Cast
    worst: Cast

    def measure(self, look: Choice) -> Floats:
        """[seeds]"""
        return np.asarray(look(self.base, self.choice) / look(self.base, self.other), np.float64)


def choice_rules(config: Config) -> tuple[SelectionRule, ...]:
    """Of selection."""

    def below(name: str, statement: str, kind: Kind, other: str, threshold: float) -> SelectionRule:
        return SelectionRule(
            name, statement, kind, "below", threshold, "ratio of answers verified", "strategy", "repexp", other,
            {"repexp": "first", other: "random"}, {"repexp": "last", other: "random"},
        )  # fmt: skip

    return (
        below("novel answers first", f"A right answer is found with {SOONER:g} of the answers of a random choice, or "
              "less", "claim", "random", SOONER),
        below("the mean above the last state", "... and with fewer than by the state at the last token", "claim",
              "last token", 1.0),
        below("the mean above the last word", "... and with fewer than by the state of the token before it", "ours",
              "last word", 1.0),
        below("states above words", "... and with fewer than by counts of words", "ours", "bag of words", 1.0),
        SelectionRule(
            "a weak base gains nothing",
            f"On Countdown, whose base is weak, novelty verifies {GAINS:g} of the answers or more that skipping copies "
            "does", "ours", "above", GAINS, "ratio of answers verified", "weak", "repexp", "other texts",
            {"repexp": "random", "other texts": "random"}, {"repexp": "first", "other texts": "random"},
        ),
    )  # fmt: skip


def rules(config: Config, tuned: Tuned) -> tuple[Rule, ...]:
    """Of training; the first is whether there is anything to cure."""
    baseline = tuned.baseline.name
    return (
        collapse_rule(tuned.start or baseline, 64, COLLAPSE),
        equal_pass1_rule(
            "breadth is kept", f"At equal pass@1, pass@64 is {KEPT:g} above that of {baseline}", "claim", "repexp",
            baseline, 64, KEPT,
        ),
        equal_pass1_rule(
            "... with a scaled ridge", "The same of novelty whose ridge is at the features' own scale, by anything",
            "ours", "repexp, scaled ridge", baseline,
        ),
        equal_pass1_rule(
            "states above copies", "... and pass@64 is above that with the bonus 1 / m for copies", "ours", "repexp",
            "bonus 1/m for copies",
        ),
        Rule(
            "more different right answers", f"... and prompts have more different right answers than under {baseline}",
            "ours", "above", 0.0, "different right answers of 64",
            lambda look: ends(look("repexp"), "distinct") - ends(look(baseline), "distinct"),
            {"repexp": "stays", baseline: "collapses"}, {"repexp": "collapses", baseline: "stays"},
        ),
    )  # fmt: skip


def check_of(config: Config, rule: Rule, runs: Runs) -> Check:
    """A rule of training on what was found."""
    return language_checks.check_of(rule, runs, config.scale)


def selection_check(config: Config, rule: SelectionRule, found: Mapping[str, Arrays]) -> Check:
    """A rule of selection on what was found: base -> arrays of all seeds."""
    values = rule.measure(lambda base, choice: np.asarray(found[base][f"{choice}|samples"], np.float64))
    if not np.isfinite(values).all():
        return rule.on(seeds_interval(np.zeros(1)), len(values), "a pool without a right answer")
    reason = "" if config.scale in TESTED else f"needs {TESTED[0]} scale"
    return rule.on(seeds_interval(values), len(values), reason)


def refuse_wrong_checks(
    config: Config, choices: Sequence[SelectionRule], training: Sequence[Rule], base: Run
) -> None:  # fmt: skip
    """Put scripted players in the learned ones' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""
    scripts = {"first": 1.0, "random": (config.pool + 1) / (config.pool / 50 + 1), "last": float(config.pool)}

    def value(rule: SelectionRule, cast: Cast) -> float:
        return float(rule.measure(lambda _, choice: np.array([scripts[cast[choice]]]))[0])

    stated.refuse_wrong_checks(choices, value)
    language_checks.refuse_wrong_checks(training, standing(config, base))


def standing(config: Config, base: Run) -> Run:
    """Where scripted players begin: the base; at smoke scale one that is right one time in ten."""
    if config.scale != "smoke":
        return base
    told = dict(zip((1, 4, 16, 64), (0.1, 0.3, 0.7, 0.95), strict=True))
    passes = np.array([[told[k] for k in base["ks"].tolist()]])
    return Run("base", base.seed, {**base.arrays, "pass": passes, "distinct": np.full_like(base["distinct"], 2)})
