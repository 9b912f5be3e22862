"""One call from a log and a policy to what the policy would have earned, with an interval and what to doubt.

    estimate = evaluate(log, target)                                        # doubly robust, normal interval
    estimate = evaluate(log, target, estimator="ips", interval="anytime", reward_range=(0, 1))     # to look at daily
    print(estimate)

The value is the mean reward per decision in the situations of the log. `estimators` and `intervals` say what each is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.errors import BadValue
from wayfare.explore.evaluation import estimators, intervals
from wayfare.explore.evaluation.diagnostics import (
    Calibration,
    calibration,
    effective_sample_size,
    mean_and_z,
    no_overlap,
)
from wayfare.explore.evaluation.log import DecisionLog
from wayfare.explore.evaluation.reward_models import Regressor, Ridge, cross_fitted, deal
from wayfare.explore.evaluation.targets import Target, probabilities, refuse_method

__all__ = ["Estimate", "Estimator", "Interval", "evaluate"]

Floats = NDArray[np.float64]
Estimator = Literal["ips", "snips", "dm", "dr", "switch-dr"]
Interval = Literal["normal", "bootstrap", "bernstein", "anytime"]

TITLES = {
    "ips": "inverse propensity weighting",
    "snips": "self-normalised inverse propensity weighting",
    "dm": "direct method",
    "dr": "doubly robust",
    "switch-dr": "SWITCH, doubly robust",
    "additive": "pseudo-inverse, of slates whose items add up",
    "additive-dr": "doubly robust pseudo-inverse, of slates whose items add up",
    "item": "shares of single items",
}
FEW, SURE = 100, 4.0
"""Effective sample size, and |z|, beyond which an estimate carries a caution."""


@dataclass(frozen=True)
class Estimate:
    """What a policy would have earned per decision.

    value, low, high: in the unit of the rewards        level: of the interval
    n: rows of the log        waiting: decisions whose reward is not known yet
    logged: mean reward of the policy that wrote the log
    effective_sample_size, largest_weight, mean_weight: of the weights before clipping; None without propensities
    no_overlap: share of contexts in which the target may do what the log shows to be impossible
    calibration: of the log's propensities; None without
    choices: estimator, interval, clip, switch, folds, seed, ...: enough to do it again
    cautions: what to doubt, in words; empty where nothing is known
    """

    value: float
    low: float
    high: float
    level: float
    n: int
    waiting: int
    logged: float
    effective_sample_size: float | None
    largest_weight: float | None
    mean_weight: float | None
    no_overlap: float
    calibration: Calibration | None
    choices: dict[str, Any]
    cautions: tuple[str, ...]

    def __str__(self) -> str:
        name, how = TITLES[self.choices["estimator"]], self.choices["interval"]
        lines = [
            f"{self.value:.4g}, {100 * self.level:g} % interval {self.low:.4g} to {self.high:.4g} ({name}, {how})",
            f"{self.n:,} decisions, {self.waiting:,} without a reward; the log itself earned {self.logged:.4g}",
        ]
        if self.effective_sample_size is not None:
            lines.append(
                f"effective sample size {self.effective_sample_size:,.0f}, largest weight {self.largest_weight:.3g}, "
                f"mean weight {self.mean_weight:.3g}, contexts without overlap {100 * self.no_overlap:.1f} %"
            )
        if self.calibration is not None:
            lines.append(str(self.calibration))
        rest = {name: value for name, value in self.choices.items() if name not in ("estimator", "interval")}
        lines.append(", ".join(f"{name} {value}" for name, value in rest.items() if value is not None))
        return "\n".join([line for line in lines if line] + [f"caution: {caution}" for caution in self.cautions])


def evaluate(
    log: DecisionLog,
    target: Target,
    estimator: Estimator = "dr",
    interval: Interval = "normal",
    *,
    level: float = 0.95,
    scores: ArrayLike | None = None,
    reward_range: tuple[float, float] | None = None,
    clip: float | None = None,
    switch: float | None = None,
    max_weight: float | None = None,
    model: Ridge | Regressor | ArrayLike | None = None,
    folds: int = 5,
    bootstrap: Literal["bca", "percentile"] = "bca",
    draws: int = 2000,
    estimated: bool = False,
    seed: int = 0,
) -> Estimate:
    """What `target` would have earned per decision in the situations of the log.

    target: [N, A] probabilities, an action rule with its scores, or a function from contexts [N, D] to [N, A]
    scores: [N, A], for an action rule
    reward_range: (lowest, highest) reward that can come; for 'bernstein' and 'anytime'. Predictions are kept in it
    clip: no weight counts for more (ips, snips, dr); None: as they are
    switch: tau of 'switch-dr'; None: chosen from the log, and recorded
    max_weight: for 'bernstein', a weight that cannot be exceeded: the target's largest chance over the smallest
    propensity that the logging policy can give, not the largest weight seen. A clip or a switch serves as one
    model: reward model of dm, dr and switch-dr: a `Ridge`, anything with fit(X, y) and predict(X), or your own
    predictions [N, A], made without each row's own reward; None: `Ridge()`
    folds: of the cross-fitting        bootstrap, draws: of the interval 'bootstrap'
    estimated: accept propensities that were estimated from samples

    Raises: BadValue for a log without the propensities that an estimator needs, a policy that learns, one that the log
    says nothing of (weight 0 in every row), an interval that does not hold for an estimator, and every argument out of
    range.
    """
    _one_of("estimator", estimator, get_args(Estimator))
    _one_of("interval", interval, get_args(Interval))
    _refuse_pairs(estimator, interval, reward_range, clip, switch, max_weight)
    table = probabilities(log, target, scores=scores, estimated=estimated)
    _check_range(log, reward_range)
    weights = None
    if log.propensities is not None:
        weights = estimators.importance_weights(table, log.actions, log.propensities)
    if estimator != "dm":
        if log.propensities is None:
            raise BadValue("propensities", None, "in the log for this estimator; without them use estimator='dm'")
        refuse_method("log", log.propensity_method, estimated)
        if weights is not None and not weights.any() and interval in ("normal", "bootstrap"):
            rule = "a policy that may take an action that the log took; estimator='dm' trusts a reward model instead"
            raise BadValue("target", "weight 0 in every row", rule)
    choices: dict[str, Any] = {"estimator": estimator, "interval": interval}
    predicted: Floats | None = None
    fitted = False
    if estimator in ("dm", "dr", "switch-dr"):
        predicted, about, fitted = _predicted(log, model, folds, seed, reward_range)
        choices |= about
    used = weights
    if clip is not None and weights is not None and estimator != "dm":
        used = estimators.clip_weights(weights, clip)
        choices["clip"] = clip
    if estimator == "switch-dr" and weights is not None and predicted is not None:
        low, high = reward_range or (float(log.rewards.min()), float(log.rewards.max()))
        choices["switch chosen"] = "by the caller" if switch is not None else "from the log"
        if switch is None:
            switch = estimators.switch_threshold(weights, log.rewards, log.actions, table, predicted, high - low)
        choices["switch"] = switch
    terms = _terms(estimator, log, table, used, predicted, switch)
    if interval == "normal":
        low, high = intervals.normal(terms, level)
    elif interval == "bootstrap":
        low, high = intervals.bootstrap(terms, level, kind=bootstrap, draws=draws, seed=seed)
        choices |= {"bootstrap": bootstrap, "draws": draws}
    elif interval == "bernstein":
        assert weights is not None and reward_range is not None
        bound = _bound(weights, clip, switch if estimator == "switch-dr" else None, max_weight)
        ends = _range_of_terms(estimator, reward_range, bound)
        groups = deal(log, folds, seed) if fitted else None
        low, high = intervals.empirical_bernstein(terms.numerator, *ends, level, groups=groups)
        low, high = max(low, reward_range[0]), min(high, reward_range[1])
        choices |= {"reward range": reward_range, "weights at most": bound}
    else:
        assert used is not None and reward_range is not None
        lows, highs = intervals.off_policy_sequence(used, log.rewards, reward_range, level)
        low, high = float(lows[-1]), float(highs[-1])
        choices["reward range"] = reward_range
    choices["seed"] = seed
    mean_weight = None if weights is None else mean_and_z(weights, 1.0)
    told = Estimate(
        value=terms.value, low=low, high=high, level=level, n=len(log), waiting=log.waiting,
        logged=float(log.rewards.mean()),
        effective_sample_size=None if weights is None else effective_sample_size(weights),
        largest_weight=None if weights is None else float(weights.max()),
        mean_weight=None if mean_weight is None else mean_weight[0],
        no_overlap=no_overlap(log, table), calibration=calibration(log), choices=choices, cautions=(),
    )  # fmt: skip
    cautions = _cautions(told, log, weights, mean_weight, choices)
    return Estimate(**{**vars(told), "cautions": cautions})


def _one_of(field: str, value: str, names: tuple[str, ...]) -> None:
    if value not in names:
        raise BadValue(field, value, f"one of {', '.join(names)}")


def _refuse_pairs(
    estimator: str,
    interval: str,
    reward_range: tuple[float, float] | None,
    clip: float | None,
    switch: float | None,
    max_weight: float | None,
) -> None:
    """An interval that would not hold, or an argument that would do nothing, is refused with what does."""
    if switch is not None and estimator != "switch-dr":
        raise BadValue("switch", switch, "left out: only estimator='switch-dr' takes it")
    if clip is not None and estimator in ("dm", "switch-dr"):
        raise BadValue("clip", clip, f"left out: estimator={estimator!r} takes none")
    if max_weight is not None and interval != "bernstein":
        raise BadValue("max_weight", max_weight, "left out: only interval='bernstein' takes it")
    if interval == "anytime" and estimator != "ips":
        raise BadValue(
            "estimator", estimator, "'ips' for interval='anytime': models fitted on later rows break the sequence"
        )
    if interval == "bernstein" and estimator in ("dm", "snips"):
        raise BadValue(
            "estimator", estimator, "'ips', 'dr' or 'switch-dr' for interval='bernstein', which bounds a mean"
        )
    if interval == "bernstein" and estimator == "switch-dr" and switch is None:
        raise BadValue("switch", None, "given for interval='bernstein', not chosen from the log")
    if interval in ("bernstein", "anytime") and reward_range is None:
        raise BadValue("reward_range", None, f"(lowest, highest) reward that can come, for interval={interval!r}")
    if interval == "bernstein" and estimator != "switch-dr" and clip is None and max_weight is None:
        raise BadValue(
            "max_weight", None, "a bound on the weights for interval='bernstein' (or give clip; or use 'anytime', "
            "which needs none)"
        )  # fmt: skip


def _check_range(log: DecisionLog, reward_range: tuple[float, float] | None) -> None:
    if reward_range is None:
        return
    low, high = reward_range
    if not -np.inf < low < high < np.inf:
        raise BadValue("reward_range", reward_range, "(lowest, highest), finite and in this order")
    wrong = (log.rewards < low) | (log.rewards > high)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BadValue(f"rewards[{row}]", float(log.rewards[row]), f"in the reward_range, {low:g} to {high:g}")


def _predicted(
    log: DecisionLog, model: Any, folds: int, seed: int, reward_range: tuple[float, float] | None
) -> tuple[Floats, dict[str, Any], bool]:
    """Predictions [N, A], what was chosen, and whether they were fitted here."""
    if model is None or isinstance(model, Ridge) or hasattr(model, "fit"):
        model = Ridge() if model is None else model
        predicted = cross_fitted(log, model, folds=folds, seed=seed)
        about = {"model": repr(model), "folds": folds}
    else:
        predicted = np.array(model, dtype=np.float64)
        if predicted.shape != log.shape or not np.isfinite(predicted).all():
            told = "numbers that are not finite" if predicted.shape == log.shape else list(predicted.shape)
            raise BadValue("model", told, f"finite predictions of shape {list(log.shape)}, or a model to fit")
        about = {"model": "predictions as given"}
    if reward_range is not None:
        predicted = np.clip(predicted, *reward_range)
    return predicted, about, "folds" in about


def _terms(
    estimator: str,
    log: DecisionLog,
    table: Floats,
    weights: Floats | None,
    predicted: Floats | None,
    switch: float | None,
) -> estimators.Terms:
    if estimator == "dm":
        assert predicted is not None
        return estimators.direct_method(table, predicted)
    assert weights is not None
    if estimator in ("ips", "snips"):
        by: Callable[[Floats, Floats], estimators.Terms] = (
            estimators.ips if estimator == "ips" else estimators.self_normalised_ips
        )
        return by(weights, log.rewards)
    assert predicted is not None
    if estimator == "dr":
        return estimators.doubly_robust(weights, log.rewards, log.actions, table, predicted)
    assert switch is not None
    return estimators.switch_doubly_robust(weights, log.rewards, log.actions, table, predicted, switch)


def _bound(weights: Floats, clip: float | None, switch: float | None, max_weight: float | None) -> float:
    """What no weight that counts can exceed."""
    if max_weight is not None and float(weights.max()) > max_weight:
        raise BadValue("max_weight", max_weight, f"at least {float(weights.max()):g}, the largest weight of the log")
    return min(bound for bound in (clip, switch, max_weight) if bound is not None)


def _range_of_terms(estimator: str, reward_range: tuple[float, float], bound: float) -> tuple[float, float]:
    low, high = reward_range
    if estimator == "ips":
        return min(0.0, bound * low), max(0.0, bound * high)
    return low - bound * (high - low), high + bound * (high - low)


def _cautions(
    told: Estimate, log: DecisionLog, weights: Floats | None, mean: tuple[float, float] | None, choices: dict[str, Any]
) -> tuple[str, ...]:
    found = []
    by_weights = choices["estimator"] != "dm"
    if not by_weights:
        found.append("as good as its reward model: the interval counts the draw of the contexts, not the model's error")
    if by_weights and told.effective_sample_size is not None and told.effective_sample_size < FEW:
        found.append(f"an effective sample size below {FEW}: a handful of rows decides")
    if told.no_overlap > 0:
        found.append(
            f"in {100 * told.no_overlap:.1f} % of the contexts the target may do what the log shows to be impossible"
        )
    if by_weights and mean is not None and abs(mean[1]) > SURE:
        found.append(
            f"the mean weight is {mean[0]:.3g}, not 1 (z = {mean[1]:.1f}): wrong propensities, or actions are missing"
        )
    if told.calibration is not None and abs(told.calibration.z) > SURE:
        found.append("the log's propensities do not fit its allowed actions")
    if weights is not None and "clip" in choices and (weights > choices["clip"]).any():
        share = float((weights > choices["clip"]).mean())
        found.append(f"{100 * share:.1f} % of the weights were clipped; only the interval 'anytime' counts that bias")
    if weights is not None and "switch" in choices and (weights > choices["switch"]).any():
        share = float((weights > choices["switch"]).mean())
        found.append(f"{100 * share:.1f} % of the rows were left to the reward model; no interval counts its bias")
    if "estimated" in log.propensity_method and by_weights:
        found.append("some propensities were estimated from samples: their error is not counted")
    if told.waiting:
        found.append(f"{told.waiting:,} decisions had no reward yet: fair only if the delay has nothing to do with it")
    if told.low > told.high:
        found.append("the sequence excludes every value: the value changed with time, or the propensities are wrong")
    return tuple(found)
