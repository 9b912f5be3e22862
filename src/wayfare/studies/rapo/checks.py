"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

Problems within the support can be solved without `*`, those beyond it cannot; K is the large sampling budget, half of
the answers that are drawn to each problem. All is paired over seeds. On tuning seeds 100 and 101 the base is right at
.243 within and nowhere beyond; a reverse KL at 3e-4, the best control, ends at .400 and .425, plain GRPO at .428 and
.429, RAPO at 1e-4 at .318 and .278; beyond the support nobody is right once in 512 answers to 24 problems.

Scripted, from where the base stands:

    stays    the base itself        opens      beyond the support one answer in eight is right in the end
    sharpens pass@1 rises, nothing is lost, nothing is found        narrows    half of the problems within are lost
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.studies import stated
from wayfare.studies.contract import Check
from wayfare.studies.language_checks import Look, Rule
from wayfare.studies.language_checks import check_of as _check_of
from wayfare.studies.language_frontiers import paired
from wayfare.studies.language_runs import Run, Runs, scripted
from wayfare.studies.rapo import Config
from wayfare.studies.rapo.halves import Half, beyond, pass_half
from wayfare.studies.rapo.plan import ENTROPY, RAPO, REVERSE, SHALLOW, Tuned
from wayfare.studies.stated import Cast

__all__ = ["check_of", "player", "refuse_wrong_checks", "rules"]

Floats = NDArray[np.float64]
LEARNED = 0.05
"""Within the support, how much pass@1 must rise under the tuned baseline: what is learned is seen."""
CEILING = 0.15
"""Beyond the support, how much pass@K may rise at most under a reverse KL: there is a ceiling to break."""
RISE = 0.05
"""... and how much it must rise under RAPO."""
MARGIN = 0.05
"""By how much pass@64 within the support may be lower."""


def rules(config: Config, tuned: Tuned) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    baseline, most = tuned.baseline.name, config.many
    less = min(64, most)

    def end(run: Run, half: Half, k: int) -> float:
        return float(pass_half(run, half, k)[-1])

    def gained(run: Run, half: Half, k: int) -> float:
        each = pass_half(run, half, k)
        return float(each[-1] - each[0])

    def over(one: str, other: str, half: Half, k: int) -> Callable[[Look], Floats]:
        return lambda look: paired(look(one), look(other), lambda a, b: end(a, half, k) - end(b, half, k))

    def above(name: str, statement: str, other: str, claim: bool, at: str = "") -> Rule:
        one, two = f"{at}{RAPO}", f"{at}{other}"
        return Rule(
            name, statement, "claim" if claim else "ours", "above", 0.0, f"pass@{most}",
            over(one, two, "beyond", most), {one: "opens", two: "stays"}, {one: "stays", two: "opens"},
        )  # fmt: skip

    return (
        Rule(
            "the baseline learns",
            f"pass@1 on problems that do not need * rises by more than {LEARNED:g} under {baseline}",
            "instrument", "above", LEARNED, "pass@1",
            lambda look: np.array([gained(run, "within", 1) for run in look(baseline)]),
            {baseline: "sharpens"}, {baseline: "stays"},
        ),
        Rule(
            "a reverse KL stays within the support",
            f"pass@{most} on problems that need * rises by less than {CEILING:g} under a reverse KL at RAPO's rate: a "
            "ceiling to break",
            "instrument", "below", CEILING, f"pass@{most}",
            lambda look: np.array([gained(run, "beyond", most) for run in look(REVERSE)]),
            {REVERSE: "stays"}, {REVERSE: "opens"},
        ),
        Rule(
            "above the base's ceiling", f"RAPO's pass@{most} on problems that need * ends {RISE:g} above the base's",
            "claim", "above", RISE, f"pass@{most}",
            lambda look: np.array([gained(run, "beyond", most) for run in look(RAPO)]),
            {RAPO: "opens"}, {RAPO: "stays"},
        ),
        above("above the reverse KL", "... and above that of a reverse KL at the same rate", REVERSE, True),
        above("above the tuned baseline", f"... and above that of {baseline}, tuned as well", baseline, True),
        Rule(
            "what the base can do is kept",
            f"pass@{less} on problems that do not need * ends less than {MARGIN:g} below that of {baseline}",
            "claim", "above", -MARGIN, f"pass@{less}", over(RAPO, baseline, "within", less),
            {RAPO: "sharpens", baseline: "narrows"}, {RAPO: "narrows", baseline: "sharpens"},
        ),
        above(
            "more than its entropy", f"RAPO's pass@{most} on problems that need * ends above that of an entropy bonus "
            "alone which ends at RAPO's entropy", ENTROPY, False,
        ),
        Rule(
            "it learns", "RAPO's pass@1 on problems that do not need * ends above the base's", "ours", "above", 0.0,
            "pass@1", lambda look: np.array([gained(run, "within", 1) for run in look(RAPO)]),
            {RAPO: "sharpens"}, {RAPO: "stays"},
        ),
        above(
            "shallower hole: above the reverse KL", f"Where * was more frequent, RAPO's pass@{most} on problems that "
            "need it ends above that of a reverse KL", REVERSE, False, SHALLOW,
        ),
        above(
            "shallower hole: above the tuned baseline", f"... and above that of {baseline}", baseline, False, SHALLOW,
        ),
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
    answers, outside = int(base["answers"][0]), beyond(base)
    start = base["right"][0]
    end = {
        "stays": start,
        "opens": np.where(outside, max(1, answers // 8), start),
        "sharpens": np.where(outside, start, np.maximum(start, answers // 2)),
        "narrows": np.where(outside, start, np.where(np.cumsum(~outside) % 2, answers, 0)),
    }
    if script not in end:
        raise BadValue("script", script, f"one of {', '.join(end)}")
    run = scripted(base, "stays", tokens=float(config.token_budget))
    way = np.linspace(0.0, 1.0, len(run.tokens))[:, None]
    right = np.rint(start + way * (end[script] - start)).astype(np.int64)
    return Run(run.arm, run.seed, {**run.arrays, "right": right})
