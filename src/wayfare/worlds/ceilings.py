"""How much a block can pay at best to a player who is told what tasks there are, but not which one it is.

A ceiling says whether it is the value of the *best* player, and how it was found. Exact are, under the fixed law:

- Bernoulli arms, few or few pulls: dynamic programming over the counts of successes and failures,

      V_t(s, f) = max((n - t) safe, max_k p_k (1 + V_{t+1}(s + e_k, f)) + (1 - p_k) V_{t+1}(s, f + e_k))         (1)

  with p_k the posterior mean of arm k. The safe arm teaches nothing, so its pulls can be moved to the end of the
  block: to choose it once is to choose it for good;
- one Gaussian arm against a safe one: the same on a grid of posterior means;
- the hidden goal in a grid with at most 16 border cells: dynamic programming over the cells that walks have met.

Otherwise an index policy is played, and called so. Under the geometric law Gittins' index policy is optimal, but its
value is estimated.

Source: (1) Berry & Fristedt 1985, "Bandit Problems"; indices in `wayfare.stopping`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wayfare import stopping
from wayfare.errors import BadValue

if TYPE_CHECKING:
    from wayfare.worlds.bandit import RecurringBandit
    from wayfare.worlds.gridworld import HiddenGoal
    from wayfare.worlds.world import World

__all__ = ["Ceiling", "bandit_ceiling", "gridworld_ceiling"]

Floats = NDArray[np.float64]
ENTRIES = 2_000_000  # of the largest layer of (1)
GRID = 1001  # posterior means, and nodes of the expectation over the next one
BLOCKS = 20_000  # simulated
RING = 16  # border cells up to which sets of them are enumerated


@dataclass(frozen=True)
class Ceiling:
    """What can be had in a block without being told the task.

    value: mean reward an episode
    exact: whether it is the value of the best player there is, to four digits at least
    method: how it was found
    standard_error: of the value, where it was estimated
    """

    value: float
    exact: bool
    method: str
    standard_error: float = 0.0


def bandit_ceiling(world: RecurringBandit, horizon: int | None = None) -> Ceiling:
    """horizon: pulls in the block; None: the world's own law. Raises: BadValue where it has several, or horizon < 1."""
    if horizon is None and world.law == "geometric":
        return _simulated_gittins(world, _mean_length(world))
    n = _horizon(world, horizon)
    arms = world.num_actions - (world.safe is not None)
    prior = world.prior_mean if world.family == "gaussian" else world.alpha / (world.alpha + world.beta)
    safe = -math.inf if world.safe is None else world.safe
    spread = world.family == "bernoulli" or world.prior_sd > 0
    if arms == 0 or n == 1 or not spread or (arms == 1 and world.safe is None):
        return Ceiling(
            max(prior if arms else safe, safe), True, "the best prior mean: there is nothing to learn, or no time to"
        )
    if world.family == "bernoulli" and (n + 1) ** (2 * arms - 1) <= ENTRIES:
        value = _bernoulli_value(world.alpha, world.beta, arms, n, safe)
        return Ceiling(value, True, "dynamic programming over successes and failures")
    if world.family == "gaussian" and arms == 1:
        gain = _gaussian_gain(world.prior_mean - safe, world.prior_sd, world.noise_sd, n)
        return Ceiling(safe + gain / n, True, f"dynamic programming on {GRID} posterior means")
    means, errors = _play(world, n, np.ones(n), _finite_bonus(world, n))
    return Ceiling(means, False, f"finite-horizon index policy, {BLOCKS} blocks simulated", errors)


def gridworld_ceiling(world: HiddenGoal, horizon: int | None = None) -> Ceiling:
    """horizon: episodes in the block; None: the world's own.

    A walk w that meets cells not met before finds the goal in them with chance |w - met| / P, and then every episode to
    come pays 1, too. With h episodes to go

        P V_h(met) = max(max_w h |w - met| + P V_{h-1}(met + w),  (P - |met|) exit_reward + P V_{h-1}(met))

    Raises: BadValue with obstacles, where blocks have several lengths, or for a horizon below 1.
    """
    n = _horizon(world, horizon)
    if world.obstacles:
        raise BadValue("obstacles", world.obstacles, "0: with obstacles the best search is not known")
    if len(world.border) > RING:
        return _sweep(world, n)
    walks = _border_walks(world)
    cells = len(world.border)
    met = np.arange(1 << cells)
    left = cells - np.bitwise_count(met).astype(np.float64)
    value = np.zeros(1 << cells)
    for pays in range(1, n + 1):
        best = np.full_like(value, -1.0) if world.exit_reward is None else left * world.exit_reward + value
        for walk in walks:
            new = np.bitwise_count(walk & ~met).astype(np.float64)
            np.maximum(best, new * pays + value[met | walk], out=best)
        value = best
    return Ceiling(float(value[0]) / cells / n, True, "dynamic programming over the border cells met")


def _horizon(world: World, horizon: int | None) -> int:
    if horizon is None and world.law == "geometric":
        raise BadValue("horizon", None, "given: blocks of this world differ in length")
    n = _mean_length(world) if horizon is None else horizon
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise BadValue("horizon", horizon, "an integer of at least 1")
    return int(n)


def _mean_length(world: World) -> int:
    lengths = world.episodes.unique().tolist()
    if len(lengths) > 1:
        raise BadValue("horizon", None, f"given: blocks of this world have {lengths} episodes")
    return int(lengths[0])


def _bernoulli_value(a: float, b: float, arms: int, n: int, safe: float) -> float:
    """(1) divided by n. Axes of a layer: s_1, f_1, .. s_K; f_K is what is missing to t."""
    axes = 2 * arms - 1
    value = np.zeros((n + 1,) * axes)
    for t in range(n - 1, -1, -1):
        count = np.meshgrid(*[np.arange(t + 1, dtype=np.float64)] * axes, indexing="ij", sparse=True)
        last = np.maximum(t - sum(count), 0.0)
        best = np.full((t + 1,) * axes, (n - t) * safe if math.isfinite(safe) else -math.inf)
        for k in range(arms):
            s = count[2 * k]
            p = (a + s) / (a + b + s + (count[2 * k + 1] if k < arms - 1 else last))
            won, lost = [slice(0, t + 1)] * axes, [slice(0, t + 1)] * axes
            won[2 * k] = slice(1, t + 2)
            if k < arms - 1:
                lost[2 * k + 1] = slice(1, t + 2)
            np.maximum(best, p * (1.0 + value[tuple(won)]) + (1.0 - p) * value[tuple(lost)], out=best)
        value = best
    return float(value.reshape(-1)[0]) / n


def _gaussian_gain(mean: float, prior_sd: float, noise_sd: float, n: int) -> float:
    """Most that n pulls of an arm of prior N(mean, prior_sd^2), or of one paying 0, bring.

    V_h(m) = max(0, m + E V_{h-1}(m')).
    """

    def variance(pulls: int) -> float:
        if pulls == 0:
            return prior_sd**2
        return 0.0 if noise_sd == 0 else 1.0 / (1.0 / prior_sd**2 + pulls / noise_sd**2)

    z = np.linspace(-8.0, 8.0, GRID)
    weight = np.exp(-0.5 * z**2)
    weight /= weight.sum()
    m = mean + prior_sd * z
    value = np.zeros(GRID)
    for pulls in range(n - 1, -1, -1):
        sd = math.sqrt(max(variance(pulls) - variance(pulls + 1), 0.0))
        ahead = np.interp(m[:, None] + sd * z, m, value) @ weight
        value = np.maximum(0.0, m + ahead)
    return float(value[GRID // 2])


def _finite_bonus(world: RecurringBandit, n: int) -> Floats | None:
    return stopping.finite_horizon_bonus(n, world.prior_sd, world.noise_sd) if world.family == "gaussian" else None


def _simulated_gittins(world: RecurringBandit, mean: int) -> Ceiling:
    """Blocks that end with chance 1 - discount after each pull: weigh pull t with discount^t."""
    discount = 1.0 - 1.0 / mean
    steps = max(1, min(world.most_episodes or 7 * mean, 7 * mean))  # less than a thousandth of the weight lies beyond
    weights: Floats = np.power(discount, np.arange(steps, dtype=np.float64))
    bonus = None
    if world.family == "gaussian":
        bonus = np.repeat(
            stopping.gittins_bonus(discount, steps, world.prior_sd, world.noise_sd)[:, None], steps + 1, axis=1
        )
    value, error = _play(world, steps, weights, bonus, discount)
    of = (
        "optimal, value estimated"
        if world.most_episodes is None
        else "not optimal where blocks are cut at most_episodes"
    )
    return Ceiling(value, False, f"Gittins index policy ({of}), {BLOCKS} blocks simulated", error)


def _play(
    world: RecurringBandit, n: int, weights: Floats, bonus: Floats | None, discount: float | None = None
) -> tuple[float, float]:
    """Weighted mean of the true means of what an index policy pulls, and its standard error.

    bonus: [pulls made, pulls to go] of Gaussian arms    discount: of Gittins' index for Bernoulli arms; None: the
        finite-horizon one
    """
    random, blocks = np.random.default_rng(0), np.arange(BLOCKS)
    shape = (BLOCKS, world.num_actions)
    gaussian = world.family == "gaussian"
    truth = (
        random.normal(world.prior_mean, world.prior_sd, shape)
        if gaussian
        else random.beta(world.alpha, world.beta, shape)
    )
    if world.safe is not None:
        truth[:, 0] = world.safe
    pulls, sums, total = np.zeros(shape, dtype=np.int64), np.zeros(shape), np.zeros(BLOCKS)
    known = np.full((n, n), np.nan)  # Gittins indices so far, by pulls and successes
    for t in range(n):
        if bonus is not None:
            index = _posterior_mean(world, pulls, sums) + bonus[pulls, n - t]
        else:
            index = _bernoulli_index(world, pulls, sums, n - t, discount, known)
        if world.safe is not None:
            index[:, 0] = world.safe
        arm = index.argmax(axis=1)  # equal arms are alike: which of them is pulled makes no difference
        mean = truth[blocks, arm]
        total += weights[t] * mean
        pulls[blocks, arm] += 1
        noise = random.normal(size=BLOCKS) * world.noise_sd if gaussian else (random.random(BLOCKS) < mean) - mean
        sums[blocks, arm] += mean + noise
    total /= weights.sum()
    return float(total.mean()), float(total.std(ddof=1) / math.sqrt(BLOCKS))


def _posterior_mean(world: RecurringBandit, pulls: NDArray[np.int64], sums: Floats) -> Floats:
    if world.noise_sd == 0:
        return np.where(pulls > 0, sums / np.maximum(pulls, 1), world.prior_mean)
    ratio = (world.noise_sd / world.prior_sd) ** 2
    return np.asarray((ratio * world.prior_mean + sums) / (ratio + pulls))


def _bernoulli_index(
    world: RecurringBandit, pulls: NDArray[np.int64], sums: Floats, left: int, discount: float | None, known: Floats
) -> Floats:
    won = np.rint(sums).astype(np.int64)
    if discount is None:
        known[:] = np.nan  # indices of a finite horizon change with the pulls to go
    seen = np.zeros(known.shape, dtype=bool)
    seen[pulls, won] = True
    n, s = np.nonzero(seen & np.isnan(known))
    if len(n) and discount is None:
        known[n, s] = stopping.bernoulli_finite_horizon_index(world.alpha + s, world.beta + n - s, left)
    elif len(n) and discount is not None:
        known[n, s] = stopping.bernoulli_gittins_index(world.alpha + s, world.beta + n - s, discount)
    return known[pulls, won]


def _border_walks(world: HiddenGoal) -> list[int]:
    """Sets of border cells, as bits, that walks within one episode meet.

    Those that another one contains are left out.
    """
    bit = {int(cell): 1 << i for i, cell in enumerate(world.border)}
    here = {(world.start, 0)}
    for _ in range(world.steps):
        ahead = set()
        for cell, met in here:
            for up, right in ((-1, 0), (0, 1), (1, 0), (0, -1)):
                row, column = cell // world.size + up, cell % world.size + right
                to = row * world.size + column
                if 0 <= row < world.size and 0 <= column < world.size and to != world.exit:
                    ahead.add((to, met | bit.get(to, 0)))
        here = ahead
    found = sorted({met for _, met in here}, key=int.bit_count, reverse=True)
    largest: list[int] = []
    for met in found:
        if all(met | other != other for other in largest):
            largest.append(met)
    return largest


def _sweep(world: HiddenGoal, n: int) -> Ceiling:
    """Tour the border, each walk going on where the last one left off as far as steps allow."""
    _size, middle, last = world.size, world.size // 2, world.size - 1
    ring = [(0, c) for c in range(last)] + [(r, last) for r in range(last)]
    ring += [(last, c) for c in range(last, 0, -1)] + [(r, 0) for r in range(last, 0, -1)]
    away = [abs(r - middle) + abs(c - middle) for r, c in ring]
    left, value = set(range(len(ring))), 0.0
    for pays in range(n, 0, -1):
        arcs = [
            [(i + s * k) % len(ring) for k in range(world.steps - away[i] + 1)]
            for i in range(len(ring))
            for s in (1, -1)
        ]
        new = max((left.intersection(arc) for arc in arcs), key=len)
        looks, takes = len(new) * pays, len(left) * (world.exit_reward or 0.0)
        if looks >= takes or pays == n:
            left -= new
            value += looks
        else:
            value += takes
    return Ceiling(value / len(ring) / n, False, "a tour of the border, greedy in cells not met before (a lower bound)")
