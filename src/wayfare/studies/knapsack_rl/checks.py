"""The checks of the study, their thresholds, and the scripted players that prove each check can pass and can fail.

Thresholds stand here, were written after two tuning seeds and before any other, and have not moved since.

`taught` is the share of answers drawn after the first epoch that stand in groups with both outcomes; prompts count once
each in `prompts taught`. All are paired over seeds.

Scripted, with pass@1 from where the base stands, and chances of success spread as Beta(0.5, 3), like a base's:

    equal   equal groups, whose chances stay what they are        share   the exact knapsack of the chances; it learns
    all     every answer teaches, one prompt gets the most that is allowed; it learns
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.explore.budgets import Effective, allocate_knapsack, effective_share, uniform
from wayfare.studies import stated
from wayfare.studies.contract import Check
from wayfare.studies.knapsack_rl import Config
from wayfare.studies.knapsack_rl.allocation import MIXES, drawn
from wayfare.studies.knapsack_rl.plan import Tuned, first_epoch
from wayfare.studies.language_checks import Look, Rule, ends
from wayfare.studies.language_checks import check_of as _check_of
from wayfare.studies.language_frontiers import paired, restricted_times
from wayfare.studies.language_runs import Run, Runs, scripted
from wayfare.studies.stated import Cast

__all__ = ["check_of", "largest", "player", "refuse_wrong_checks", "rules", "taught", "taught_prompts"]

Floats = NDArray[np.float64]
WASTE = 0.25
"""Of equal groups' answers, how many teach nothing at least: there is a failure to cure."""
GAIN = 0.10
"""By what share more answers are to teach: half of the least that is published."""
MARGIN = 0.02
"""By how much pass@1 may be lower."""
RISE = 0.08
"""Of pass@1 above the base's: how soon it is reached is compared; 0.05 is, while all budgets are still equal."""
STEPS = 64
"""Of a scripted player."""
NONE = 1e-6
"""Share of a run of a few steps, in which nothing may teach."""


def taught(config: Config, run: Run) -> float:
    """Share of answers in groups with both outcomes, once prompts are known."""
    return _after(config, run, "train/groups/taught")


def taught_prompts(config: Config, run: Run) -> float:
    """Share of prompts whose groups have both."""
    return 1.0 - _after(config, run, "train/frac_reward_zero_std")


def largest(config: Config, run: Run) -> float:
    """Answers of a step's largest group, in units of the mean."""
    return _after(config, run, "train/groups/largest") / config.answers


def rules(config: Config, tuned: Tuned) -> tuple[Rule, ...]:
    """The checks that a run of `config` is put to."""
    baseline, simple = tuned.baseline.name, "proportional to p (1 - p)"

    def over(one: str, other: str, measure: Callable[[Run], float]) -> Callable[[Look], Floats]:
        return lambda look: np.array([measure(a) - measure(b) for a, b in zip(look(one), look(other), strict=True)])

    def gain(one: Run, other: Run) -> float:
        return (share(one) - share(other)) / max(share(other), NONE)

    share, prompts, groups = partial(taught, config), partial(taught_prompts, config), partial(largest, config)
    better, worse = {"knapsack": "share", baseline: "equal"}, {"knapsack": "equal", baseline: "share"}
    return (
        Rule(
            "equal groups waste answers",
            f"Once prompts are known, {WASTE:.0%} or more of the answers of equal groups ({baseline}) stand in groups "
            "of equal rewards: a failure to cure",
            "instrument", "above", WASTE, "share of answers",
            lambda look: np.array([1.0 - share(run) for run in look(baseline)]),
            {baseline: "equal"}, {baseline: "all"},
        ),
        Rule(
            "more answers teach",
            f"The knapsack's share of answers in groups with both outcomes is a tenth above that of {baseline}",
            "claim", "above", GAIN, "gain, as a share",
            lambda look: paired(look("knapsack"), look(baseline), gain), better, worse,
        ),
        Rule(
            "no worse at equal tokens", f"Held-out pass@1 is not {MARGIN:g} below that of {baseline} in the end",
            "claim", "above", -MARGIN, "pass@1",
            lambda look: ends(look("knapsack"), "pass@1") - ends(look(baseline), "pass@1"), better, worse,
        ),
        Rule(
            "sooner",
            f"pass@1 of {RISE:g} above the base is reached with fewer tokens; who never reaches it counts in full",
            "claim", "below", 0.0, "share of the budget",
            lambda look: _times(config, look("knapsack")) - _times(config, look(baseline)), better, worse,
        ),
        Rule(
            "budget is moved", "A step's largest group is twice the mean or more", "instrument", "above", 2.0,
            "times the mean", lambda look: np.array([groups(run) for run in look("knapsack")]),
            {"knapsack": "all"}, {"knapsack": "equal"},
        ),
        Rule(
            "few prompts are given up", "Of prompts, the share whose groups have both outcomes falls by 0.05 at most",
            "ours", "above", -0.05, "share of prompts", over("knapsack", baseline, prompts),
            {"knapsack": "all", baseline: "equal"}, {"knapsack": "equal", baseline: "all"},
        ),
        Rule(
            "the knapsack above the simple rule: teaching",
            "More answers teach than with n in proportion to p (1 - p)", "ours", "above", 0.0, "share of answers",
            over("knapsack", simple, share), {"knapsack": "share", simple: "equal"},
            {"knapsack": "equal", simple: "share"},
        ),
        Rule(
            "the knapsack above the simple rule: pass@1", "... and held-out pass@1 is higher in the end", "ours",
            "above", 0.0, "pass@1", over("knapsack", simple, partial(Run.end, name="pass@1")),
            {"knapsack": "share", simple: "equal"}, {"knapsack": "equal", simple: "share"},
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
    p, _ = drawn(*MIXES["Beta(0.5, 3)"], config.seed)
    equal = uniform(len(p), config.answers * len(p))
    exact = allocate_knapsack(p, config.answers * len(p), config.n_low, config.n_up)
    by: dict[str, tuple[bool, Effective, float]] = {
        "equal": (False, effective_share(p, equal), float(config.answers)),
        "share": (True, effective_share(p, exact), float(exact.max())),
        "all": (True, Effective(1.0, 1.0), float(config.n_up)),
    }
    if script not in by:
        raise BadValue("script", script, f"one of {', '.join(by)}")
    learns, share, most = by[script]
    run = scripted(base, "sharpens" if learns else "stays", tokens=float(config.token_budget))
    told = {"groups/taught": share.samples, "frac_reward_zero_std": 1.0 - share.tasks, "groups/largest": most}
    steps = first_epoch(config) + STEPS
    return Run(run.arm, run.seed, {**run.arrays, **{f"train/{name}": np.full(steps, x) for name, x in told.items()}})


def _times(config: Config, runs: Sequence[Run]) -> Floats:
    """[S] tokens until the base's pass@1 + `RISE`, as a share of the budget."""
    each = [restricted_times([run], float(run.pass_at(1)[0]) + RISE, config.token_budget) for run in runs]
    return np.concatenate(each) / config.token_budget


def _after(config: Config, run: Run, name: str) -> float:
    """Mean over the steps behind the first epoch; over the last one where the run ended before."""
    values = np.asarray(run[name], np.float64)
    return float(values[min(first_epoch(config), len(values) - 1) :].mean())
