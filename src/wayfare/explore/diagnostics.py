"""How an agent fails on bandits, from what it did: an average hides that it is superb in most runs and stuck in others.

A history is actions [T, R] and rewards [T, R] of R runs (replicates) of T rounds, with the true means [R, K] (or [K])
of its arms; `wayfare.explore.compare` and any language-model player can give one. Rounds are numbered from 1.

    SuffFailFreq(t)   share of runs in which no round of t .. T takes a best arm                                (1)
    K MinFrac(t)      K times the mean over runs of the least-taken arm's share of rounds 1 .. t: near 1 where an
                      agent takes all arms alike and never settles                                              (1)
    GreedyFrac        share of rounds that take an arm of the highest mean reward so far                        (1)
    regret curve      lambda_1 ln(t)^alpha / gap + beta t + lambda_2: beta > 0 says that some runs are stuck       (2)

Runs whose arms are all equally good have no failures and are left out (NaN).

Sources: (1) Krishnamurthy, Harris, Foster, Zhang & Slivkins 2024 (arXiv 2403.15371), section on statistics; (2) Nie et
al. 2024 (arXiv 2410.06238); early catastrophic failure and the split of disagreements with a teacher Chen et al. 2025
(arXiv 2509.24923).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import ActionRule, ArmTable

__all__ = [
    "RegretFit",
    "best_fractions",
    "diagnose",
    "disagreements",
    "early_catastrophic_failures",
    "fit_regret",
    "greedy_fractions",
    "min_fraction_curve",
    "min_fractions",
    "pseudo_regret",
    "suffix_failure_curve",
    "suffix_failures",
    "sweep_lengths",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
TRIED = 1e-12  # relative: mean rewards closer than this are equal
EXPONENTS = (0.05, 6.0)  # of the regret curve


def suffix_failures(actions: ArrayLike, means: ArrayLike, start: int | None = None) -> Floats:
    """[R] 1 where no round from `start` to the last takes a best arm, 0 where one does, NaN where all arms are best.

    start: from 1 to T; None: T / 2, as published (rounded up). The mean over runs is SuffFailFreq(start).
    Raises: BadValue for a start out of range, or a history whose parts do not fit.
    """
    taken, mu = _history(actions, means)
    rounds = len(taken)
    first = -(-rounds // 2) if start is None else start
    if not 1 <= first <= rounds:
        raise BadValue("start", start, f"from 1 to {rounds}")
    return _marked(mu, _last_best(taken, mu) < first)


def suffix_failure_curve(actions: ArrayLike, means: ArrayLike) -> Floats:
    """[T] SuffFailFreq(t) for t = 1 .. T. Raises: BadValue as above, and where in no run some arm is better."""
    taken, mu = _history(actions, means)
    told = ~_all_equal(mu)
    if not told.any():
        raise BadValue("means", "all equal in every run", "different in one run at least")
    last = _last_best(taken, mu)[told]
    gone = np.bincount(last, minlength=len(taken) + 1).cumsum()[: len(taken)]  # runs whose last best round is < t
    return np.asarray(gone / told.sum())


def early_catastrophic_failures(actions: ArrayLike, means: ArrayLike, early: float = 0.5) -> Floats:
    """[R] 1 where no round after the first `early` share of them takes a best arm, else 0; NaN as above.

    early: in [0, 1); 0.5 is the published one, rounds T / 2 + 1 .. T
    Raises: BadValue for a share out of range, or a history whose parts do not fit.
    """
    if not 0 <= early < 1:
        raise BadValue("early", early, "at least 0 and below 1")
    taken = _history(actions, means)[0]
    return suffix_failures(actions, means, int(early * len(taken)) + 1)


def min_fraction_curve(actions: ArrayLike, arms: int) -> Floats:
    """[T] K MinFrac(t) for t = 1 .. T: 0 before all arms were taken, at most 1."""
    return np.asarray(_least_taken(_actions(actions, arms), arms).mean(axis=1))


def min_fractions(actions: ArrayLike, arms: int) -> Floats:
    """[R] K times the share of the least-taken arm of each run in all rounds."""
    return np.asarray(_least_taken(_actions(actions, arms), arms)[-1])


def greedy_fractions(actions: ArrayLike, rewards: ArrayLike, arms: int) -> Floats:
    """[R] share of rounds 2 .. T that take an arm of the highest mean reward so far. Ties count; arms not yet tried
    have no mean, so that to try one is not greedy. The first round is left out: there is nothing to be greedy about.

    Raises: BadValue for a history of one round, rewards that are missing, or actions that are no arms.
    """
    taken, paid = _actions(actions, arms), _rewards(rewards, actions)
    greedy = np.zeros(taken.shape[1])
    for t, table in _tables(taken, paid, arms):
        greedy += _is_greedy(table, taken[t])
    return np.asarray(greedy / (len(taken) - 1))


def best_fractions(actions: ArrayLike, means: ArrayLike) -> Floats:
    """[R] share of rounds that take a best arm."""
    taken, mu = _history(actions, means)
    return np.asarray(_takes_best(taken, mu).mean(axis=0))


def sweep_lengths(actions: ArrayLike, arms: int) -> Floats:
    """[R] rounds until every arm was taken once; infinite where one never is."""
    taken = _actions(actions, arms)
    length = np.zeros(taken.shape[1])
    for a in range(arms):
        here = taken == a
        length = np.maximum(length, np.where(here.any(axis=0), here.argmax(axis=0) + 1.0, np.inf))
    return length


def pseudo_regret(actions: ArrayLike, means: ArrayLike) -> Floats:
    """[T, R] cumulative regret, from the true means."""
    taken, mu = _history(actions, means)
    return np.asarray((mu.max(axis=1) - np.take_along_axis(mu, taken.T, axis=1).T).cumsum(axis=0))


def disagreements(actions: ArrayLike, rewards: ArrayLike, arms: int, teacher: ActionRule) -> tuple[Floats, Floats]:
    """How an agent departs from a teacher who sees the same history.

    teacher: a rule over an `ArmTable`; it would take any arm to which it gives a positive propensity
    Returns: [R] share of rounds 2 .. T in which the agent takes another arm; [R] share of *those* in which it takes an
        arm of the highest mean so far (a lazy, greedier copy of its teacher), NaN where it always agrees.
    """
    taken, paid = _actions(actions, arms), _rewards(rewards, actions)
    apart, lazy = np.zeros(taken.shape[1]), np.zeros(taken.shape[1])
    for t, table in _tables(taken, paid, arms):
        chance = np.take_along_axis(np.asarray(teacher.propensities(table)), taken[t][:, None], axis=1)[:, 0]
        differs = chance == 0
        apart += differs
        lazy += differs & _is_greedy(table, taken[t])
    share = np.where(apart > 0, lazy / np.maximum(apart, 1.0), np.nan)
    return np.asarray(apart / (len(taken) - 1)), share


@dataclass(frozen=True)
class RegretFit:
    """f(t) = log_weight * ln(t)^exponent / gap + slope * t + offset

    log_weight, slope: at least 0 (lambda_1, beta)        exponent: alpha        offset: lambda_2
    gap: as given        error: root mean square distance from the regret, in its unit
    """

    log_weight: float
    exponent: float
    slope: float
    offset: float
    gap: float
    error: float

    def at(self, times: ArrayLike) -> Floats:
        """f at the given rounds, all at least 1."""
        t = np.asarray(times, dtype=np.float64)
        return np.asarray(
            self.log_weight * np.log(t) ** self.exponent / self.gap + self.slope * t + self.offset, dtype=np.float64
        )


def fit_regret(times: ArrayLike, regret: ArrayLike, gap: float) -> RegretFit:
    """Least squares of the curve above, lambda_1 and beta held at least 0.

    times: [M] rounds, at least 1 and not all the same        regret: [M] cumulative, say the mean over runs
    gap: best mean minus the second best; the weight's unit only

    For a given exponent the problem is a linear one of three unknowns, solved exactly over the sign constraints; the
    exponent is searched between 0.05 and 6.
    Raises: BadValue for a gap that is not above 0 (the curve is not defined), fewer than 4 points, or numbers that are
    not finite.
    """
    t, r = np.asarray(times, dtype=np.float64), np.asarray(regret, dtype=np.float64)
    if not 0 < gap < np.inf:
        raise BadValue("gap", gap, "above 0: where all arms are equal there is no regret to fit")
    if t.ndim != 1 or len(np.unique(t)) < 4 or t.min() < 1:
        raise BadValue("times", f"{list(t.shape)}", "at least 4 different rounds, numbered from 1")
    if r.shape != t.shape or not np.isfinite(r).all():
        raise BadValue("regret", f"{list(r.shape)}", f"finite, of shape {list(t.shape)}")
    low, high = EXPONENTS
    grid = np.linspace(low, high, 120)
    errors = [_linear_part(t, r, gap, a)[0] for a in grid]
    near = int(np.argmin(errors))
    left, right = grid[max(near - 1, 0)], grid[min(near + 1, len(grid) - 1)]
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(60):
        width = golden * (right - left)
        if _linear_part(t, r, gap, right - width)[0] <= _linear_part(t, r, gap, left + width)[0]:
            right = left + width
        else:
            left = right - width
    error, (weight, slope, offset) = min(
        (_linear_part(t, r, gap, a) for a in (grid[near], (left + right) / 2)), key=lambda found: found[0]
    )
    exponent = grid[near] if error == errors[near] else (left + right) / 2
    return RegretFit(weight, float(exponent), slope, offset, float(gap), error)


def diagnose(actions: ArrayLike, rewards: ArrayLike, means: ArrayLike) -> dict[str, float]:
    """All of it by name: means over runs, quantiles of the final regret, and the curve's exponent and slope.

    The curve is fitted to the mean regret, its gap the mean over runs of best minus second best. What is not defined
    (all arms equal, too few rounds) is NaN. Raises: BadValue for a history whose parts do not fit.
    """
    taken, mu = _history(actions, means)
    arms, rounds = mu.shape[1], len(taken)
    regret = pseudo_regret(taken, mu)
    final = regret[-1]
    told = ~_all_equal(mu)
    gap = float(_gaps(mu)[told].mean()) if told.any() else 0.0
    fit = fit_regret(np.arange(1, rounds + 1), regret.mean(axis=1), gap) if gap > 0 and rounds >= 4 else None
    return {
        "suffix_failure": _mean(suffix_failures(taken, mu)),
        "early_catastrophic_failure": _mean(early_catastrophic_failures(taken, mu)) if rounds > 1 else np.nan,
        "min_fraction": _mean(min_fractions(taken, arms)),
        "greedy_fraction": _mean(greedy_fractions(taken, rewards, arms)) if rounds > 1 else np.nan,
        "best_fraction": _mean(best_fractions(taken, mu)),
        "median_sweep_length": float(np.median(sweep_lengths(taken, arms))),
        "regret_mean": float(final.mean()),
        "regret_median": float(np.median(final)),
        "regret_q90": float(np.quantile(final, 0.9)),
        "regret_exponent": fit.exponent if fit else np.nan,
        "regret_slope": fit.slope if fit else np.nan,
    }


def _linear_part(t: Floats, r: Floats, gap: float, exponent: float) -> tuple[float, tuple[float, float, float]]:
    """Error and (log_weight, slope, offset) for one exponent: of the sides of the constraints, the best that fits."""
    columns = [np.log(t) ** exponent / gap, t]
    found: list[tuple[float, tuple[float, float, float]]] = []
    for use in ((0, 1), (0,), (1,), ()):
        design = np.stack([*(columns[i] for i in use), np.ones_like(t)], axis=1)
        scale = np.abs(design).max(axis=0)
        solved = np.linalg.lstsq(design / np.where(scale > 0, scale, 1.0), r, rcond=None)[0]
        solved = solved / np.where(scale > 0, scale, 1.0)
        weights = dict(zip(use, solved, strict=False))
        if min([0.0, *weights.values()]) < 0:
            continue
        error = float(np.sqrt(np.mean((design @ solved - r) ** 2)))
        found.append((error, (float(weights.get(0, 0.0)), float(weights.get(1, 0.0)), float(solved[-1]))))
    return min(found, key=lambda one: one[0])


def _tables(taken: Integers, paid: Floats, arms: int) -> Any:
    """(t, table of the rounds before t) for t = 1 .. T - 1, t from 0."""
    if len(taken) < 2:
        raise BadValue("actions", f"{len(taken)} round", "of 2 rounds at least")
    table = ArmTable.empty((taken.shape[1], arms), paid)
    for t in range(1, len(taken)):
        table = table.updated(taken[t - 1], paid[t - 1])
        yield t, table


def _is_greedy(table: ArmTable, action: Integers) -> NDArray[np.bool_]:
    mean = np.asarray(table.mean(-np.inf))
    top = mean.max(axis=1)
    own = np.take_along_axis(mean, action[:, None], axis=1)[:, 0]
    return np.asarray(own >= top - TRIED * np.abs(top))


def _last_best(taken: Integers, mu: Floats) -> Integers:
    """[R] the last round, from 1, that takes a best arm; 0: none does."""
    best = _takes_best(taken, mu)
    last = len(best) - best[::-1].argmax(axis=0)
    return np.where(best.any(axis=0), last, 0)


def _takes_best(taken: Integers, mu: Floats) -> NDArray[np.bool_]:
    """[T, R]"""
    best = mu == mu.max(axis=1, keepdims=True)
    return np.asarray(np.take_along_axis(best, taken.T, axis=1).T)


def _least_taken(taken: Integers, arms: int) -> Floats:
    """[T, R] K times the share of the least-taken arm so far."""
    least = np.full(taken.shape, np.inf)
    for a in range(arms):
        np.minimum(least, (taken == a).cumsum(axis=0), out=least)
    return np.asarray(arms * least / np.arange(1, len(taken) + 1)[:, None])


def _gaps(mu: Floats) -> Floats:
    """[R] best mean minus the best of the worse arms; 0 where there is none."""
    top = mu.max(axis=1, keepdims=True)
    return np.asarray(np.where(_all_equal(mu), 0.0, top[:, 0] - np.where(mu < top, mu, -np.inf).max(axis=1)))


def _all_equal(mu: Floats) -> NDArray[np.bool_]:
    return np.asarray(mu.max(axis=1) == mu.min(axis=1))


def _marked(mu: Floats, failed: NDArray[np.bool_]) -> Floats:
    return np.where(_all_equal(mu), np.nan, failed)


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _actions(actions: ArrayLike, arms: int) -> Integers:
    taken = np.asarray(actions)
    if taken.ndim != 2 or not taken.size or taken.dtype.kind not in "iu":
        raise BadValue("actions", f"{taken.dtype} {list(taken.shape)}", "integers [T, R], at least one of each")
    if taken.min() < 0 or taken.max() >= arms:
        raise BadValue("actions", [int(taken.min()), int(taken.max())], f"between 0 and {arms - 1}")
    return taken.astype(np.int64, copy=False)


def _history(actions: ArrayLike, means: ArrayLike) -> tuple[Integers, Floats]:
    mu = np.asarray(means, dtype=np.float64)
    if mu.ndim not in (1, 2) or not mu.size or not np.isfinite(mu).all():
        raise BadValue("means", list(mu.shape), "finite, [R, K] or [K]")
    taken = _actions(actions, mu.shape[-1])
    if mu.ndim == 2 and len(mu) != taken.shape[1]:
        raise BadValue("means", list(mu.shape), f"of {taken.shape[1]} rows, one a run")
    return taken, np.broadcast_to(mu, (taken.shape[1], mu.shape[-1]))


def _rewards(rewards: ArrayLike, actions: ArrayLike) -> Floats:
    paid = np.asarray(rewards, dtype=np.float64)
    shape = np.asarray(actions).shape
    if paid.shape != shape or not np.isfinite(paid).all():
        raise BadValue("rewards", list(paid.shape), f"finite, of shape {list(shape)}")
    return paid
