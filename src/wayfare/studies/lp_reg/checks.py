"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

Likelihoods are those behind a wrong attempt, at the last evaluation, as logarithms; all is paired over seeds.

Scripted, from where the base stands:

    shields      WAIT as likely as before, junk ten times rarer, pass@1 rises
    extinguishes WAIT and junk a hundred times rarer, pass@1 as before        lifts    both ten times likelier
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.studies import stated
from wayfare.studies.contract import Check
from wayfare.studies.language_checks import Look, Rule, ends
from wayfare.studies.language_checks import check_of as _check_of
from wayfare.studies.language_frontiers import paired
from wayfare.studies.language_runs import Run, Runs, scripted
from wayfare.studies.lp_reg import Config
from wayfare.studies.lp_reg.plan import AMPLIFIED, LIFTING, LP_REG, PLAIN, Tuned
from wayfare.studies.stated import Cast

__all__ = ["JUNK", "LOG_WAIT", "WAIT", "check_of", "extinct", "log_junk", "player", "refuse_wrong_checks", "rules"]

Floats = NDArray[np.float64]
WAIT, LOG_WAIT, JUNK = "probe/wait/wrong", "probe/log wait/wrong", "probe/junk/wrong"
FALL = math.log(3.0)
"""By how much WAIT must fall under the baseline: to a third."""
KEPT = 0.3
"""By how much likelier Lp-Reg must keep it, in nats."""
MARGIN = 0.02
"""By how much pass@1 may be lower."""
NOISE, LIFTED = math.log(1.5), math.log(3.0)
"""How much likelier junk may be under Lp-Reg, and must be under an entropy bonus, than under plain GRPO."""
EXTINCT = 0.01
"""A chance of WAIT below it counts as extinction, in tables."""
LEAST = 1e-12


def log_junk(run: Run) -> float:
    """At the end."""
    return math.log(max(run.end(JUNK), LEAST))


def extinct(run: Run) -> bool:
    """Whether WAIT is as good as gone at the end."""
    return run.end(WAIT) < EXTINCT


def rules(config: Config, tuned: Tuned) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    baseline = tuned.baseline.name

    def over(one: str, other: str, measure: Callable[[Run], float]) -> Callable[[Look], Floats]:
        return lambda look: paired(look(one), look(other), lambda a, b: measure(a) - measure(b))

    def log_wait(run: Run) -> float:
        return run.end(LOG_WAIT)

    def kept(name: str, method: str, claim: bool) -> Rule:
        return Rule(
            name, f"Behind a wrong attempt WAIT ends {KEPT:g} nats likelier under {method} than under {baseline}",
            "claim" if claim else "ours", "above", KEPT, "nats", over(method, baseline, log_wait),
            {method: "shields", baseline: "extinguishes"}, {method: "extinguishes", baseline: "shields"},
        )  # fmt: skip

    def quiet(name: str, method: str, claim: bool) -> Rule:
        return Rule(
            name, f"Junk ends at most half as likely again under {method} as under plain GRPO at the same rate",
            "claim" if claim else "ours", "below", NOISE, "nats", over(method, PLAIN, log_junk),
            {method: "shields", PLAIN: "shields"}, {method: "lifts", PLAIN: "shields"},
        )  # fmt: skip

    def accurate(name: str, method: str, claim: bool) -> Rule:
        return Rule(
            name, f"Held-out pass@1 of {method} ends less than {MARGIN:g} below that of {baseline}",
            "claim" if claim else "ours", "above", -MARGIN, "pass@1",
            lambda look: ends(look(method), "pass@1") - ends(look(baseline), "pass@1"),
            {method: "shields", baseline: "extinguishes"}, {method: "extinguishes", baseline: "shields"},
        )  # fmt: skip

    return (
        Rule(
            "training extinguishes the word", f"Behind a wrong attempt WAIT falls to a third or less under {baseline}: "
            "a failure to cure",
            "instrument", "above", FALL, "nats",
            lambda look: np.array([run.measure(LOG_WAIT)[0] - run.end(LOG_WAIT) for run in look(baseline)]),
            {baseline: "extinguishes"}, {baseline: "shields"},
        ),
        kept("the word is kept", LP_REG, True),
        quiet("noise is not", LP_REG, True),
        accurate("no worse at equal tokens", LP_REG, True),
        Rule(
            "an entropy bonus lifts noise", f"Junk ends three times likelier with an entropy bonus of "
            f"{config.lifting:g} than without", "ours", "above", LIFTED, "nats", over(LIFTING, PLAIN, log_junk),
            {LIFTING: "lifts", PLAIN: "shields"}, {LIFTING: "shields", PLAIN: "lifts"},
        ),
        kept("amplified: the word is kept", AMPLIFIED, False),
        quiet("amplified: noise is not", AMPLIFIED, False),
        accurate("amplified: no worse at equal tokens", AMPLIFIED, False),
    )  # fmt: skip


def check_of(config: Config, rule: Rule, runs: Runs) -> Check:
    """The rule on what was found."""
    return _check_of(rule, runs, config.scale)


def refuse_wrong_checks(config: Config, checked: Sequence[Rule], base: Run) -> None:
    """Put scripted players in the arms' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return float(rule.measure(lambda arm: [player(config, base, cast[arm])]).mean())

    stated.refuse_wrong_checks(checked, value)


def player(config: Config, base: Run, script: str) -> Run:
    """A scripted player, see the module. Raises: BadValue for another script."""
    by = {"shields": ("sharpens", 0.0, -1.0), "extinguishes": ("stays", -2.0, -2.0), "lifts": ("stays", 1.0, 1.0)}
    if script not in by:
        raise BadValue("script", script, f"one of {', '.join(by)}")
    course, wait, junk = by[script]
    run = scripted(base, "sharpens" if course == "sharpens" else "stays", tokens=float(config.token_budget))
    way = math.log(10.0) * np.linspace(0.0, 1.0, len(run.tokens))
    told = {
        LOG_WAIT: float(base[LOG_WAIT][0]) + wait * way,
        WAIT: float(base[WAIT][0]) * np.exp(wait * way),
        JUNK: max(float(base[JUNK][0]), LEAST) * np.exp(junk * way),
    }
    return Run(run.arm, run.seed, {**run.arrays, **told})
