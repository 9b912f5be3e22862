"""Action rules side by side on one bandit world, on the same tasks and the same noise: regret by time, and its bounds.

    result = compare({"UCB1": UCB1(), "Thompson": BetaThompson()}, world, runs=1000, horizon=10_000)
    print(result)                                   # a line a policy: median, band and tails of the final regret
    median, low, high = result.band("UCB1")         # [M] at result.times: the middle run, and the 10-90 % band
    result.tails()                                  # [P, 3] the 90, 95 and 99 % quantiles of the final regret
    result.paired("UCB1", "Thompson")               # [R] differences, run by run
    result.lower_bound                              # [M, R] the Lai-Robbins line, or None where there is none

Run r plays copy r of the world's seed, whatever the rule: its arms, contexts, allowed sets, noise and delays are the
same for all of them, and differences between rules are paired. Regret is counted from true means, never from rewards:

    R(t) = sum over s <= t of  max over allowed a of mean_s(a)  -  mean_s(a_s)

The world is anything with the contract of `wayfare.worlds.World` and a `means` [N, K]; this package imports none.

Source of the lower bound: Lai & Robbins 1985, "Asymptotically efficient adaptive allocation rules".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from array_api_compat import array_namespace, device, to_device
from numpy.typing import ArrayLike, NDArray

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.learners import Learner, Pulls
from wayfare.explore.rules.divergence import bernoulli_divergence
from wayfare.explore.rules.evidence import ActionRule, Array

__all__ = ["BanditWorld", "Comparison", "History", "Policy", "compare", "lai_robbins"]

Floats = NDArray[np.float64]
LEVELS = (0.9, 0.95, 0.99)


class BanditWorld(Protocol):
    """What `compare` asks of a world. `info` may hold `allowed` [N, K] (for the next pull), and, where rewards come
    late, `feedback_decision` and `feedback_reward` [N, P]: see `wayfare.worlds.wrappers`."""

    num_envs: int

    @property
    def num_actions(self) -> int:
        """K."""
        ...

    @property
    def means(self) -> Array:
        """[N, K] what each arm pays on average now."""
        ...

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Observations [N, O], and info."""
        ...

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """Observations, rewards [N], terminated, truncated, info."""
        ...


@dataclass(frozen=True)
class Policy:
    """A rule, and what learns its evidence.

    learner: makes a new one for each batch of runs; by default the counts and sums of each arm, whatever the context
    """

    rule: ActionRule
    learner: Callable[[], Learner] = Pulls


@dataclass(frozen=True)
class History:
    """What a policy did, for `wayfare.explore.diagnostics`.

    actions: [T, R] int64        rewards: [T, R], of each action, whenever it arrived; NaN where it has not
    means: [R, K] true means at the first pull
    """

    actions: NDArray[np.int64]
    rewards: Floats
    means: Floats


@dataclass(frozen=True, repr=False)
class Comparison:
    """Regret of P policies over R runs.

    policies: [P] names        times: [M] pulls, ascending, the last one the horizon
    regret: [P, M, R] cumulative, in the unit of the rewards
    lower_bound: [M, R] Lai and Robbins' coefficient of each run's arms times ln t, or None where it does not apply
    histories: by policy, where they were asked for
    """

    policies: tuple[str, ...]
    times: NDArray[np.int64]
    regret: Floats
    lower_bound: Floats | None
    histories: dict[str, History]

    def of(self, policy: str) -> Floats:
        """[M, R] regret of one policy. Raises: BadValue for a name that is not there."""
        if policy not in self.policies:
            raise BadValue("policy", policy, f"one of {', '.join(self.policies)}")
        return np.asarray(self.regret[self.policies.index(policy)])

    def band(self, policy: str, low: float = 0.1, high: float = 0.9) -> tuple[Floats, Floats, Floats]:
        """[M] each: the median over runs, and the quantiles `low` and `high`."""
        lower, median, upper = np.quantile(self.of(policy), [low, 0.5, high], axis=1)
        return median, lower, upper

    def tails(self, levels: tuple[float, ...] = LEVELS) -> Floats:
        """[P, L] quantiles of the final regret: how the unlucky runs fare."""
        return np.asarray(np.quantile(self.regret[:, -1], levels, axis=1).T)

    def paired(self, a: str, b: str) -> Floats:
        """[R] final regret of `a` minus that of `b`, run by run."""
        return np.asarray(self.of(a)[-1] - self.of(b)[-1])

    def __str__(self) -> str:
        """Final regret of each policy in one line: median, 10-90 % band, tail quantiles."""
        width = max(map(len, (*self.policies, "Lai-Robbins")))
        lines = [
            f"regret after {self.times[-1]:,} pulls, {self.regret.shape[2]:,} runs",
            f"{'':{width}}  {'median':>9}  {'10 to 90 %':>21}  {'95 %':>9}  {'99 %':>9}",
        ]
        for name, tail in zip(self.policies, self.tails((0.95, 0.99)), strict=True):
            median, low, high = (float(values[-1]) for values in self.band(name))
            lines.append(
                f"{name:{width}}  {median:9.4g}  {f'{low:.4g} to {high:.4g}':>21}  {tail[0]:9.4g}  {tail[1]:9.4g}"
            )
        if self.lower_bound is not None:
            line = float(np.median(self.lower_bound[-1]))
            lines.append(f"{'Lai-Robbins':{width}}  {line:9.4g}")
        return "\n".join(lines)

    __repr__ = __str__

    def columns(self) -> dict[str, NDArray[Any]]:
        """A tidy table by its columns: `policy`, `time`, `statistic`, `regret`.

        Statistics: mean, median, q10, q90; q95 and q99 too. The lower bound is the policy `Lai-Robbins`.
        """
        tables = dict(zip(self.policies, self.regret, strict=True))
        if self.lower_bound is not None:
            tables["Lai-Robbins"] = self.lower_bound
        rows: list[tuple[str, int, str, float]] = []
        for name, table in tables.items():
            found = {"mean": table.mean(axis=1), "median": np.median(table, axis=1)}
            found |= {f"q{round(100 * q)}": np.quantile(table, q, axis=1) for q in (0.1, *LEVELS)}
            for statistic, values in found.items():
                rows += [(name, int(t), statistic, float(v)) for t, v in zip(self.times, values, strict=True)]
        names, times, statistics, regrets = zip(*rows, strict=True)
        return {
            "policy": np.array(names),
            "time": np.array(times),
            "statistic": np.array(statistics),
            "regret": np.array(regrets),
        }


def compare(
    policies: Mapping[str, ActionRule | Policy],
    world: BanditWorld,
    runs: int,
    horizon: int,
    *,
    seed: int = 0,
    points: int = 200,
    history: bool = False,
) -> Comparison:
    """Play every policy `runs` times for `horizon` pulls.

    world: N copies of a bandit; more runs than copies are played N at a time
    points: about how many times are kept: half of them evenly spaced, half evenly in their logarithm
    history: keep actions and rewards, too

    Raises: BadValue for an argument out of range, and for a world whose blocks do not all last for the horizon.
    """
    for field, value, least in (("runs", runs, 1), ("horizon", horizon, 1), ("points", points, 2), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise BadValue(field, value, f"an integer of at least {least}")
    if not isinstance(policies, Mapping) or not policies:
        raise BadValue("policies", policies, "at least one, by its name: {'UCB1': UCB1()}")
    for name, entry in policies.items():
        rule = entry.rule if isinstance(entry, Policy) else entry
        if isinstance(rule, type) or not hasattr(rule, "decide"):
            raise BadValue(f"policies[{name!r}]", rule, "an action rule, or a Policy of one")
        if isinstance(entry, Policy) and not callable(entry.learner):
            raise BadValue(f"learner of policies[{name!r}]", entry.learner, "a function that makes one: `lambda: ...`")
        made_for = getattr(rule, "horizon", None)
        if made_for is not None and made_for < horizon:
            raise BadValue(f"horizon of policies[{name!r}]", made_for, f"at least {horizon}, the pulls that are played")
    if not hasattr(world, "means"):
        raise BadValue("world", type(world).__name__, "a bandit, whose `means` are known")
    if getattr(world, "law", "fixed") != "fixed":
        raise BadValue("world", "blocks of geometric length", "one of fixed block lengths")
    shortest = int(min(getattr(world, "episodes", [horizon])))
    if horizon > shortest:
        raise BadValue("horizon", horizon, f"at most {shortest}, the pulls of the world's shortest block")
    times = _times(horizon, points)
    regret = np.zeros((len(policies), len(times), runs))
    histories: dict[str, History] = {}
    means = np.zeros((runs, world.num_actions))
    for p, (name, entry) in enumerate(policies.items()):
        policy = entry if isinstance(entry, Policy) else Policy(entry)
        if history:
            shape = (horizon, runs)
            histories[name] = History(np.zeros(shape, dtype=np.int64), np.full(shape, np.nan), means)
        for first in range(0, runs, world.num_envs):
            here = slice(first, min(first + world.num_envs, runs))
            try:
                _play(policy, world, horizon, seed, times, here, regret[p], means, histories.get(name))
            except BadValue as error:
                raise BadValue(f"policies[{name!r}]: {error.field}", error.value, error.allowed) from error
    law = _law(world)
    bound = None if law is None else lai_robbins(means, *law) * np.log(times)[:, None]
    return Comparison(tuple(policies), times, regret, bound, histories)


def lai_robbins(means: ArrayLike, family: str, noise_sd: float = 1.0) -> Floats:
    """means: [..., K] -> [...]: the coefficient c of  lim inf R(t) / ln t >= c  for any uniformly good rule,

    c = sum over worse arms a of gap_a / KL(a, best)

    with KL of Bernoulli(mean)s, or of Gaussians, gap^2 / (2 noise_sd^2). Where the best arm surely pays, or there is no
    noise, c is 0; where all arms are equal, too.

    Raises: BadValue for another family, or chances outside [0, 1].
    """
    mu = np.asarray(means, dtype=np.float64)
    gap = mu.max(axis=-1, keepdims=True) - mu
    worse = gap > 0
    if family == "gaussian":
        return np.asarray((np.where(worse, 2.0 * noise_sd**2 / np.where(worse, gap, 1.0), 0.0)).sum(axis=-1))
    if family != "bernoulli":
        raise BadValue("family", family, "'gaussian' or 'bernoulli'")
    if mu.min() < 0 or mu.max() > 1:
        raise BadValue("means", [float(mu.min()), float(mu.max())], "between 0 and 1 for Bernoulli rewards")
    best = np.broadcast_to(mu.max(axis=-1, keepdims=True), mu.shape)
    use = worse & (best < 1.0)
    kl = bernoulli_divergence(mu, np.where(use, best, 0.5))
    return np.asarray((np.where(use, gap / np.where(use, kl, 1.0), 0.0)).sum(axis=-1))


def _law(world: Any) -> tuple[str, float] | None:
    """The family of rewards where Lai and Robbins' bound holds: arms that stay, all allowed, none known beforehand."""
    family = getattr(world, "family", None)
    plain = getattr(world, "stationary", True) and getattr(world, "safe", None) is None
    if family not in ("gaussian", "bernoulli") or not plain or getattr(world, "allowed", None) is not None:
        return None
    return family, float(getattr(world, "noise_sd", 1.0))


def _times(horizon: int, points: int) -> NDArray[np.int64]:
    half = points // 2
    spaced = np.concatenate([np.linspace(1, horizon, half + points % 2), np.geomspace(1, horizon, half), [horizon]])
    every = np.arange(1, horizon + 1) if horizon <= points else np.rint(spaced)
    return np.unique(every.astype(np.int64))


def _play(
    policy: Policy,
    world: BanditWorld,
    horizon: int,
    seed: int,
    times: NDArray[np.int64],
    here: slice,
    regret: Floats,
    first_means: Floats,
    history: History | None,
) -> None:
    """The runs `here`, written into regret [M, R], first_means [R, K] and the history."""
    numbers = np.arange(here.start, here.start + world.num_envs)
    used = here.stop - here.start
    obs, info = world.reset(seed=seed, options={"copy": numbers})
    xp, where = array_namespace(obs), device(obs)
    copies = xp.asarray(numbers, device=where)
    stream = Stream(seed, "policy")
    learner = policy.learner()
    learner.begin(world.num_envs, world.num_actions, obs)
    everywhere = xp.arange(world.num_envs, device=where)
    everyone = xp.ones(world.num_envs, dtype=xp.bool, device=where)
    actions = xp.zeros((horizon, world.num_envs), dtype=xp.int64, device=where)
    weighted = getattr(learner, "weighted", False)
    chances = xp.ones((horizon if weighted else 0, world.num_envs), dtype=xp.float64, device=where)
    seen: Array = None  # [T, N, O], kept only for a learner that needs old contexts
    total = xp.zeros(world.num_envs, dtype=xp.float64, device=where)
    kept = 0
    for t in range(horizon):
        means, allowed = xp.astype(world.means, xp.float64), info.get("allowed")
        if t == 0:
            first_means[here] = _numpy(means)[:used]
        decision = policy.rule.decide(learner.evidence(obs), allowed, stream.at(copies, t))
        action = decision.action
        if weighted:
            chances[t] = decision.propensity
        may = means if allowed is None else xp.where(allowed, means, xp.full_like(means, -xp.inf))
        total = total + xp.max(may, axis=-1) - xp.take_along_axis(means, action[:, None], axis=-1)[:, 0]
        actions[t] = action
        context = obs
        obs, reward, _, _, info = world.step(action)
        late = "feedback_decision" in info
        if late:
            if learner.contextual and seen is None:
                seen = xp.zeros((horizon, *context.shape), dtype=context.dtype, device=where)
            if learner.contextual:
                seen[t] = context
            ids, paid = info["feedback_decision"], info["feedback_reward"]
            for place in range(ids.shape[1]):
                known = ids[:, place] >= 0
                if bool(xp.any(known)):
                    at = xp.where(known, ids[:, place], xp.zeros_like(ids[:, place]))
                    then = context if seen is None else seen[at, everywhere]
                    more = {"propensity": chances[at, everywhere]} if weighted else {}
                    learner.learn(then, actions[at, everywhere], paid[:, place], known, **more)
        else:
            more = {"propensity": chances[t]} if weighted else {}
            learner.learn(context, action, reward, everyone, **more)
        if history is not None:
            history.actions[t, here] = _numpy(action)[:used]
            if late:
                _file(history, here, _numpy(ids)[:used], _numpy(paid)[:used])
            else:
                history.rewards[t, here] = _numpy(reward)[:used]
        if t + 1 == times[kept]:
            regret[kept, here] = _numpy(total)[:used]
            kept += 1


def _file(history: History, here: slice, ids: NDArray[np.int64], paid: Floats) -> None:
    row, place = np.nonzero(ids >= 0)
    history.rewards[ids[row, place], here.start + row] = paid[row, place]


def _numpy(x: Array) -> NDArray[Any]:
    return np.asarray(to_device(x, "cpu"))
