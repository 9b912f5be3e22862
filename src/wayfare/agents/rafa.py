"""Reason for the future, act for now: plan several steps ahead with what memory has taught, do only the first, remember
what really happened, and plan again.

    agent = Rafa(belief, WAYS["RAFA mean"], seeds)      # B runs side by side
    actions = agent.act(state)
    agent.observe(state, actions, reached, reward, over=over, failed=failed)

`belief` says what memory teaches (`wayfare.agents.beliefs`); plans are made from its *snapshot*, which is renewed by
the switching condition (posterior moved by about one bit) and at a failed episode's end, when the published loop writes
a reflection into the prompt. The state that is planned from is always the true one, and what is remembered is always
the real transition. Other ways to join memory, plan and act, for comparison, differ in the fields of `Way` alone:

    RAFA mean | optimistic | sampled    the model that is planned in
    entropy rule alone    as RAFA mean, never renewed at a failed end
    divergence B          as RAFA mean, moved meaning that now is B bits away from the snapshot (ours; finite classes)
    every step            renewed whenever the belief changes
    open loop             a whole plan of `depth` actions is carried out, then renewed
    reactive              looks one step ahead
    reflexion             renewed between episodes only, failed or not
    no memory             plans with the prior
    PSRL                  one posterior sample an episode; without episodes, while episodes grow by at most one step
                          each and no count doubles
    UCRL                  the most optimistic model that is still plausible, renewed as counts double, or each episode
    epsilon-greedy        RAFA mean, and a random action with chance 0.1

Sources: Liu et al. 2023 (arXiv 2309.17382); PSRL Strens 2000, Osband et al. 2013, dynamic episodes Ouyang et al. 2017
(arXiv 1709.04570); UCRL2 Jaksch, Ortner & Auer 2010; Reflexion Shinn et al. 2023 (arXiv 2303.11366).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from wayfare.agents.beliefs import Belief, Form
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.learn.lookahead import likely_path

__all__ = ["WAYS", "Rafa", "Renewal", "Way"]

Renewal = Literal["switching", "entropy", "divergence", "every step", "never", "episode", "growing", "plan"]
AHEAD = 256  # steps whose draws are made at once
TIED = 1e-9


@dataclass(frozen=True)
class Way:
    """How memory, plan and act are joined.

    form: of the model that is planned in
    renewal: of the snapshot
        switching: moved, or a failed episode        entropy: moved alone        every step; never
        divergence: `bits` away, or a failed episode        plan: when a plan has been carried out
        episode: at an episode's end, or moved where there are none
        growing: at an episode's end, or by PSRL's dynamic episodes where there are none
    depth: U, None for the agent's        epsilon: chance of a random action
    open_loop: the whole plan is carried out, not its first action alone

    Raises: BadValue for the first field out of range.
    """

    form: Form = "mean"
    renewal: Renewal = "switching"
    depth: int | None = None
    epsilon: float = 0.0
    open_loop: bool = False
    bits: float = 1.0

    def __post_init__(self) -> None:
        for field, kind in (("form", Form), ("renewal", Renewal)):
            if getattr(self, field) not in get_args(kind):
                raise BadValue(field, getattr(self, field), f"one of {', '.join(get_args(kind))}")
        if self.depth is not None and self.depth < 1:
            raise BadValue("depth", self.depth, "at least 1")
        if not 0 <= self.epsilon <= 1:
            raise BadValue("epsilon", self.epsilon, "between 0 and 1")
        if self.bits < 0:
            raise BadValue("bits", self.bits, "at least 0")


WAYS = {
    "RAFA mean": Way(),
    "RAFA optimistic": Way("optimistic"),
    "RAFA sampled": Way("sampled"),
    "entropy rule alone": Way(renewal="entropy"),
    "divergence 1": Way(renewal="divergence"),
    "divergence 0.1": Way(renewal="divergence", bits=0.1),
    "every step": Way(renewal="every step"),
    "every step optimistic": Way("optimistic", "every step"),
    "open loop": Way(renewal="plan", open_loop=True),
    "reactive": Way(renewal="every step", depth=1),
    "reflexion": Way(renewal="episode"),
    "no memory": Way(renewal="never"),
    "PSRL": Way("sampled", "growing"),
    "UCRL": Way("extended", "episode"),
    "epsilon-greedy": Way(epsilon=0.1),
}


class Rafa:
    """B runs of one way.

    belief: what memory teaches; owned by the agent from now on
    seeds: [B] of ties, coins and samples        episodic: whether the world has inner episodes

    refreshes: [B] snapshots taken after the first        expansions: state-action pairs valued in plans, in all
    """

    def __init__(
        self, belief: Belief, way: Way, seeds: Sequence[int], *, depth: int = 20, episodic: bool = True
    ) -> None:
        self.belief, self.way, self.episodic = belief, way, episodic
        self.depth = way.depth or depth
        runs = len(seeds)
        self.seeds = torch.tensor(list(seeds))
        self.refreshes = torch.zeros(runs)
        self.expansions = 0
        self._rows = torch.arange(runs)
        self._step = 0
        self._draws = torch.zeros(0, 3, runs)
        self._q = self._model = torch.zeros(0)
        self._path = torch.zeros(runs, self.depth, dtype=torch.int64)
        self._left = torch.zeros(runs, dtype=torch.int64)  # actions of the path still to be carried out
        self._age = torch.zeros(runs, dtype=torch.int64)
        self._before = torch.zeros(runs, dtype=torch.int64)
        self._plan(self._rows)

    def act(self, state: Tensor) -> Tensor:
        """[B] actions, the first of the best plan from `state` [B]; of equals one at random."""
        tie, coin, which = self._drawn()
        if self.way.open_loop:
            done = (self._left == 0).nonzero().squeeze(1)
            if len(done):
                self._renew(done)
                self._path[done] = likely_path(self._model[done], self._q[done], state[done], self.depth)
                self._left[done] = self.depth
            actions = self._path[self._rows, self.depth - self._left]
            self._left -= 1
        else:
            q = self._q[self._rows, state]
            best = q >= q.amax(dim=1, keepdim=True) - TIED
            rank = best.cumsum(dim=1)
            wanted = (tie * rank[:, -1]).long() + 1
            actions = ((rank == wanted.unsqueeze(1)) & best).double().argmax(dim=1)
        if self.way.epsilon:
            actions = torch.where(coin < self.way.epsilon, (which * self._q.shape[2]).long(), actions)
        self._step += 1
        return actions

    def observe(
        self, state: Tensor, actions: Tensor, reached: Tensor, reward: Tensor, *, over: Tensor, failed: Tensor
    ) -> None:
        """Remember what really happened, and renew the snapshots that are due.

        state, actions, reached: [B] int64        reward: [B]        over, failed: [B] bool, of the inner episode

        Raises: BadValue naming a transition that the belief holds impossible.
        """
        changed = self.belief.observe(state, actions, reached, reward)
        self._age += 1
        self._left = self._left.masked_fill(over, 0)
        due = self._due(changed, over, failed).nonzero().squeeze(1)
        if len(due):
            self._renew(due)

    def _due(self, changed: Tensor, over: Tensor, failed: Tensor) -> Tensor:
        renewal = self.way.renewal
        if renewal == "switching":
            return self.belief.moved() | failed
        if renewal == "entropy":
            return self.belief.moved()
        if renewal == "divergence":
            return self.belief.diverged(self.way.bits) | failed
        if renewal == "every step":
            return changed
        if renewal == "episode":
            return over if self.episodic else self.belief.moved()
        if renewal == "growing":
            return over if self.episodic else self.belief.moved() | (self._age > self._before)
        return torch.zeros_like(over)

    def _renew(self, rows: Tensor) -> None:
        self.belief.refresh(rows)
        self.refreshes[rows] += 1
        self._before[rows], self._age[rows] = self._age[rows], 0
        self._plan(rows)

    def _plan(self, rows: Tensor) -> None:
        q, model = self.belief.plan(rows, self.way.form, self.depth, self._step)
        if len(self._q) == 0:
            self._q, self._model = q, model
        else:
            self._q[rows], self._model[rows] = q, model
        self.expansions += q.numel() * self.depth

    def _drawn(self) -> Tensor:
        """[3, B] uniforms of this step; many steps are drawn at once."""
        ahead = self._step % AHEAD
        if ahead == 0:
            steps = torch.arange(self._step, self._step + AHEAD).view(-1, 1, 1)
            lanes = torch.arange(3).view(1, -1, 1)
            self._draws = Stream(self.seeds, "act").uniform(torch.zeros_like(self.seeds), steps, lanes)
        return self._draws[ahead]
