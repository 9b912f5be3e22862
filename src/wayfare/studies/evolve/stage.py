"""Bandits and those who play them: every player of a seed meets the same arms and the same reward noise.

Trial       what a player did: actions, rewards, means, answers that named no arm
play_rule   an action rule
play_net    a net that is shown one of the three layers and answers with a word
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from wayfare.draws import Stream
from wayfare.explore.rules.epsilon_greedy import EpsilonGreedy
from wayfare.explore.rules.evidence import ActionRule, ArmTable
from wayfare.explore.rules.greedy import Greedy
from wayfare.explore.rules.play import play
from wayfare.explore.rules.thompson import BetaThompson
from wayfare.explore.rules.ucb import UCB1
from wayfare.explore.rules.uniform import Uniform
from wayfare.language.nano import Cache, Nano, sample
from wayfare.studies.evolve.dialect import CHOOSE, Layer, decimals, guide_rows, names_of, raw_start
from wayfare.worlds.varied import VariedBandit

__all__ = ["EPSILONS", "TEACHER", "Setting", "Trial", "play_net", "play_rule", "rule_of", "tables_before"]

TEACHER = UCB1(alpha=0.5)
"""mean + sqrt(0.5 ln t / n): the published teacher, alpha = 0.5 *inside* the root; arms never pulled first."""
EPSILONS = (0.02, 0.05, 0.1, 0.2, 0.3)


class Setting(NamedTuple):
    """Bernoulli bandits: one arm at 0.5 + gap / 2, the others at 0.5 - gap / 2."""

    gap: float
    arms: int
    horizon: int
    worlds: int

    @property
    def name(self) -> str:
        """As it stands in tables."""
        return f"gap {self.gap:g}, K {self.arms}"


@dataclass(frozen=True)
class Trial:
    """actions, rewards: [T, N]        means: [N, K]        unmatched: share of answers that named no arm"""

    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    means: NDArray[np.float64]
    unmatched: float = 0.0

    def regret(self) -> NDArray[np.float64]:
        """[T] cumulative, from the true means, averaged over worlds."""
        paid = np.take_along_axis(self.means, self.actions.T, axis=1)
        return np.asarray((self.means.max(axis=1, keepdims=True) - paid).mean(axis=0).cumsum())


def world_of(setting: Setting, seed: int) -> VariedBandit:
    """The bandits of a seed, at their first pull."""
    world = VariedBandit(setting.worlds, setting.arms, setting.horizon, "bernoulli", gap=setting.gap)
    world.reset(seed=seed)
    return world


def rule_of(name: str) -> ActionRule:
    """A scripted player by its name: uniform, greedy, epsilon-greedy E, teacher, Thompson."""
    if name.startswith("epsilon-greedy"):
        return EpsilonGreedy(float(name.split()[1]), untried=np.inf)
    rules: dict[str, Callable[[], ActionRule]] = {
        "uniform": Uniform, "greedy": lambda: Greedy(untried=np.inf), "teacher": lambda: TEACHER,
        "Thompson": BetaThompson,
    }  # fmt: skip
    return rules[name]()


def play_rule(rule: ActionRule, setting: Setting, seed: int) -> Trial:
    """The rule on the bandits of a seed."""
    world = world_of(setting, seed)
    means = world.means.double().numpy()

    def pull(actions: NDArray[np.int64], _: int) -> NDArray[Any]:
        return world.step(torch.from_numpy(actions))[1].numpy()

    found = play(rule, pull, setting.arms, setting.worlds, setting.horizon, seed)
    return Trial(found.actions, found.rewards, means)


def tables_before(trial: Trial) -> tuple[Tensor, Tensor]:
    """Counts and sums [T, N, K] as they were *before* each pull."""
    own = one_hot(torch.from_numpy(trial.actions), trial.means.shape[1]).double()
    paid = own * torch.from_numpy(trial.rewards).unsqueeze(-1)
    return own.cumsum(0) - own, paid.cumsum(0) - paid


def read_words(words: Tensor, names: Tensor, draws: Stream, t: int) -> tuple[Tensor, Tensor]:
    """words [N], names [N, K] -> arms [N], and whether each was named; another word is a uniformly random arm."""
    hit = names == words.unsqueeze(1)
    named = hit.any(dim=1)
    lot = torch.as_tensor(draws.integers(names.shape[1], np.arange(len(names)), t, 1))
    return torch.where(named, hit.long().argmax(dim=1), lot), named


@torch.no_grad()
def play_net(
    net: Nano, layer: Layer, setting: Setting, seed: int, ask: Callable[..., Tensor] | None = None, query: int = CHOOSE
) -> Trial:
    """The net samples a word at temperature 1 from all its words.

    ask: (names, counts, sums, value, bonus) -> prompts, in place of SH's or AG's own
    query: the word behind which RH is asked
    """
    world = world_of(setting, seed)
    means = world.means.double().numpy()
    n, arms = setting.worlds, setting.arms
    copies, draws = np.arange(n), Stream(seed, "answers")
    names = names_of(seed, copies, arms)
    counts = torch.zeros(n, arms, dtype=torch.float64)
    sums = torch.zeros_like(counts)
    cache = Cache(net, n, arms + 2 + 3 * setting.horizon) if layer == "RH" else None
    feed = raw_start(names)
    feed[:, -1] = query
    actions, rewards, missed = [], [], 0
    write = ask or (lambda *parts: guide_rows(layer, *parts))
    for t in range(setting.horizon):
        if cache is not None:
            logits = net(feed, cache=cache, last_only=True)[:, -1]
            if query != CHOOSE:  # a query that is not part of the history is taken back
                cache.crop(cache.length - 1)
        else:
            table = ArmTable(counts, sums, sums)
            prompt = write(names, counts, sums, TEACHER.value(table), TEACHER.bonus(table))
            logits = net(prompt, last_only=True)[:, -1]
        word, _ = sample(logits, torch.as_tensor(draws.uniform(copies, t)))
        arm, named = read_words(word, names, draws, t)
        reward = world.step(arm)[1].double()
        missed += int((~named).sum())
        counts.scatter_add_(1, arm.unsqueeze(1), torch.ones(n, 1, dtype=torch.float64))
        sums.scatter_add_(1, arm.unsqueeze(1), reward.unsqueeze(1))
        end = torch.full((n,), query)
        feed = torch.stack([names.gather(1, arm.unsqueeze(1)).squeeze(1), decimals(reward), end], dim=1)
        actions.append(arm)
        rewards.append(reward)
    return Trial(
        torch.stack(actions).numpy(), torch.stack(rewards).numpy(), means, missed / max(1, n * setting.horizon)
    )
