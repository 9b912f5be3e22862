"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

Scripted, from where the base stands:

    learns     looks up both keys from half of the tokens on, and is right        late      the same at the very end
    overcalls  looks up all of them from half of the tokens on, and is right      guesses   the base itself

Thresholds are the design's, 0.5 of the first check is ours, and all were written down before any arm's result was
seen; they were kept after tuning seeds 100 and 101 at learning rate 3e-4, one rate of three (success at the end,
useless calls, thousand tokens until 0.8):

    GRPO, Dr.BoT       .968, 0.0, 329           0.68 after 245, 0.2 useless calls, when this was written
    SPEAR              .956, 1.0, 404           .985, 1.0, 378
    bonus that fades   .967, 1.0, 636           .940, 1.0, 762
    bonus that stays   .747, 3.0, not           not run

The baseline learns the tool by itself, sooner and without useless calls: the first check is expected to fail, and then
nothing is tested at this scale. The base was in its band, so that its task stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.studies import stated
from wayfare.studies.contract import Kind
from wayfare.studies.language_checks import Look, Rule, check_of, ends
from wayfare.studies.language_frontiers import restricted_times
from wayfare.studies.language_runs import Run, scripted
from wayfare.studies.spear import Config
from wayfare.studies.spear.plan import CONSTANT, FADING, SPEAR, Tuned
from wayfare.studies.stated import Cast

__all__ = ["TOOL", "USELESS", "check_of", "player", "refuse_wrong_checks", "rules"]

Floats = NDArray[np.float64]
TOOL, USELESS = "probe/tool", "probe/useless"
FAILS = 0.5
"""Success below which the tool has not been learned."""
MORE = 0.1
"""By how much success is to be higher."""
MOST = 0.8
"""Of the oracle's success, which is 1: what the time is measured to."""
FEW, MANY = 0.5, 1.5
"""Useless calls a conversation, of SPEAR at most and of a bonus that stays at least."""


def rules(config: Config, tuned: Tuned) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    baseline, budget = tuned.baseline.name, float(config.token_budget)

    def times(runs: Sequence[Run]) -> Floats:
        return restricted_times(runs, MOST, budget)

    def more(name: str, said: str, other: str, kind: Kind, threshold: float) -> Rule:
        return Rule(
            name, said, kind, "above", threshold, "success",
            lambda look: ends(look(SPEAR), "pass@1") - ends(look(other), "pass@1"),
            {SPEAR: "learns", other: "guesses"}, {SPEAR: "guesses", other: "learns"},
        )  # fmt: skip

    return (
        Rule(
            "the baseline does not learn the tool", f"Success of {baseline} ends below {FAILS:g}: a failure to cure",
            "instrument", "below", FAILS, "success", lambda look: ends(look(baseline), "pass@1"),
            {baseline: "guesses"}, {baseline: "learns"},
        ),
        more(
            "more success than the tuned baseline", f"SPEAR ends {MORE:g} above {baseline}", baseline, "claim", MORE
        ),
        Rule(
            "sooner than the bonus alone",
            f"Tokens until {MOST:.0%} of the answers are right, as a share of those of the bonus that fades, are fewer",
            "claim", "below", 1.0, "ratio of tokens", lambda look: times(look(SPEAR)) / times(look(FADING)),
            {SPEAR: "learns", FADING: "late"}, {SPEAR: "late", FADING: "learns"},
        ),
        Rule(
            "few useless calls", f"SPEAR's conversations end with {FEW:g} useless calls at most", "claim", "below", FEW,
            "calls", partial(_useless, SPEAR), {SPEAR: "learns"}, {SPEAR: "overcalls"},
        ),
        Rule(
            "a bonus that stays calls on", f"... those of the bonus that stays with {MANY:g} at least", "claim",
            "above", MANY, "calls", partial(_useless, CONSTANT), {CONSTANT: "overcalls"}, {CONSTANT: "learns"},
        ),
        more("more success than a bonus that stays", "SPEAR ends above it", CONSTANT, "ours", 0.0),
        more("more success than the bonus alone", "SPEAR ends above the bonus that fades", FADING, "ours", 0.0),
    )  # fmt: skip


def refuse_wrong_checks(config: Config, checked: Sequence[Rule], base: Run) -> None:
    """Put scripted players in the arms' places. Raises: BadValue as `stated.refuse_wrong_checks` does."""

    def value(rule: Rule, cast: Cast) -> float:
        return float(rule.measure(lambda arm: [player(config, base, cast[arm])]).mean())

    stated.refuse_wrong_checks(checked, value)


def player(config: Config, base: Run, script: str) -> Run:
    """A scripted player, see the module. Raises: BadValue for another script."""
    since = {"learns": 0.5, "late": 1.0, "overcalls": 0.5, "guesses": None}
    if script not in since:
        raise BadValue("script", script, f"one of {', '.join(since)}")
    run, when = scripted(base, "stays", tokens=float(config.token_budget)), since[script]
    told, points = dict(run.arrays), len(run.tokens)
    told[USELESS] = np.full(points, base[USELESS][0])
    if when is not None:
        known = np.linspace(0.0, 1.0, points) >= when
        told["pass"] = np.where(known[:, None], 1.0, told["pass"])
        told[USELESS] = np.where(known, 4.0 if script == "overcalls" else 0.0, told[USELESS])
    return replace(run, arrays=told)


def _useless(arm: str, look: Look) -> Floats:
    return ends(look(arm), USELESS)
