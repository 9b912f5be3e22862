"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

A run has collapsed where form is all but perfect and fewer answers are right than the base's, or where the length of
answers is less than half of the base's or more than one and a half times it. Silent are groups of answers to a
held-out prompt that are all right or all wrong: they teach nothing without a bonus.

Thresholds were set after a pilot on tuning seeds and selection prompts, and stay. More than half by Clopper-Pearson
takes all of six seeds. Differences are asked to be above 0: R1 ended at .000 at the rate 1e-3 and at .080 at 3e-4, from
.036. 0.1 of silent groups is the least that would matter.

Scripted, from where the base stands (from one right answer in ten where it has none):

    learns     form is perfect, and so is every other answer          formal    form is perfect, no answer right
    briefly    as `learns`, in answers of a third of the length        stays     the base itself
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import comb

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.report.statistics import share_interval
from wayfare.studies import stated
from wayfare.studies.contract import Check, Kind
from wayfare.studies.language_checks import Look, Rule, ends
from wayfare.studies.language_checks import check_of as _check_of
from wayfare.studies.language_runs import Run, Runs, scripted
from wayfare.studies.memory_r_plus import Config
from wayfare.studies.memory_r_plus.plan import FINE_TUNING, MEMORY, MEMORY_FAST, R1_FAST, SHUFFLED, Tuned
from wayfare.studies.stated import Cast

__all__ = ["check_of", "collapsed", "form", "player", "refuse_wrong_checks", "rules", "silent"]

Floats = NDArray[np.float64]
FORMS = ("has_answer", "has_trace")
PERFECT = 0.9
"""Form above which it is all but perfect."""
LENGTHS = (0.5, 1.5)
"""Times the base's: length outside of it has collapsed."""
HALF = 0.5
"""Of seeds: more collapse, or fewer."""
FEW = 0.1
"""Right answers of a scripted player at its start whose base has none."""
QUIET = 0.1
"""By how much the share of silent groups is to be lower."""


@dataclass(frozen=True)
class Count(Rule):
    """A rule whose values are 0 or 1 a seed: its interval is Clopper-Pearson's."""


def form(run: Run) -> float:
    """Mean of both rewards for form over the last tenth of training."""
    each = [np.asarray(run[f"train/rewards/{name}/mean"], np.float64) for name in FORMS]
    return float(np.mean([values[-max(1, len(values) // 10) :].mean() for values in each]))


def collapsed(run: Run) -> bool:
    """See the module."""
    length = run.measure("length")
    right = run.pass_at(1)
    return bool(
        (form(run) > PERFECT and right[-1] < right[0]) or not LENGTHS[0] <= length[-1] / length[0] <= LENGTHS[1]
    )


def silent(config: Config, run: Run) -> float:
    """Chance, at the end, that answers to a held-out prompt are all right or all wrong; as many as in training."""
    n, right = int(run["answers"][0]), np.asarray(run["right"][-1])
    group = min(config.answers, n)
    chance = np.array([(comb(c, group) + comb(n - c, group)) / comb(n, group) for c in range(n + 1)])
    return float(chance[right].mean())


def rules(config: Config, tuned: Tuned) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    baseline, quiet = tuned.baseline.name, partial(silent, config)

    def counted(arm: str) -> Callable[[Look], Floats]:
        return lambda look: np.array([float(collapsed(run)) for run in look(arm)])

    def more(name: str, said: str, one: str, other: str, kind: Kind) -> Rule:
        return Rule(
            name, said, kind, "above", 0.0, "pass@1",
            lambda look: ends(look(one), "pass@1") - ends(look(other), "pass@1"),
            {one: "learns", other: "stays"}, {one: "stays", other: "learns"},
        )  # fmt: skip

    return (
        Count(
            "R1 collapses",
            f"At the learning rate {max(config.rates):g} R1 ends with perfect form and fewer right answers than its "
            "base, or with another length, on more than half of the seeds: a failure to cure",
            "instrument", "above", HALF, "share of seeds", counted(R1_FAST), {R1_FAST: "formal"}, {R1_FAST: "learns"},
        ),
        Count(
            "Memory-R+ does not", "With both memories fewer than half do at that rate", "claim", "below", HALF,
            "share of seeds", counted(MEMORY_FAST), {MEMORY_FAST: "learns"}, {MEMORY_FAST: "briefly"},
        ),
        more(
            "more is right than with R1", "... and more held-out answers are right in the end", MEMORY_FAST, R1_FAST,
            "claim",
        ),
        more(
            "more is right than with the tuned baseline",
            f"Each at its own rate, more are right in the end than with {baseline}", MEMORY, baseline, "claim",
        ),
        Rule(
            "fewer silent groups",
            f"The share of held-out prompts whose answers are all right or all wrong ends {QUIET:g} below that of R1, "
            "both at the highest rate",
            "claim", "below", -QUIET, "share of groups",
            lambda look: np.array([quiet(a) - quiet(b) for a, b in zip(look(MEMORY_FAST), look(R1_FAST), strict=True)]),
            {MEMORY_FAST: "learns", R1_FAST: "formal"}, {MEMORY_FAST: "formal", R1_FAST: "learns"},
        ),
        more(
            "what is retrieved matters", "More answers are right than where answers are filed under tasks at random",
            MEMORY, SHUFFLED, "ours",
        ),
        more(
            "more than fine-tuning on successes", "... and than where R1 is fine-tuned on the same successes, tuned as "
            "well", MEMORY, FINE_TUNING, "ours",
        ),
    )  # fmt: skip


def check_of(config: Config, rule: Rule, runs: Runs) -> Check:
    """The rule on what was found."""
    if not isinstance(rule, Count):
        return _check_of(rule, runs, config.scale)
    values = rule.measure(lambda arm: runs[arm])
    reason = "" if config.scale in rule.scales else f"needs {rule.scales[0]} scale"
    return rule.on(share_interval(int(values.sum()), len(values)), len(values), reason)


def refuse_wrong_checks(config: Config, checked: Sequence[Rule], base: Run) -> None:
    """Put scripted players in the arms' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return float(rule.measure(lambda arm: [player(config, base, cast[arm])]).mean())

    stated.refuse_wrong_checks(checked, value)


def player(config: Config, base: Run, script: str) -> Run:
    """A scripted player, see the module. Raises: BadValue for another script."""
    by = {"learns": (0.5, 1.0), "briefly": (0.5, 0.3), "formal": (0.0, 1.0), "stays": (None, 1.0)}
    if script not in by:
        raise BadValue("script", script, f"one of {', '.join(by)}")
    share, length = by[script]
    run = scripted(base, "stays", tokens=float(config.token_budget))
    told = dict(run.arrays)
    told["pass"] = np.where(told["pass"] > 0, told["pass"], FEW)
    way = np.linspace(0.0, 1.0, len(run.tokens))[:, None]
    if share is not None:
        n = int(base["answers"][0])
        told["pass"] = told["pass"] + way * (share - told["pass"])
        told["right"] = np.rint(told["right"] + way * (share * n - told["right"])).astype(np.int64)
    told["length"] = told["length"] * (1.0 + way[:, 0] * (length - 1.0))
    perfect = 0.5 if script == "stays" else 1.0
    told |= {f"train/rewards/{name}/mean": np.full(20, perfect) for name in FORMS}
    return replace(run, arrays=told)
