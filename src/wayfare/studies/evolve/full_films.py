"""The full scale's contextual cells: people ask for a film, in words, with the raw history or with LinUCB's numbers.

    K of 10 and 30 films, T = 200; the context is a person's row of the low-rank matrix, in numbers    x RH, AG

A ratings file of your own (MovieLens) may stand in; without one the ratings are made up. Films have letters for names:
no model has an opinion of "Film C".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.agents.bandit_player import BanditPlayer, Telling
from wayfare.draws import Stream
from wayfare.explore.learners import LinearEvidence
from wayfare.explore.rules.linear import LinUCB
from wayfare.language.interface import LanguageModel, Sampling
from wayfare.studies.contract import Arrays
from wayfare.studies.evolve import Config
from wayfare.worlds.bandit_text import Scenario
from wayfare.worlds.ratings import ratings_bandit, read_ratings, synthetic_ratings
from wayfare.worlds.tables import TableBandit

__all__ = ["FILMS", "WAYS", "FilmSetting", "ask", "film_settings", "words"]

FILMS = Scenario(
    "films",
    "People come one after another, {horizon} in all, each told in numbers that stand for their taste. You show each "
    "of them one of {arms} films: {names}. You want as many {unit} in total as you can get. {close}",
    "How much a film is liked depends on the taste of who sees it, in a way that does not change.",
    tuple(f"Film {letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ") + tuple(f"Film {n}" for n in range(1, 15)),
    "stars",
    "Which film do you show next?",
)
WAYS: tuple[Literal["RH", "AG"], ...] = ("RH", "AG")
RANK, HORIZON, HELD_BACK = 5, 200, 100
TEACHER = LinUCB(alpha=0.5)


class FilmSetting(NamedTuple):
    """ratings: path of a file, or empty: made up"""

    films: int
    horizon: int
    trials: int
    ratings: str

    @property
    def name(self) -> str:
        """As it stands in tables."""
        return f"films K={self.films}"

    def world(self, seed: int) -> TableBandit:
        """The people behind the first hundred, as published."""
        ratings = read_ratings(Path(self.ratings)) if self.ratings else synthetic_ratings(1000, 100, RANK, seed=seed)
        return ratings_bandit(
            ratings, self.films, RANK, self.trials, episodes=self.horizon, people=slice(HELD_BACK, None), scaled=True
        )


def film_settings(config: Config) -> list[FilmSetting]:
    """Of the full scale; `grid_films` makes fewer, `grid_horizon` shorter ones."""
    return [
        FilmSetting(films, config.grid_horizon or HORIZON, config.trials, config.ratings) for films in config.grid_films
    ]


def words(setting: FilmSetting, way: Literal["RH", "AG"]) -> float:
    """Of a prompt in the middle of a run, about."""
    telling = Telling(FILMS, way)
    names = telling.dress.named(setting.films)
    who = len(told(np.zeros(min(RANK, setting.films))).split())
    line = who + 4 + (7 * setting.films if way == "AG" else 0)
    return len(telling.text(names, setting.horizon, "").split()) + line * (setting.horizon / 2 + 1)


def told(context: NDArray[Any]) -> str:
    """A person in numbers."""
    return "taste " + " ".join(f"{x:.2f}" for x in context)


class _Watched:
    """A world that writes down what each choice fell short of, in stars."""

    def __init__(self, world: TableBandit) -> None:
        self.world, self.lost = world, list[Tensor]()
        self.num_actions, self.num_envs, self.contexts = world.num_actions, world.num_envs, world.contexts

    def reset(self, **arguments: Any) -> Any:
        return self.world.reset(**arguments)

    def step(self, actions: Tensor) -> Any:
        means = self.world.means
        self.lost.append(means.amax(dim=1) - means.gather(1, actions.unsqueeze(1)).squeeze(1))
        return self.world.step(actions)

    def regret(self) -> NDArray[np.float64]:
        found: NDArray[np.float64] = torch.stack(self.lost).double().sum(dim=0).numpy()
        return found


def ask(speaker: LanguageModel, setting: FilmSetting, way: Literal["RH", "AG"], seed: int) -> Arrays:
    """[trials] regret in stars of the model, of LinUCB and of chance, and the share of answers that named no film."""
    watched = _Watched(setting.world(seed))
    player = BanditPlayer(speaker, Telling(FILMS, way, guide=TEACHER), Sampling(max_tokens=12, stop=("\n",)))
    played = player.play_contextual(watched, setting.horizon, seed, told)
    found = {
        "regret": watched.regret(), "unmatched": 1.0 - played.matched.mean(axis=0),
        "failed calls": played.failed.mean(axis=0), "teacher": _scripted(setting, seed, TEACHER),
        "uniform": _scripted(setting, seed, None),
    }  # fmt: skip
    return {f"{way}|{setting.name}|{name}": np.asarray(x, dtype=np.float64) for name, x in found.items()}


def _scripted(setting: FilmSetting, seed: int, rule: LinUCB | None) -> NDArray[np.float64]:
    watched = _Watched(setting.world(seed))
    seen, _ = watched.reset(seed=seed)
    wide = int(watched.contexts.shape[1])
    draws, index = Stream(seed, "policy"), np.arange(setting.trials)
    evidence = LinearEvidence(wide)
    evidence.begin(setting.trials, setting.films, seen.double())
    everyone = torch.ones(setting.trials, dtype=torch.bool)
    for t in range(setting.horizon):
        x = seen[:, :wide].double()
        if rule is None:
            arm = torch.as_tensor(draws.integers(setting.films, index, t))
        else:
            arm = rule.decide(evidence.evidence(x), None, draws.at(torch.from_numpy(index), t)).action
        seen, paid, *_ = watched.step(arm)
        evidence.learn(x, arm, paid.double(), everyone)
    return watched.regret()
