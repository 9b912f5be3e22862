"""The contextual bandit: made-up people ask for a film, rewards are stars / 5, low-rank and without noise.

LinUCB with alpha 0.5 a star is the teacher. AG shows its two numbers of each film for the person who asks now; RH shows
who asked, what was chosen and what it paid, the newest pulls first to go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.draws import Stream
from wayfare.explore.learners import LinearEvidence
from wayfare.explore.rules.greedy import Greedy
from wayfare.explore.rules.linear import LinUCB
from wayfare.language.nano import Nano, sample
from wayfare.studies.evolve.dialect import decimals, names_of, raw_start, rows
from wayfare.studies.evolve.lessons import FIRST, SUM
from wayfare.studies.evolve.stage import read_words
from wayfare.worlds.ratings import ratings_bandit, synthetic_ratings
from wayfare.worlds.tables import TableBandit

__all__ = ["FilmTrial", "ask_films", "play_linear"]

RANK = 5
STARS = 5.0
TEACHER = LinUCB(alpha=0.5 / STARS)
SHOWN = 30
"""Pulls that a raw history shows at most."""


@dataclass(frozen=True)
class FilmTrial:
    """regret: [T] cumulative, in stars / 5, mean over worlds        unmatched: share of answers that named no film"""

    regret: NDArray[np.float64]
    unmatched: float = 0.0


class Films:
    """N copies of the world of a seed, and what LinUCB knows of each."""

    def __init__(self, films: int, horizon: int, copies: int, seed: int) -> None:
        ratings = synthetic_ratings(400, 60, RANK, seed=seed)
        self.world: TableBandit = ratings_bandit(
            ratings, films, RANK, copies, episodes=horizon, people=slice(100, None), scaled=True, permuted=True
        )
        seen, _ = self.world.reset(seed=seed)
        self._wide = min(RANK, films)
        self.evidence = LinearEvidence(self._wide)
        self.context = seen[:, : self._wide].double()
        self.evidence.begin(copies, films, self.context)
        self.known = torch.ones(copies, dtype=torch.bool)
        self.regret: list[float] = []

    def pull(self, arm: Tensor) -> Tensor:
        """Rewards [N]; the evidence learns them."""
        values = self.world.table[self.world.rows].gather(1, self.world.order)
        seen, reward, *_ = self.world.step(arm)
        lost = values.amax(dim=1) - values.gather(1, arm.unsqueeze(1)).squeeze(1)
        self.regret.append(float(lost.mean()) / STARS)
        reward = reward.double() / STARS
        self.evidence.learn(self.context, arm, reward, self.known)
        self.context = seen[:, : self._wide].double()
        return reward

    def ended(self, unmatched: float = 0.0) -> FilmTrial:
        """What came of it."""
        return FilmTrial(np.cumsum(self.regret), unmatched)


def play_linear(player: str, films: int, horizon: int, copies: int, seed: int) -> FilmTrial:
    """player: uniform, greedy or LinUCB."""
    stage = Films(films, horizon, copies, seed)
    draws = Stream(seed, "policy")
    index = torch.arange(copies)
    for t in range(horizon):
        if player == "uniform":
            arm = torch.as_tensor(draws.integers(films, np.arange(copies), t))
        else:
            rule = TEACHER if player == "LinUCB" else Greedy()
            arm = rule.decide(stage.evidence.evidence(stage.context), None, draws.at(index, t)).action
        stage.pull(arm)
    return stage.ended()


@torch.no_grad()
def ask_films(net: Nano, layer: Literal["RH", "AG"], films: int, horizon: int, copies: int, seed: int) -> FilmTrial:
    """A reader of tables, asked for the largest sum of the two numbers (AG), or with the raw history."""
    stage = Films(films, horizon, copies, seed)
    draws, index = Stream(seed, "answers"), np.arange(copies)
    names = names_of(seed, index, films)
    lines: list[Tensor] = []
    missed = 0
    for t in range(horizon):
        now = decimals(stage.context)
        if layer == "AG":
            table = stage.evidence.evidence(stage.context)
            prompt = rows(names, decimals(TEACHER.value(table)), decimals(TEACHER.bonus(table)))  # type: ignore[arg-type]
            prompt[:, -1] = SUM
        else:
            ask = torch.full((copies, 1), FIRST)
            prompt = torch.cat([raw_start(names)[:, :-1], *lines[-SHOWN:], now, ask], dim=1)
        word, _ = sample(net(prompt, last_only=True)[:, -1], torch.as_tensor(draws.uniform(index, t)))
        arm, named = read_words(word, names, draws, t)
        missed += int((~named).sum())
        reward = stage.pull(arm)
        said = names.gather(1, arm.unsqueeze(1))
        lines.append(torch.cat([now, said, decimals(reward).unsqueeze(1)], dim=1))
    return stage.ended(missed / max(1, copies * horizon))
