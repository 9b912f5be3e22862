"""Where one choice of a case decides which can be chosen next: learned soft values against exact ones.

Three steps. In the first state one of the bank's cases is chosen; it leads to one of `WIDE` states with banks of their
own, the choice there to one of `WIDE` others, the choice there ends the episode. Every step has a reward, the
last the largest. States and cases are random vectors; the net sees pairs of them, as it sees queries and cases.

The player draws by exp(Q / alpha) from what it has learned so far, and learns by temperature-weighted backups with a
delayed target from a replay of its own episodes. What is reported is the largest error of Q over all pairs that can be
met, against `soft_value_iteration`, which knows the problem. This is the part of the method that the released code,
with its one decision a task, does not exercise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.draws import Stream
from wayfare.learn.case_learner import Ahead, CaseBatch, CaseLearner
from wayfare.learn.case_values import CaseValueNet
from wayfare.learn.soft_values import soft_policy, soft_value_iteration
from wayfare.studies.agentfly.cells import Report

__all__ = ["BACKUPS", "Problem", "exact", "follow", "problem"]

WIDE, CASES, VECTOR = 3, 8, 8
STATES = 1 + 2 * WIDE
STEPS, EPISODES, BATCH = 3, 8, 64
DISCOUNT, ALPHA = 0.9, 0.2
SHARE = 0.6
"""Chance of a case to be in a state's bank; the first two always are."""
BACKUPS: Mapping[str, tuple[float, float]] = {
    "soft backup": (DISCOUNT, ALPHA), "max backup": (DISCOUNT, 0.0), "no backup": (0.0, ALPHA)
}  # fmt: skip
"""(discount, temperature) of the targets."""


class Problem(NamedTuple):
    """Of S seeds. X states, N cases.

    reward: [S, X, N]        leads: [S, X, N] next state, -1 where the episode ends        allowed: [S, X, N] bool
    states: [S, X, V]        cases: [S, N, V]
    """

    reward: Tensor
    leads: Tensor
    allowed: Tensor
    states: Tensor
    cases: Tensor


def problem(seeds: Sequence[int]) -> Problem:
    """One random problem a seed."""
    rows: list[list[NDArray[Any]]] = []
    x, n = np.arange(STATES)[:, None], np.arange(CASES)
    stage = np.array([0] + [1] * WIDE + [2] * WIDE)
    for seed in seeds:
        gain = Stream(seed, "gain").uniform(x, n) * np.array([0.1, 0.3, 1.0])[stage][:, None]
        leads = Stream(seed, "leads").integers(WIDE, x, n) + np.array([1, 1 + WIDE, 0])[stage][:, None]
        leads[stage == 2] = -1
        leads[0, :WIDE] = 1 + np.arange(WIDE)  # every state can be reached
        leads[1, 0], leads[2, 0], leads[3, 0] = 1 + WIDE, 2 + WIDE, 3 + WIDE
        allowed = (Stream(seed, "allowed").uniform(x, n) < SHARE) | (n < 2)
        allowed[0] = True
        vectors = [Stream(seed, name).normal(np.arange(size)[:, None], np.arange(VECTOR)) for name, size in
                   (("state", STATES), ("case", CASES))]  # fmt: skip
        rows.append([gain, leads, allowed, *vectors])
    gain, leads, allowed, states, cases = (torch.from_numpy(np.stack(each)) for each in zip(*rows, strict=True))
    return Problem(gain, leads, allowed, states.float(), cases.float())


def exact(of: Problem) -> Tensor:
    """Q* [S, X, N]."""
    found = []
    for reward, leads, allowed in zip(of.reward, of.leads, of.allowed, strict=True):
        transition = torch.zeros(STATES, CASES, STATES, dtype=torch.float64)
        transition.scatter_(2, leads.clamp_min(0).unsqueeze(2), (leads >= 0).double().unsqueeze(2))
        found.append(
            soft_value_iteration(reward, transition, discount=DISCOUNT, temperature=ALPHA, allowed=allowed)
        )  # fmt: skip
    return torch.stack(found)


def follow(
    report: Report, *, name: str, seeds: Sequence[int], updates: int, discount: float, temperature: float
) -> Mapping[str, NDArray[Any]]:
    """Learn by playing. discount, temperature: of the targets

    Measures: error [seeds] of the end, course [seeds, 20] of the way
    """
    of = problem(seeds)
    truth = exact(of)
    rows = torch.arange(len(seeds))
    net = CaseValueNet(width=VECTOR, hidden=64, dropout=0.0, values="return", seeds=seeds).eval()
    learner = CaseLearner(
        net, mode="td", learning_rate=1e-2, weight_decay=0.0, updates=updates, discount=discount,
        temperature=temperature, tau=0.05,
    )  # fmt: skip
    every = (of.states.unsqueeze(2).expand(-1, -1, CASES, -1), of.cases.unsqueeze(1).expand(-1, STATES, -1, -1))
    query, case = (each.reshape(len(seeds), STATES * CASES, VECTOR) for each in every)
    choices, drawn = [Stream(seed, "choice") for seed in seeds], [Stream(seed, "replay") for seed in seeds]
    seen_state = torch.zeros(len(seeds), updates * EPISODES * STEPS, dtype=torch.int64)
    seen_case, count, course = torch.zeros_like(seen_state), 0, []
    for update in range(updates):
        with torch.no_grad():
            q = net.q(query, case).view(len(seeds), STATES, CASES)
            mu = soft_policy(q, ALPHA, of.allowed)
        state = torch.zeros(len(seeds), EPISODES, dtype=torch.int64)
        for step in range(STEPS):
            uniforms = torch.tensor(np.stack([stream.uniform(update, np.arange(EPISODES), step) for stream in choices]))
            chances = mu[rows.unsqueeze(1), state].double()
            chosen = (chances.cumsum(dim=-1) < uniforms.unsqueeze(2) * chances.sum(-1, keepdim=True)).sum(dim=-1)
            chosen = chosen.clamp(max=CASES - 1)
            seen_state[:, count : count + EPISODES], seen_case[:, count : count + EPISODES] = state, chosen
            count += EPISODES
            state = of.leads[rows.unsqueeze(1), state, chosen].clamp_min(0)
        places = torch.tensor(np.stack([stream.integers(count, update, np.arange(BATCH)) for stream in drawn]))
        s, c = seen_state.gather(1, places), seen_case.gather(1, places)
        reached = of.leads[rows.unsqueeze(1), s, c]
        after = reached.clamp_min(0)
        learner.update(
            CaseBatch(
                of.states[rows.unsqueeze(1), s], of.cases[rows.unsqueeze(1), c],
                of.reward[rows.unsqueeze(1), s, c].float(),
                ahead=Ahead(
                    of.states[rows.unsqueeze(1), after], of.cases.unsqueeze(1).expand(-1, BATCH, -1, -1),
                    of.allowed[rows.unsqueeze(1), after], reached < 0,
                ),
            )
        )  # fmt: skip
        if (update + 1) * 20 // updates > update * 20 // updates:
            with torch.no_grad():
                off = (net.q(query, case).view(truth.shape).double() - truth).abs()
            course.append(torch.where(of.allowed, off, 0.0).amax(dim=(1, 2)))
            report(update + 1, updates, error=float(course[-1].mean()))
    return {f"{name}|error": course[-1].numpy(), f"{name}|course": torch.stack(course, dim=1).numpy()}
