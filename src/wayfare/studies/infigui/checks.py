"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

Accuracies are of the likeliest answer to held-out screens, asked as the arm was trained; all are paired over seeds.

Scripted:

    trapped   one slot, the decoy's, and groups of equal rewards
    adapts    long lists until it knows, then one slot
    sweeps    four slots everywhere: often a hit, seldom at first
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.studies import stated
from wayfare.studies.contract import Check
from wayfare.studies.infigui import Config
from wayfare.studies.infigui.plan import METHOD, Tuned, at_end
from wayfare.studies.language_checks import Look, Rule
from wayfare.studies.language_checks import check_of as _check_of
from wayfare.studies.language_runs import Run, Runs, scripted
from wayfare.studies.stated import Cast

__all__ = ["check_of", "player", "proposed_in_ignorance", "refuse_wrong_checks", "rules", "silent"]

Floats = NDArray[np.float64]
WRONG = 0.50
"""First slots right of hard screens that one answer stays below: there is a failure to cure."""
GAIN = 0.10
"""By how much more of them are to be right."""
MARGIN = 0.03
"""By how much easy screens may get worse."""
SHORT, LONG = 1.5, 3.0
"""Slots of a list, on average."""
SILENT = 0.80
"""Of groups of hard screens, the share with equal rewards: the trap."""
INFORMED = 0.5
"""By how much fewer groups of hard screens may have equal rewards."""
IGNORANT = 0.1
"""First slots right of an intent in a step, below which it is not known."""
EARLY = 30
"""Steps from the start."""

_SCRIPTS: Mapping[str, Mapping[str, float]] = {
    "trapped": {
        "hard/first": 0.0, "hard/any": 0.0, "hard/proposed": 1.0, "easy/first": 0.98, "easy/any": 0.98,
        "easy/proposed": 1.0, "equal": 0.95, "ignorance": 1.0,
    },
    "adapts": {
        "hard/first": 0.6, "hard/any": 0.9, "hard/proposed": 2.0, "easy/first": 0.98, "easy/any": 0.98,
        "easy/proposed": 1.0, "equal": 0.05, "ignorance": 4.0,
    },
    "sweeps": {
        "hard/first": 0.05, "hard/any": 0.9, "hard/proposed": 4.0, "easy/first": 0.85, "easy/any": 0.98,
        "easy/proposed": 4.0, "equal": 0.3, "ignorance": 4.0,
    },
}  # fmt: skip


def silent(run: Run, steps: int | None = EARLY) -> float:
    """Share of groups of hard screens whose rewards were all equal, in the first steps; NaN where there was none."""
    values = np.asarray(run.arrays.get("train/hard/equal", np.zeros(0)), np.float64)[:steps]
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def proposed_in_ignorance(config: Config, run: Run) -> float:
    """Slots proposed on average, over steps and hard intents whose first slot was right less often than `IGNORANT`."""
    found = [
        run[f"train/intent{intent}/num_pred"][run[f"train/intent{intent}/first_correct"] < IGNORANT]
        for intent in range(config.hard)
        if f"train/intent{intent}/num_pred" in run.arrays
    ]
    each = np.concatenate(found) if found else np.zeros(0)
    return float(each.mean()) if len(each) else float("nan")


def rules(config: Config, tuned: Tuned) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    one = tuned.baseline.name
    better, worse = {METHOD: "adapts", one: "trapped"}, {METHOD: "trapped", one: "adapts"}
    sweeping = {METHOD: "sweeps", one: "trapped"}

    def over(name: str, other: str | None = None) -> Callable[[Look], Floats]:
        return lambda look: np.array(
            [at_end(a, name) - at_end(b, other or name) for a, b in zip(look(METHOD), look(one), strict=True)]
        )

    def each(arm: str, value: Callable[[Run], float]) -> Callable[[Look], Floats]:
        return lambda look: np.array([value(run) for run in look(arm)])

    return (
        Rule(
            "one answer stays wrong",
            f"First slots of hard screens are right less often than {WRONG:.0%} in the end with {one}, the best of "
            "one answer: a failure to cure",
            "instrument", "below", WRONG, "accuracy", each(one, lambda run: at_end(run, "hard/first")),
            {one: "trapped"}, {one: "adapts"},
        ),
        Rule(
            "right where it was wrong",
            f"AEPO's first slot of hard screens is right {GAIN:.0%} of screens more often than that of {one}",
            "claim", "above", GAIN, "accuracy", over("hard/first"), better, sweeping,
        ),
        Rule(
            "no worse where it was right", f"On easy screens it is not {MARGIN:.0%} of screens less often right",
            "claim", "above", -MARGIN, "accuracy", over("easy/first"), better, sweeping,
        ),
        Rule(
            "short where it is right", f"AEPO's lists on easy screens are shorter than {SHORT:g} slots in the end",
            "claim", "below", SHORT, "slots", each(METHOD, lambda run: at_end(run, "easy/proposed")),
            {METHOD: "adapts"}, {METHOD: "sweeps"},
        ),
        Rule(
            "long where it fails",
            f"While the first slot of a hard intent is right less often than {IGNORANT:.0%}, lists are longer than "
            f"{LONG:g} slots on average",
            "ours", "above", LONG, "slots", each(METHOD, lambda run: proposed_in_ignorance(config, run)),
            {METHOD: "adapts"}, {METHOD: "trapped"},
        ),
        Rule(
            "one answer teaches nothing there",
            f"In the first {EARLY} steps the rewards of {SILENT:.0%} or more of the groups of hard screens are all "
            f"equal with {one}",
            "instrument", "above", SILENT, "share of groups", each(one, silent), {one: "trapped"}, {one: "adapts"},
        ),
        Rule(
            "failures teach too",
            f"In the first {EARLY} steps the share of hard groups with equal rewards is {INFORMED:g} lower than with "
            f"{one}",
            "instrument", "below", -INFORMED, "share of groups",
            lambda look: np.array([silent(a) - silent(b) for a, b in zip(look(METHOD), look(one), strict=True)]),
            better, worse,
        ),
        Rule(
            "a hit anywhere", f"AEPO's list has a hit {GAIN:.0%} of hard screens more often than {one} is right",
            "ours", "above", GAIN, "accuracy", over("hard/any", "hard/first"), better, worse,
        ),
        Rule(
            "any hit does not shorten",
            f"Paid the same for any hit, lists on easy screens are longer than {LONG:g} slots in the end",
            "ours", "above", LONG, "slots", each("any hit", lambda run: at_end(run, "easy/proposed")),
            {"any hit": "sweeps"}, {"any hit": "adapts"},
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
    if script not in _SCRIPTS:
        raise BadValue("script", script, f"one of {', '.join(_SCRIPTS)}")
    told = _SCRIPTS[script]
    run = scripted(base, "stays", tokens=float(config.token_budget))
    points = len(run.tokens)
    arrays = {
        f"probe/{way}/{name}": np.full(points, value)
        for way in ("single", "list")
        for name, value in told.items()
        if "/" in name
    }
    arrays["train/hard/equal"] = np.full(EARLY, told["equal"])
    for intent in range(config.hard):
        arrays[f"train/intent{intent}/num_pred"] = np.full(EARLY, told["ignorance"])
        arrays[f"train/intent{intent}/first_correct"] = np.zeros(EARLY)
    return Run(run.arm, run.seed, {**run.arrays, **arrays})
