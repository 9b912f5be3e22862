"""The parts of the study that take time: simple players tuned and played, and the agents of one seed.

Each function is one cell: plain arguments in, arrays named "player|family|measure" out, one row a seed.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from wayfare.agents.meta_bandit import (
    History,
    MetaBandit,
    Reward,
    Training,
    gradient_variance,
    imitate,
    mediocre,
    play,
    reinforce,
)
from wayfare.draws import Stream
from wayfare.explore.diagnostics import (
    best_fractions,
    disagreements,
    greedy_fractions,
    min_fractions,
    pseudo_regret,
    suffix_failure_curve,
    suffix_failures,
)
from wayfare.explore.rules import (
    UCB1,
    ActionRule,
    BernoulliArms,
    BetaThompson,
    EpsilonGreedy,
    FiniteHorizonIndex,
    GaussianThompson,
    Greedy,
    MyopicBayes,
    Uniform,
)
from wayfare.worlds.replicas import BanditReplicas

__all__ = ["ALPHAS", "EPSILONS", "FAMILIES", "Setting", "agents", "measured", "players", "tune"]

Arrays = Mapping[str, NDArray[Any]]
Family = Literal["gaussian", "bernoulli"]
FAMILIES: tuple[Family, ...] = ("gaussian", "bernoulli")
ALPHAS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
EPSILONS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
TUNING_SEED, TEST = 1_000_000, 500_000_000
"""Tests are instances from TEST on: no training reaches them."""


class Report(Protocol):
    """Tells how far a cell is."""

    def __call__(self, done: float, total: float, **metrics: float) -> None: ...


Setting = dict[str, int]
"""arms, turns, long, replicas."""


def tune(report: Report, *, setting: Setting, replicas: int) -> Arrays:
    """Final regret of UCB by alpha and of epsilon-greedy by epsilon on other seeds: at `turns`, and at `long`."""
    found: dict[str, NDArray[Any]] = {}
    done, total = 0, len(ALPHAS) + len(EPSILONS)
    for name, grid in (("UCB", ALPHAS), ("epsilon", EPSILONS)):
        rows = []
        for value in grid:
            rule: ActionRule = UCB1(value) if name == "UCB" else EpsilonGreedy(value, untried=float("inf"))
            world = BanditReplicas(replicas, 1, setting["arms"], "gaussian", seed=TUNING_SEED, first=TEST)
            history = play(rule, world, setting["long"], Stream(TUNING_SEED, "policy"))
            regret = pseudo_regret(*_of(history)[::2])
            rows.append([regret[setting["turns"] - 1].mean(), regret[-1].mean()])
            done += 1
            report(done, total)
        found[f"tuning|{name}|regret"] = np.array(rows)
    return found


def players(
    report: Report, *, setting: Setting, seeds: Sequence[int], alpha: float, late_alpha: float, epsilon: float
) -> Arrays:
    """The simple players on the tests of all seeds. alpha: tuned at `turns`, the teacher's; late_alpha: at `long`."""
    inf = float("inf")
    always: dict[str, ActionRule] = {
        "UCB": UCB1(alpha), "UCB retuned": UCB1(late_alpha), "greedy": Greedy(untried=inf),
        "epsilon-greedy": EpsilonGreedy(epsilon, untried=inf), "uniform": Uniform(),
    }  # fmt: skip
    priors: dict[str, dict[str, ActionRule]] = {
        "gaussian": {"Thompson": GaussianThompson(), "myopic Bayes": MyopicBayes(),
                     "index": FiniteHorizonIndex(setting["turns"])},
        "bernoulli": {"Thompson": BetaThompson(), "myopic Bayes": MyopicBayes(BernoulliArms()),
                      "index": FiniteHorizonIndex(setting["turns"], BernoulliArms())},
    }  # fmt: skip
    rows: dict[str, list[NDArray[Any]]] = {}
    done, total = 0, len(seeds) * 2 * 9
    for seed in seeds:
        for family in FAMILIES:
            for name, rule in {**always, **priors[family]}.items():
                turns = setting["turns"] if name == "index" else setting["long"]
                history = play(rule, _test(setting, family, seed), turns, Stream(seed, "policy"))
                _keep(rows, name, family, measured(history, setting, UCB1(alpha)))
                done += 1
                report(done, total)
            crowd = mediocre(_test(setting, family, seed), setting["long"], Stream(seed, "policy"))
            _keep(rows, "mediocre", family, measured(crowd, setting, UCB1(alpha)))
            done += 1
    return {name: np.stack(values) for name, values in rows.items()}


def agents(
    report: Report,
    *,
    setting: Setting,
    seed: int,
    alpha: float,
    width: int,
    pretrain: tuple[int, float],
    imitation: int,
    reinforced: Sequence[tuple[str, Reward, float]],
    updates: tuple[int, float],
    instances: int,
    group: int,
    batches: int,
) -> Arrays:
    """The agents of one seed: the generalist, SFT-UCB where `imitation` is above 0, and from the generalist the
    `reinforced` (name, reward, gamma); and where `batches` is above 0 the variance of two rewards' gradients.

    pretrain, updates: (gradient steps, peak rate)
    """
    torch.manual_seed(seed)
    teacher = UCB1(alpha)
    done, total = 0.0, pretrain[0] + imitation + 2.0 * updates[0] * len(reinforced) + batches
    made: dict[str, MetaBandit] = {}

    def step(weight: float) -> Any:
        def told(_: int, __: int) -> None:
            nonlocal done
            done += weight
            report(min(done, total), total)

        return told

    def fresh() -> MetaBandit:
        return MetaBandit(setting["arms"], seed, width=width, context=setting["long"] + 1)

    rows = instances * group // 2
    turns = setting["turns"]
    generalist = fresh()
    imitate(generalist, mediocre, Training(pretrain[0], rows, 1, turns, pretrain[1]), step(1.0))
    if imitation:
        made["generalist"], student = generalist, fresh()
        imitate(
            student,
            lambda world, length, draws, first: play(teacher, world, length, draws, first),
            Training(imitation, rows, 1, turns, pretrain[1]),
            step(1.0),
        )
        made["SFT-UCB"] = student
    rollouts = Training(updates[0], instances, group, turns, updates[1])
    variance: dict[str, NDArray[Any]] = {}
    if batches:
        for reward in ("original", "strategic"):
            spread = gradient_variance(generalist, reward, 1.0, rollouts, teacher, batches)
            variance[f"RL-{reward}|gaussian|variance"] = np.array([spread])
    for name, reward, gamma in reinforced:
        policy = copy.deepcopy(generalist)
        reinforce(policy, reward, gamma, rollouts, teacher, step(2.0))
        made[name] = policy
    rows_of: dict[str, list[NDArray[Any]]] = {}
    for name, policy in made.items():
        for family in FAMILIES:
            history = policy.act(_test(setting, family, seed), setting["long"], Stream(seed, "policy"))
            _keep(rows_of, name, family, measured(history, setting, teacher))
        likeliest = policy.act(_test(setting, "gaussian", seed), setting["long"], None)
        _keep(rows_of, f"{name}, argmax", "gaussian", measured(likeliest, setting, teacher))
    report(total, total)
    return {name: np.stack(values) for name, values in rows_of.items()} | variance


def measured(history: History, setting: Setting, teacher: ActionRule) -> dict[str, NDArray[Any]]:
    """All that is asked of one history, means over its replicas."""
    actions, rewards, means = _of(history)
    arms, turns = setting["arms"], setting["turns"]
    regret = pseudo_regret(actions, means)
    half = len(actions) // 2 + 1
    _, lazy = disagreements(actions, rewards, arms, teacher)
    told = {
        "regret": regret[turns - 1].mean(), "long regret": regret[-1].mean(),
        "median": np.median(regret[-1]), "q90": np.quantile(regret[-1], 0.9),
        "suffix failure": np.nanmean(suffix_failures(actions, means, half)),
        "greedy": greedy_fractions(actions, rewards, arms).mean(),
        "greedy early": greedy_fractions(actions[:turns], rewards[:turns], arms).mean(),
        "best": best_fractions(actions, means).mean(), "least": min_fractions(actions, arms).mean(),
        "lazy": np.nanmean(lazy) if np.isfinite(lazy).any() else np.nan,
    }  # fmt: skip
    each = {name: np.asarray(value) for name, value in told.items()}
    return each | {"failure curve": suffix_failure_curve(actions, means), "final": regret[-1]}


def _of(history: History) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    return history.arrays()


def _test(setting: Setting, family: Family, seed: int) -> BanditReplicas:
    return BanditReplicas(setting["replicas"], 1, setting["arms"], family, seed=seed, first=TEST)


def _keep(rows: dict[str, list[NDArray[Any]]], name: str, family: str, found: Mapping[str, NDArray[Any]]) -> None:
    for measure, value in found.items():
        rows.setdefault(f"{name}|{family}|{measure}", []).append(value)
