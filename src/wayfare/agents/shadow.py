"""Shadow mode: candidates are fitted and judged on someone else's log, generation by generation, and serve nobody.

    for period t:  f_t is fitted to the last W periods before t
                   candidate_t = inverse gap weighting of f_t, gamma = c sqrt(K m), m the rows of the fit
                   what would it have earned in period t?  IPS, self-normalised IPS, doubly robust, on period t's log,
                   which f_t has never seen
                   launch it?  only where the log can tell: see `objections`

Source: generation loop and pre-launch evaluation of Vangara & Egg 2024 (arXiv 2412.00569).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wayfare.errors import BadValue
from wayfare.explore.evaluation import DecisionLog, Estimate, evaluate
from wayfare.explore.oracles import Oracle
from wayfare.explore.rules import FastCB, Scores, SquareCB, gamma_at

__all__ = ["Period", "calibration_error", "objections", "rows_of", "shadow"]

Floats = NDArray[np.float64]
BINS = 10
OVERLAP, MEAN_WEIGHT, SURE = 0.01, 0.9, 4.0


@dataclass(frozen=True)
class Period:
    """A candidate on the period after its fit.

    number: of the period        rows, fitted: decisions in it, and behind the fit        gamma: of the candidate
    ips, snips, dr: what it would have earned there        calibration: expected calibration error of its model there
    against: why it should not be launched; empty: nothing speaks against it
    """

    number: int
    rows: int
    fitted: int
    gamma: float
    ips: Estimate
    snips: Estimate
    dr: Estimate
    calibration: float
    against: tuple[str, ...]


def rows_of(log: DecisionLog, rows: NDArray[np.int64]) -> DecisionLog:
    """Some of a log's decisions."""
    return replace(
        log,
        contexts=None if log.contexts is None else log.contexts[rows],
        allowed=log.allowed[rows],
        actions=log.actions[rows],
        rewards=log.rewards[rows],
        propensities=None if log.propensities is None else log.propensities[rows],
        ids=tuple(log.ids[i] for i in rows),
        policy=tuple(log.policy[i] for i in rows),
        time=None if log.time is None else log.time[rows],
        waiting=0,
    )


def calibration_error(chances: Floats, successes: Floats) -> float:
    """Expected calibration error: over ten bins of equal width, the mean of |mean chance - share of successes|,
    weighted by rows. chances, successes: [N]

    Source: Naeini, Cooper & Hauskrecht 2015, equation 3.
    """
    place = np.minimum((chances * BINS).astype(int), BINS - 1)
    gaps = np.bincount(place, weights=chances - successes, minlength=BINS)
    return float(np.abs(gaps).sum() / len(chances))


def objections(estimate: Estimate, least_effective: float = 500.0) -> tuple[str, ...]:
    """Why a log cannot tell what a candidate is worth, so that it should not be launched on it; () where it can.

    Greedy logs are refused here: what they never did they cannot tell.
    """
    found = []
    if estimate.effective_sample_size is None or estimate.effective_sample_size < least_effective:
        found.append(f"{estimate.effective_sample_size or 0:.0f} effective rows, fewer than {least_effective:g}")
    if estimate.no_overlap > OVERLAP:
        found.append(f"in {100 * estimate.no_overlap:.1f} % of rows it may do what the log shows to be impossible")
    if estimate.mean_weight is not None and estimate.mean_weight < MEAN_WEIGHT:
        found.append(f"mean weight {estimate.mean_weight:.2f}: much of what it does is not in the log")
    if estimate.calibration is not None and abs(estimate.calibration.z) > SURE:
        found.append(f"the log's propensities do not fit its actions (z = {estimate.calibration.z:.1f})")
    return tuple(found)


def shadow(
    log: DecisionLog,
    oracle: Oracle,
    periods: NDArray[np.int64],
    *,
    rule: Literal["SquareCB", "FastCB"] = "SquareCB",
    greed: float = 1.0,
    memory: int | None = 1,
    least_effective: float = 500.0,
) -> list[Period]:
    """Each period from the second on, as the module says.

    log: contexts, propensities, rewards of 0 and 1        oracle: refitted each period
    periods: [N] int, 0 .. T-1, of the log's rows        greed: c        memory: W; None: all before

    Raises: BadValue for a log without contexts or propensities, rewards other than 0 and 1, and fewer than two periods
    with rows.
    """
    if log.contexts is None or log.propensities is None:
        field = "contexts" if log.contexts is None else "propensities"
        raise BadValue(field, None, "in the log")
    strange = log.rewards[(log.rewards != 0) & (log.rewards != 1)]
    if strange.size:
        raise BadValue("rewards", float(strange[0]), "0 or 1")
    if rule not in ("SquareCB", "FastCB"):
        raise BadValue("rule", rule, "SquareCB or FastCB")
    numbers: Sequence[int] = np.unique(periods).tolist()
    if periods.shape != (len(log),) or len(numbers) < 2:
        raise BadValue("periods", numbers, f"of shape [{len(log)}], with at least two that differ")
    found = []
    for place, number in enumerate(numbers[1:], start=1):
        before = numbers[max(0, place - memory) if memory is not None else 0 : place]
        learned = np.isin(periods, before)
        oracle.fit(log.contexts[learned], log.actions[learned], log.rewards[learned])
        now = rows_of(log, np.flatnonzero(periods == number))
        scores = np.clip(oracle.scores(now.features), 0.0, 1.0)
        gamma = float(gamma_at(int(learned.sum()), log.shape[1], scale=greed))
        candidate = SquareCB(gamma) if rule == "SquareCB" else FastCB(gamma)
        target = candidate.propensities(Scores(scores), now.allowed)
        ips, snips = evaluate(now, target, "ips"), evaluate(now, target, "snips")
        taken = scores[np.arange(len(now)), now.actions]
        found.append(
            Period(
                number, len(now), int(learned.sum()), gamma, ips, snips, evaluate(now, target, "dr", model=scores),
                calibration_error(taken, now.rewards), objections(ips, least_effective),
            )
        )  # fmt: skip
    return found
