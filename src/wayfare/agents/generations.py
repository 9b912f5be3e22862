"""A policy in generations: serve with exploration, log, refit on what was logged, freeze, serve again.

    0. The first wave is served uniformly.
    1. f_g is fitted to the last W waves' worth of decisions whose reward has arrived (all of them for W = None). One
       that has not arrived is no failure: its decision waits.
    2. Wave g is served by a rule over the scores of f_g, frozen for the wave: for inverse gap weighting with
       gamma = c sqrt(K m), m the rows that f_g was fitted to.
    3. Each decision is logged with its propensity.

S seeds go side by side. What a policy is worth is exact: its chances against the true ones, on contexts of their own.

Source: Vangara & Egg 2024 (arXiv 2412.00569), section on batched deployment; gamma in batches is our choice (there it
is not given).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules import ActionRule, EpsilonGreedy, FastCB, Greedy, Scores, SquareCB, Uniform, gamma_at
from wayfare.learn.success import SuccessModel
from wayfare.worlds.success import SuccessBandit, Wave

__all__ = ["Generation", "How", "generations", "rule_for"]

Name = Literal["uniform", "epsilon", "SquareCB", "FastCB", "greedy"]


@dataclass(frozen=True)
class How:
    """How a policy explores and what it remembers.

    rule: its name        strength: c of gamma = c sqrt(K m), or epsilon; of no meaning to uniform and greedy
    memory: W, waves that a model is fitted to; None: all        hidden: width of the model; 0: linear
    """

    rule: Name
    strength: float = 1.0
    memory: int | None = 1
    hidden: int = 16

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        if self.rule not in ("uniform", "epsilon", "SquareCB", "FastCB", "greedy"):
            raise BadValue("rule", self.rule, "uniform, epsilon, SquareCB, FastCB or greedy")
        if not 0 <= self.strength < float("inf"):
            raise BadValue("strength", self.strength, "finite and at least 0")
        if self.memory is not None and self.memory < 1:
            raise BadValue("memory", self.memory, "at least 1, or None for all waves")


@dataclass(frozen=True)
class Generation:
    """One wave of S seeds. scores: [S, T, K] of its model; None in the first wave.

    actions, propensities, successes: [S, T]
    served, greedy: [S] exact value of the policy that served, and of its model taken greedily (NaN in the first wave)
    entropy: [S] mean entropy of the serving policy, in nats
    """

    wave: Wave
    scores: Tensor | None
    actions: Tensor
    propensities: Tensor
    successes: Tensor
    served: Tensor
    greedy: Tensor
    entropy: Tensor
    model: SuccessModel | None


def rule_for(how: How, actions: int, rows: int) -> ActionRule:
    """The rule of a generation whose model was fitted to `rows` rows; uniform before there is any."""
    if how.rule == "uniform" or rows == 0:
        return Uniform()
    if how.rule == "greedy":
        return Greedy()
    if how.rule == "epsilon":
        return EpsilonGreedy(how.strength)
    gamma = gamma_at(rows, actions, scale=how.strength)
    return SquareCB(gamma) if how.rule == "SquareCB" else FastCB(gamma)


def generations(
    world: SuccessBandit,
    how: How,
    seeds: Sequence[int],
    *,
    waves: int,
    requests: int,
    there: Sequence[float],
    judged: int = 20_000,
    delay: int = 0,
    fit: dict[str, Any] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> list[Generation]:
    """Serve `waves` waves of `requests` requests; the world has been reset with one copy a seed.

    there: [K] chance that each action is allowed        judged: contexts on which policies are judged
    delay: requests after which a reward arrives        fit: further arguments of `SuccessModel`

    Raises: BadValue for fewer than 1 wave or request, or a delay below 0.
    """
    if delay < 0:
        raise BadValue("delay", delay, "at least 0")
    for field, value in (("waves", waves), ("requests", requests), ("judged", judged)):
        if value < 1:
            raise BadValue(field, value, "at least 1")
    actions = world.num_actions
    exam = world.wave(waves * requests, judged, there)
    stream = Stream(torch.tensor(list(seeds), device=world.device).unsqueeze(1), "policy")
    places = torch.arange(requests, device=world.device)
    done: list[Generation] = []
    for g in range(waves):
        wave = world.wave(g * requests, requests, there)
        known = max(0, g * requests - delay)
        first = 0 if how.memory is None else max(0, known - how.memory * requests)
        model = _fitted(world, how, seeds, done, slice(first, known), g, fit or {}) if known else None
        rule = rule_for(how, actions, known - first)
        scores = None if model is None else model.scores(wave.contexts)
        shown = Scores(torch.zeros_like(wave.chances) if scores is None else scores)
        decision = rule.decide(shown, wave.allowed, stream.at(places, g))
        served, entropy = _judged(rule, model, exam)
        greedy = torch.full_like(served, torch.nan) if model is None else _judged(Greedy(), model, exam)[0]
        done.append(
            Generation(
                wave, scores, decision.action, decision.propensity, wave.outcomes(decision.action), served, greedy,
                entropy, model,
            )
        )  # fmt: skip
        if report is not None:
            report(g + 1, waves)
    return done


def _fitted(
    world: SuccessBandit,
    how: How,
    seeds: Sequence[int],
    done: Sequence[Generation],
    rows: slice,
    number: int,
    fit: dict[str, Any],
) -> SuccessModel:
    """Fit `number`, to the rows of the log between two clocks."""
    model = SuccessModel(seeds, world.dimension, world.num_actions, hidden=how.hidden, device=world.device, **fit)
    contexts = torch.cat([one.wave.contexts for one in done], dim=1)[:, rows]
    actions, successes = (
        torch.cat([getattr(one, of) for one in done], dim=1)[:, rows] for of in ("actions", "successes")
    )
    model.fit(contexts, actions, successes, number)
    return model


def _judged(rule: ActionRule, model: SuccessModel | None, exam: Wave) -> tuple[Tensor, Tensor]:
    """[S] exact value and mean entropy of a policy on the contexts of `exam`."""
    scores = torch.zeros_like(exam.chances) if model is None else model.scores(exam.contexts)
    p = rule.propensities(Scores(scores), exam.allowed)
    return (p * exam.chances).sum(dim=2).mean(dim=1), -torch.special.xlogy(p, p).sum(dim=2).mean(dim=1)
