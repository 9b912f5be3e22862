"""The arms: ways to choose what a task recalls, each with the credits of its own tasks, all on the same streams.

    baseline, recency, oracle     the most relevant, the newest, the most worth; `worst` the least
    MemRL                         its rule (`memory.policy`), lambda and epsilon tuned on other streams
    epsilon, inverse gap, Thompson    learned policies without a floor
    safe mixture                  what `Memory()` does: `memory.standing.begun` with its defaults

Policies, coin, floor, shares of credit and utilities are the library's own code; only the store is an array here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Stream
from wayfare.explore.rules.floor import FloorSettings
from wayfare.explore.rules.slates import SlateMixture, Top
from wayfare.memory.credit import CreditRule, credited, shares
from wayfare.memory.policy import BASELINE, FEATURES, LEARNED, Candidates, Policy
from wayfare.memory.records import Utility
from wayfare.memory.standing import Standing, begun, coin
from wayfare.studies.recall_bandit.stage import Own, Stage, expected_reward

__all__ = ["Played", "Seen", "play_stream"]

Floats = NDArray[np.float64]
NOBODY = Utility()


@dataclass
class Played:
    """One arm on one stream, [T] each.

    value: exact mean reward of what the arm would show, before its coin and its draws
    baseline, oracle: of the most relevant and of the best set, from the same candidates
    share: of the baseline in the coin        certified: ratio to the baseline that is proved
    events: (task, name) of the floor
    """

    value: Floats
    baseline: Floats
    oracle: Floats
    share: Floats
    certified: Floats
    events: list[tuple[int, str]]


@dataclass(frozen=True)
class Seen:
    """One task of the safe mixture as its log has it, for whoever evaluates another policy."""

    candidates: Candidates
    worth: Floats
    mixtures: Mapping[str, SlateMixture]
    shares: Mapping[str, float]
    side: str
    slate: list[int]
    reward: float


class _Credits:
    """Utilities of one arm's memories."""

    def __init__(self) -> None:
        self.of: dict[int, Utility] = {}
        self.rule = CreditRule()

    def candidates(self, places: Any, relevance: Floats, age: Floats) -> Candidates:
        """As phase A of the memory gives them."""
        known = [self.of.get(place, NOBODY) for place in places.tolist()]
        features = np.zeros((len(known), len(FEATURES)))
        features[:, 0], features[:, 3] = relevance, age
        return Candidates(
            tuple(map(str, places.tolist())), (1,) * len(known), relevance, features,
            np.array([u.n for u in known]), np.array([u.total for u in known]), np.array([u.squares for u in known]),
            np.array([np.nan if u.q is None else u.q for u in known]), np.array([float(u.recalled) for u in known]),
        )  # fmt: skip

    def credit(self, shown: list[int], chances: Floats, used: list[int] | None, reward: float, t: int) -> None:
        """The reward of a task falls to what it used, or else to what it showed."""
        rows = [(place, i, float(chance)) for i, (place, chance) in enumerate(zip(shown, chances, strict=True), 1)]
        split, basis = shares(self.rule, rows, used)
        for place in shown:
            before = self.of.get(place, NOBODY)
            seen = replace(before, recalled=before.recalled + 1)
            self.of[place] = credited(seen, split.get(place, 0.0), reward, float(t), basis == "used")


def play_stream(
    stage: Stage,
    arm: str,
    policy: Policy | None = None,
    *,
    settings: FloorSettings | None = None,
    own: bool = False,
    see: Callable[[int, Seen], None] | None = None,
) -> Played:
    """Play one stream.

    arm: baseline, recency, oracle, worst, policy or safe mixture
    policy: of the arm `policy`, or the incumbent of the mixture
    settings: of the floor        own: the arm writes what came of its tasks        see: is told of each task of `safe`
    """
    setting = stage.setting
    tasks, k, kind = setting.tasks, setting.k, setting.reward
    rows = np.zeros((5, tasks))  # those of `Played`
    events: list[tuple[int, str]] = []
    source: Stage | Own = Own(stage) if own else stage
    credits = _Credits()
    standing = begun(policy or LEARNED, settings or FloorSettings()) if arm == "safe mixture" else None
    sides = {arm: 1.0} if standing is None else standing.shares()
    recall, slates = Stream(stage.seed, "recall"), Stream(stage.seed, "slate")
    for t in range(tasks):
        places, relevance, worth = source.candidates(t)
        candidates = credits.candidates(places, relevance, np.zeros(len(places)))
        base = SlateMixture(BASELINE.parts(candidates, k, recall.at(t)), k)
        best = SlateMixture([(1.0, Top(worth))], k)
        if standing is not None:
            policies = standing.policies()
            mixtures = {
                side: base if side == "baseline" else SlateMixture(policies[side].parts(candidates, k, recall.at(t)), k)
                for side in sides
            }
            side = coin(sides, standing.epoch, f"{stage.seed} {t}")
        else:
            side = arm
            mixtures = {arm: _mixture(arm, policy, source, places, worth, candidates, base, best, k, recall.at(t))}
        slate, _ = mixtures[side].sample(slates.at(t))
        worths = {name: expected_reward(mixture, worth, kind) for name, mixture in mixtures.items()}
        rows[0, t] = sum(share * worths[name] for name, share in sides.items())
        rows[1, t] = worths.get("baseline", np.nan)
        if "baseline" not in worths:
            rows[1, t] = expected_reward(base, worth, kind)
        rows[2, t] = expected_reward(best, worth, kind)
        followed = (
            slate[int(stage.follows[t] * len(slate))] if kind == "additive" else max(slate, key=worth.__getitem__)
        )
        reward = float(stage.luck[t] < worth[followed])
        if standing is not None:
            rows[3, t], rows[4, t] = sides.get("baseline", 0.0), standing.floor.certified
            if see is not None:
                see(t, Seen(candidates, worth, mixtures, dict(sides), side, slate, reward))
        inclusion = sum(share * mixtures[name].inclusion() for name, share in sides.items())
        used = [int(places[followed])] if setting.used else None
        credits.credit(places[slate].tolist(), np.asarray(inclusion)[slate], used, reward, t)
        if isinstance(source, Own):
            source.see(t, reward)
        if standing is not None:
            before = len(events)
            standing = _outcome(standing, mixtures, sides, slate, reward, t, events)
            if len(events) > before:  # nothing else moves the shares
                sides = standing.shares()
    return Played(rows[0], rows[1], rows[2], rows[3], rows[4], events)


def _mixture(
    arm: str,
    policy: Policy | None,
    source: Stage | Own,
    places: Any,
    worth: Floats,
    candidates: Candidates,
    base: SlateMixture,
    best: SlateMixture,
    k: int,
    draws: Any,
) -> SlateMixture:
    """Of an arm that is one policy."""
    if policy is not None:
        return SlateMixture(policy.parts(candidates, k, draws), k)
    if arm == "recency":
        return SlateMixture([(1.0, Top(_written(source, places)))], k)
    if arm == "worst":
        return SlateMixture([(1.0, Top(-worth))], k)
    return base if arm == "baseline" else best


def _written(source: Stage | Own, places: Any) -> Floats:
    """[n] when each was written."""
    stage = source.stage if isinstance(source, Own) else source
    born = np.concatenate([stage.born, np.array(source.born, np.int64)]) if isinstance(source, Own) else stage.born
    return np.asarray(born[places], np.float64)


def _outcome(
    standing: Standing,
    mixtures: Mapping[str, SlateMixture],
    sides: Mapping[str, float],
    slate: list[int],
    reward: float,
    t: int,
    events: list[tuple[int, str]],
) -> Standing:
    """The floor hears of it, as `memory.standing` lets it; where policies change, the coin is thrown anew."""
    chances = {name: float(mixture.probability(slate)) for name, mixture in mixtures.items()}
    for event in standing.floor.update(reward, chances, sides):
        events.append((t, event.name))
        if event.name in ("alarm", "retired"):
            standing = replace(standing, epoch=standing.epoch + 1)
    return standing
