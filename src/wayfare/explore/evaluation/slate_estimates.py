"""What another slate policy would have earned, from a log of slates: estimates with intervals and what to doubt.

    log = SlateLog(tasks)
    print(estimate_slates(log, "dr"))            # assumption-free
    print(estimate_slates(log, "additive"))      # narrower, where the reward is a sum over the items shown
    print(additivity(log))                       # whether the log speaks against that

With the weights w of `slates`, (1) for the first three:

    ips         mean of w r                        snips       sum of w r / sum of w
    dr          mean of m'(x) + w (r - m(x, S))    additive, item   mean of w r
    additive-dr as dr, with the weights (2)

The model m is a ridge regression of the reward on the mean features of the items shown, beside those of all candidates.
It is that simple for a reason: only of a model that is additive over the items is the expectation m' under a slate
policy known in closed form, from inclusion chances alone; any other needs the sum over all C(n, k) slates. It is fitted
on other folds than it predicts, and a wrong one costs width, not bias. Being additive, it leaves (2) exact.

The value is of the tasks with an outcome. Those without are not zero: `worst` is what the estimate were if all of them
had been worth 0, and all 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import compress
from statistics import NormalDist
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.explore.evaluation import intervals
from wayfare.explore.evaluation.diagnostics import effective_sample_size, mean_and_z
from wayfare.explore.evaluation.estimators import Terms, ips, self_normalised_ips
from wayfare.explore.evaluation.evaluate import FEW, SURE, Estimate, Interval
from wayfare.explore.evaluation.reward_models import Ridge, deal
from wayfare.explore.evaluation.slates import SlateLog

__all__ = ["Additivity", "SlateEstimate", "SlateEstimator", "additivity", "estimate_slates"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SlateEstimator = Literal["ips", "snips", "dr", "additive", "additive-dr", "item"]

ADDITIVE, MODELLED = ("additive", "additive-dr"), ("dr", "additive-dr")
MOST_MISSING = 0.01
"""Of the target's mass: what the log may lack."""
UNEQUAL = 0.01
"""Level at which credited shares that differ by side are told."""


@dataclass(frozen=True)
class SlateEstimate(Estimate):
    """What a slate policy would have earned per task. As `Estimate`, with tasks for decisions;

    no_overlap: the target's mass without support, at most 1 %        calibration: None
    left_out: tasks with several recalls, which 'additive' does not see
    credited: of each side, tasks with an outcome and all tasks
    worst: the value if every task without an outcome had been worth 0, and 1
    gain: the value less what the log earned in the same tasks, and its normal interval, paired by task
    """

    left_out: int
    credited: dict[str, tuple[int, int]]
    worst: tuple[float, float]
    gain: tuple[float, float, float]

    def __str__(self) -> str:
        shares = ", ".join(f"{side} {known:,} of {of_all:,}" for side, (known, of_all) in self.credited.items())
        return (
            super().__str__() + f"\ntasks with an outcome: {shares}; if the others were worth 0 or 1: "
            f"{self.worst[0]:.4g} to {self.worst[1]:.4g}"
            f"\nmore than the log earned: {self.gain[0]:.4g} [{self.gain[1]:.4g}, {self.gain[2]:.4g}]"
        )


@dataclass(frozen=True)
class Additivity:
    """Paired difference of the assumption-free and the additive estimate, over tasks with one recall.

    low, high: its interval        z: in standard errors        p: of a difference at least so large, were there none
    """

    difference: float
    low: float
    high: float
    z: float
    p: float
    n: int

    def __str__(self) -> str:
        told = "speaks against" if self.p < 0.05 else "does not speak against"
        return (
            f"the log {told} an additive reward: difference {self.difference:.4g} "
            f"[{self.low:.4g}, {self.high:.4g}], p = {self.p:.3g}, {self.n:,} tasks"
        )


def estimate_slates(
    log: SlateLog,
    estimator: SlateEstimator = "dr",
    interval: Interval = "normal",
    *,
    level: float = 0.95,
    max_weight: float | None = None,
    ridge: float = 1.0,
    folds: int = 5,
    draws: int = 2000,
    seed: int = 0,
) -> SlateEstimate:
    """What the target of the log would have earned per task, in the situations of the log.

    estimator: 'ips', 'snips', 'dr' assume nothing of the reward; 'additive', 'additive-dr' that it is a sum of the
    items shown; 'item' that what fell to an item would have fallen to it in any slate
    interval: over tasks. 'anytime' is for 'ips' alone and needs no bound of the weights; 'bernstein' needs one
    max_weight: for 'bernstein', a weight that cannot be exceeded, in absolute value
    ridge, folds: of the reward model of 'dr' and 'additive-dr'        draws: of the bootstrap

    Raises: BadValue where more than 1 % of the target's mass lies where the log never goes, for fewer than 2 tasks
    with an outcome, and for an interval that does not hold for an estimator.
    """
    if estimator not in get_args(SlateEstimator):
        raise BadValue("estimator", estimator, f"one of {', '.join(get_args(SlateEstimator))}")
    if interval not in get_args(Interval):
        raise BadValue("interval", interval, f"one of {', '.join(get_args(Interval))}")
    _refuse_pairs(estimator, interval, max_weight)
    weights, missing, largest = _weights(log, estimator)
    fits = log.single if estimator in ADDITIVE else np.ones(len(log), bool)
    if not fits.any():
        raise BadValue("log", "no task with one recall", "tasks with one recall, or estimator 'dr' or 'item'")
    lost = float(missing[fits].mean())
    if lost > MOST_MISSING:
        raise BadValue(*_no_support(estimator, lost))
    used = fits & log.credited
    if used.sum() < 2:
        raise BadValue("log", f"{int(used.sum())} tasks with an outcome", "at least 2")
    choices: dict[str, Any] = {"estimator": estimator, "interval": interval}
    model: tuple[Floats, Floats] | None = None
    if estimator in MODELLED:
        folds = min(folds, int(used.sum()))
        model = _cross_fitted(log, ridge, folds, seed)
        choices |= {"model": f"Ridge({ridge:g}), additive over items, {log.width} features", "folds": folds}
    terms = _terms(estimator, weights, log.rewards, model, used)
    if interval == "normal":
        low, high = intervals.normal(terms, level)
    elif interval == "bootstrap":
        low, high = intervals.bootstrap(terms, level, draws=draws, seed=seed)
        choices |= {"bootstrap": "bca", "draws": draws}
    elif interval == "bernstein":
        assert max_weight is not None
        bound = float(np.abs(weights[used]).max())
        if bound > max_weight:
            raise BadValue("max_weight", max_weight, f"at least {bound:g}, the largest weight of the log")
        lowest = -max_weight if estimator == "additive" else 0.0
        low, high = intervals.empirical_bernstein(terms.numerator, lowest, max_weight, level)
        choices["weights at most"] = max_weight
    else:
        lows, highs = intervals.off_policy_sequence(weights[used], log.rewards[used], (0.0, 1.0), level)
        low, high = float(lows[-1]), float(highs[-1])
    choices["seed"] = seed
    ends = [
        _terms(estimator, weights, np.where(log.credited, log.rewards, end), model, fits).value for end in (0.0, 1.0)
    ]
    mean_weight = mean_and_z(weights[used], 1.0)
    told = SlateEstimate(
        value=terms.value, low=low, high=high, level=level, n=int(used.sum()),
        waiting=int((fits & ~log.credited).sum()), logged=float(log.rewards[used].mean()),
        effective_sample_size=effective_sample_size(weights[used]),
        largest_weight=float(largest[used].max()), mean_weight=mean_weight[0], no_overlap=lost, calibration=None,
        choices=choices, cautions=(), left_out=int((~fits).sum()), credited=log.credited_by_side(),
        worst=(min(ends), max(ends)), gain=_gain(terms, log.rewards[used], level),
    )  # fmt: skip
    return SlateEstimate(**{**vars(told), "cautions": _cautions(told, estimator, mean_weight)})


def additivity(log: SlateLog, *, level: float = 0.95, ridge: float = 1.0, folds: int = 5, seed: int = 0) -> Additivity:
    """Whether (1) and (2) agree: the mean of (w_slate - w_additive) (r - m), paired by task.

    The model m is additive, so that both weights have the same mean of it, and it only takes noise away.

    Raises: BadValue for fewer than 2 credited tasks with one recall, and where the target lacks support.
    """
    used = log.single & log.credited
    if used.sum() < 2:
        raise BadValue("log", f"{int(used.sum())} credited tasks with one recall", "at least 2")
    for name in ("ips", "additive"):
        lost = float(_weights(log, name)[1][log.single].mean())
        if lost > MOST_MISSING:
            raise BadValue(*_no_support(name, lost))
    drawn, _ = _cross_fitted(log, ridge, min(folds, int(used.sum())), seed)
    paired = (log.slate_weights[used] - log.additive_weights[used]) * (log.rewards[used] - drawn[used])
    low, high = intervals.normal(Terms(paired, np.ones_like(paired)), level)
    mean, z = mean_and_z(paired)
    return Additivity(mean, low, high, z, 2.0 * NormalDist().cdf(-abs(z)) if math.isfinite(z) else 0.0, len(paired))


def _gain(terms: Terms, rewards: Floats, level: float) -> tuple[float, float, float]:
    gain = terms.value - float(rewards.mean())
    paired = gain + terms.influence - (rewards - rewards.mean())  # of mean `gain`
    return gain, *intervals.normal(Terms(paired, np.ones_like(paired)), level)


def _refuse_pairs(estimator: str, interval: str, max_weight: float | None) -> None:
    if interval == "anytime" and estimator != "ips":
        raise BadValue("estimator", estimator, "'ips' for interval='anytime'")
    if interval == "bernstein" and estimator in ("snips", *MODELLED):
        raise BadValue("estimator", estimator, "'ips', 'additive' or 'item' for interval='bernstein'")
    if interval == "bernstein" and not (max_weight is not None and max_weight > 0):
        raise BadValue("max_weight", max_weight, "a bound above 0 on the weights, for interval='bernstein'")
    if interval != "bernstein" and max_weight is not None:
        raise BadValue("max_weight", max_weight, "left out: only interval='bernstein' takes it")


def _weights(log: SlateLog, estimator: str) -> tuple[Floats, Floats, Floats]:
    """Weights, the target's mass without support, and the weights of which the largest is told; each [N]."""
    if estimator in ADDITIVE:
        return log.additive_weights, log.additive_missing, np.abs(log.additive_weights)
    if estimator == "item":
        return log.item_weights, log.item_missing, log.item_largest
    return log.slate_weights, log.slate_missing, log.slate_weights


def _no_support(estimator: str, lost: float) -> tuple[str, str, str]:
    instead = {
        **dict.fromkeys(ADDITIVE, "'item' needs only that each item can be shown"),
        "item": "let the logging policy explore, by a share of sampled slates",
    }.get(estimator, "'item' and 'additive' need only that items can be shown")
    allowed = f"one with at most 1 % of its mass where the log never goes ({instead})"
    return "target", f"{100 * lost:.1f} %", allowed


def _cross_fitted(log: SlateLog, ridge: float, folds: int, seed: int) -> tuple[Floats, Floats]:
    """m(x, S) as drawn and m'(x) under the target, [N] each, each by a model of the other folds."""
    drawn, expected = log.model_rows
    fold = np.zeros(len(log), np.int64)  # tasks without an outcome teach no model: any will do for them
    fold[log.credited] = deal(_Named(tuple(compress(log.ids, log.credited))), folds, seed)
    model, found = Ridge(ridge), np.zeros((2, len(log)))
    for k in range(folds):
        here, there = fold == k, (fold != k) & log.credited
        wanted = np.vstack([drawn[here], expected[here]])
        same = np.zeros(int(there.sum()), np.int64)
        told = model.predictions(drawn[there], same, log.rewards[there], wanted, 1)[:, 0]
        found[:, here] = told.reshape(2, -1)  # as they are: clipped, m' would not be the expectation of m
    return found[0], found[1]


@dataclass(frozen=True)
class _Named:
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


def _terms(estimator: str, weights: Floats, rewards: Floats, model: tuple[Floats, Floats] | None, used: Bools) -> Terms:
    if estimator == "snips":
        return self_normalised_ips(weights[used], rewards[used])
    if model is None:
        return ips(weights[used], rewards[used])
    drawn, expected = model
    numerator = expected[used] + weights[used] * (rewards[used] - drawn[used])
    return Terms(numerator, np.ones_like(numerator))


def _cautions(told: SlateEstimate, estimator: str, mean: tuple[float, float]) -> tuple[str, ...]:
    found = []
    if estimator in ADDITIVE:
        found.append("right only where the reward is a sum over the items shown; `additivity` tests that")
    if estimator == "item":
        found.append("right only where what fell to an item would have fallen to it beside any others")
    if told.effective_sample_size is not None and told.effective_sample_size < FEW:
        found.append(f"an effective sample size below {FEW}: a handful of tasks decides")
    if estimator != "item" and abs(mean[1]) > SURE:
        found.append(
            f"the mean weight is {mean[0]:.3g}, not 1 (z = {mean[1]:.1f}): wrong propensities, or slates are missing"
        )
    if told.waiting:
        found.append(f"{told.waiting:,} tasks had no outcome: fair only if that has nothing to do with how they went")
    known = np.array([pair[0] for pair in told.credited.values()], np.float64)
    every = np.array([pair[1] for pair in told.credited.values()], np.float64)
    if told.waiting and len(known) > 1 and _unequal(known, every):
        shares = ", ".join(f"{side} {100 * a / b:.0f} %" for side, (a, b) in told.credited.items())
        found.append(f"outcomes are reported more often for one side than another ({shares})")
    return tuple(found)


def _unequal(known: Floats, every: Floats) -> bool:
    """The two sides that differ most, by a z-test with as many looks as there are pairs."""
    whole = float(known.sum() / every.sum())
    z = 0.0
    for i in range(len(known)):
        for j in range(i):
            error = math.sqrt(whole * (1 - whole) * (1 / every[i] + 1 / every[j]))
            z = max(z, abs(float(known[i] / every[i] - known[j] / every[j])) / error)
    pairs = len(known) * (len(known) - 1) / 2
    return z > NormalDist().inv_cdf(1 - UNEQUAL / 2 / pairs)
