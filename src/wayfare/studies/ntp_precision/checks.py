"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

Priors are looked at where learning begins: entropy and loss at the tokens of unseen traces, temperature 1. Of tuning
seed 100 cross-entropy has a loss of .304 nats, an entropy of .312, 17 % malformed answers and pass@1 of .081; beta =
-0.25 has .307, .272, 10 % and .090. Learning is compared as the claim has it, by sign; only what pass@k may lose is a
number of ours.

Scripted, from where the base stands:

    sharp      nine tenths of its entropy; every other answer is right in the end
    usual      the base itself, every fifth answer malformed        tidy     the base itself, no answer malformed
    wide       eleven tenths of its entropy                         astray   its perplexity is a quarter higher
    fallen     no answer is right in the end
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.studies import stated
from wayfare.studies.contract import Check, Kind
from wayfare.studies.language_checks import Look, Rule, ends
from wayfare.studies.language_checks import check_of as _check_of
from wayfare.studies.language_frontiers import paired
from wayfare.studies.language_runs import Run, Runs, scripted
from wayfare.studies.ntp_precision import Config
from wayfare.studies.ntp_precision.plan import BASELINE, BROAD, MATCHED, PLAIN, PRECISE
from wayfare.studies.stated import Cast

__all__ = ["at_start", "check_of", "perplexity", "player", "refuse_wrong_checks", "rules"]

Floats = NDArray[np.float64]
TAIL = 0.03
"""Of the answers of the cross-entropy prior, how many are malformed at least: there is a tail to suppress."""
TURNED = 0.02
"""Of the entropy of cross-entropy, by how much each of the others differs at least, on its own side."""
CLOSE = 0.03
"""By what share perplexities may differ."""
MARGIN = 0.05
"""By how much the highest pass@k may be lower."""


def at_start(run: Run, name: str) -> float:
    """A measure of the prior."""
    return float(run.measure(name)[0])


def perplexity(run: Run) -> float:
    """Of the prior, on unseen traces."""
    return float(np.exp(at_start(run, "probe/prior/loss")))


def rules(config: Config, baseline: str) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to. baseline: what was chosen for the tuned one, in words"""
    most, entropy = config.ks[-1], "probe/prior/entropy"

    def above(name: str, said: str, one: str, other: str, kind: Kind, lead: float = 0.0, k: int = 1) -> Rule:
        return Rule(
            name, said, kind, "above", lead, f"pass@{k}",
            lambda look: ends(look(one), f"pass@{k}") - ends(look(other), f"pass@{k}"),
            {one: "sharp", other: "usual"}, {one: "fallen", other: "sharp"},
        )  # fmt: skip

    def turned(look: Look) -> Floats:
        each = zip(look(PRECISE), look(PLAIN), look(BROAD), strict=True)
        found = [[at_start(run, entropy) for run in some] for some in each]
        return np.array([min(b - a, c - b) / b for a, b, c in found])

    def apart(look: Look) -> Floats:
        def one(a: Run, b: Run) -> float:
            return abs(perplexity(a) / perplexity(b) - 1.0)

        return np.maximum(*(paired(look(name), look(PLAIN), one) for name in (PRECISE, BROAD)))

    return (
        Rule(
            "there is a tail", f"Of the answers of the cross-entropy prior {TAIL:.0%} or more are malformed: "
            "probability that precision could take away",
            "instrument", "above", TAIL, "share of answers",
            lambda look: np.array([at_start(run, "malformed") for run in look(PLAIN)]),
            {PLAIN: "usual"}, {PLAIN: "tidy"},
        ),
        Rule(
            "the shape turns entropy",
            f"On unseen traces beta = {config.precise:g} has an entropy {TURNED:.0%} below that of cross-entropy, "
            f"beta = {config.broad:g} one as far above",
            "instrument", "above", TURNED, "share of the entropy", turned,
            {PRECISE: "sharp", PLAIN: "usual", BROAD: "wide"}, {PRECISE: "wide", PLAIN: "usual", BROAD: "sharp"},
        ),
        Rule(
            "equally good predictors", f"The perplexities of all three lie within {CLOSE:.0%} of that of cross-entropy",
            "instrument", "below", CLOSE, "share of the perplexity", apart,
            {PRECISE: "sharp", PLAIN: "usual", BROAD: "wide"}, {PRECISE: "astray", PLAIN: "usual", BROAD: "wide"},
        ),
        above("a sharper prior ends higher",
              f"After learning, beta = {config.precise:g} is above cross-entropy at the same rate", PRECISE, PLAIN,
              "claim"),
        above("above the tuned baseline", f"... and above cross-entropy, tuned as well ({baseline})", PRECISE, BASELINE,
              "claim"),
        above("a broader prior ends lower", f"After learning, beta = {config.broad:g} is below cross-entropy",
              PLAIN, BROAD, "claim"),
        above("more than a temperature", "The sharper prior is above cross-entropy with a temperature at which it is "
              "as sharp", PRECISE, MATCHED, "ours"),
        above("coverage is kept", f"Its pass@{most} is not {MARGIN:g} below that of cross-entropy", PRECISE, PLAIN,
              "ours", -MARGIN, most),
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
    by: dict[str, Callable[[dict[str, Floats]], None]] = {
        "usual": lambda told: None,
        "tidy": lambda told: told.update({"malformed": 0.0 * told["malformed"]}),
        "sharp": lambda told: _scaled(told, 0.9),
        "wide": lambda told: _scaled(told, 1.1),
        "astray": lambda told: told.update({"probe/prior/loss": told["probe/prior/loss"] + np.log(1.25)}),
        "fallen": lambda told: told.update({"pass": told["pass"] * np.linspace(1, 0, len(told["pass"]))[:, None]}),
    }
    if script not in by:
        raise BadValue("script", script, f"one of {', '.join(by)}")
    run = scripted(base, "sharpens" if script == "sharp" else "stays", tokens=float(config.token_budget))
    points = len(run.tokens)
    probed = {name: np.repeat(base[name][:1], points) for name in ("probe/prior/loss", "probe/prior/entropy")}
    told = {**run.arrays, **probed, "malformed": np.full(points, 0.2)}
    by[script](told)
    return replace(run, arrays=told)


def _scaled(told: dict[str, Floats], by: float) -> None:
    told["probe/prior/entropy"] = by * told["probe/prior/entropy"]
