"""Tabular decision processes of a fixed horizon: S states, A actions, and a table for each of the H steps.

    TabularMDP(transitions, rewards)    any tables
    RandomMDP(states, actions, horizon) tables drawn anew for each block:
                                        P_h(. | s, a) proportional to u^4,  r_h(s, a) = u^2,  u uniform in (0, 1)

Every inner episode starts in one state and takes H steps, so that all copies are at the same step. `optimal_value` and
`value_of` are exact: dynamic programming on the tables.

A power above 1 makes a few successors likely and most rewards small, so that plans matter. With `worst_first` the
actions of each state and step are numbered by their optimal value, the worst 0: whoever breaks ties towards low numbers
pays for it.

Source: random processes as in the study of Li, Huang, Shen & Yang 2023 (arXiv 2306.06265), sizes and powers ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.worlds.boundary import Boundary
from wayfare.worlds.planning import optimal_values, policy_values
from wayfare.worlds.world import Law, Shown, World, number, places, uniform, whole

__all__ = ["RandomMDP", "TabularMDP"]


class TabularMDP(World):
    """N copies of tabular processes.

    transitions: [H, S, A, S], or [N, H, S, A, S] one a copy; rows sum to 1
    rewards: [H, S, A] or [N, H, S, A], in [0, 1], paid surely
    episodes: of a block; law, most_episodes, boundary: see `World`
    start: the state in which episodes start

    Observation: [S + H] one-hot of the state, then of the step (zeros after the last). `info["expected_reward"]` [N] is
    the reward; `info["state"]` [N] int64 the state reached, at an episode's end too, where the observation already
    shows the next start.

    Raises: BadValue for the first argument out of range, with the place of a row that is no distribution.
    """

    reward_bound = 1.0

    def __init__(
        self,
        transitions: ArrayLike | Tensor,
        rewards: ArrayLike | Tensor,
        num_envs: int = 1,
        episodes: int | Sequence[int] | Tensor = 200,
        *,
        start: int = 0,
        law: Law = "fixed",
        most_episodes: int | None = None,
        boundary: Shown = "hidden",
        device: str | torch.device = "cpu",
        lanes: int = 1,
    ) -> None:
        whole("num_envs", num_envs, 1)
        p, r = _tables(transitions, rewards, num_envs)
        self.horizon, self.states, actions = r.shape[1:]
        if whole("start", start, 0) >= self.states:
            raise BadValue("start", start, f"between 0 and {self.states - 1}")
        self.start = start
        super().__init__(
            num_envs,
            columns=self.states + self.horizon,
            actions=actions,
            episodes=episodes,
            steps=self.horizon,
            law=law,
            most_episodes=most_episodes,
            boundary=boundary,
            device=device,
            lanes=lanes,
        )
        self._rewards = torch.zeros(num_envs, self.horizon, self.states, actions, dtype=torch.float64)
        self._rewards = self._rewards.to(self.device)
        self._transitions = self._rewards.new_zeros(*self._rewards.shape, self.states)
        self._edges = torch.zeros_like(self._transitions)
        self._set(p.to(self.device), r.to(self.device), None)
        self._step = 0
        self._state = torch.full((num_envs,), start, device=self.device)
        self._bases = torch.arange(num_envs, device=self.device) * self.horizon * self.states
        step = torch.cat([torch.eye(self.horizon), torch.zeros(1, self.horizon)]).repeat_interleave(self.states, dim=0)
        self._sights = torch.cat([torch.eye(self.states).repeat(self.horizon + 1, 1), step], dim=1).to(self.device)

    @property
    def transitions(self) -> Tensor:
        """[N, H, S, A, S] float64, the truth of the current blocks."""
        return self._transitions.clone()

    @property
    def rewards(self) -> Tensor:
        """[N, H, S, A] float64."""
        return self._rewards.clone()

    @property
    def state(self) -> Tensor:
        """[N] int64 where each copy is."""
        return self._state.clone()

    def optimal_value(self) -> Tensor:
        """[N] float64: expected reward of an episode under the best policy of the current block."""
        return optimal_values(self._transitions, self._rewards)[1][:, 0, self.start]

    def value_of(self, policy: Tensor) -> Tensor:
        """[N] float64: expected reward of an episode under policy [N or 1, H, S, A]."""
        return policy_values(self._transitions, self._rewards, policy)[:, 0, self.start]

    def oracle_return(self) -> Tensor:
        """See `World.oracle_return`: `optimal_value` as float32."""
        return self.optimal_value().float()

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """See `World.reset`; `info["state"]` [N] is the start."""
        obs, info = super().reset(seed=seed, options=options)
        self._step = 0
        self._state = torch.full_like(self._state, self.start)
        return obs, {**info, "state": self._state.clone()}

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Take actions [N]. Raises: BadValue for an action that is not there (on the CPU: a GPU is not waited for)."""
        actions = self._checked(actions)
        if not actions.is_cuda and any(bool(end < 0 or end >= self.num_actions) for end in torch.aminmax(actions)):
            raise BadValue("actions", actions.unique().tolist(), f"between 0 and {self.num_actions - 1}")
        row = (self._bases + self._step * self.states + self._state) * self.num_actions + actions
        reward = self._rewards.view(-1).index_select(0, row).float()
        u = self._drawn("transition", uniform, None)[0]
        edges = self._edges.view(-1, self.states).index_select(0, row)
        reached = (u.unsqueeze(1) >= edges[:, :-1]).sum(dim=1)
        self._clock += 1
        self._step += 1
        info: dict[str, Any] = {
            "inner_episode": self._episode,
            "expected_reward": reward.clone(),
            "state": reached,
            "boundary": torch.zeros(self.num_envs, dtype=torch.int8, device=self.device),
        }
        terminated = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        self._state = reached.clone()
        if self._step < self.horizon:
            return self._seen(info["boundary"]), reward, terminated, terminated.clone(), info
        self._episode = self._episode + 1
        terminated = self._episode == self._length
        boundary = terminated.to(torch.int8) * (Boundary.TASK_TERMINATED - Boundary.EPISODE_TERMINATED)
        info["boundary"] = boundary = boundary + Boundary.EPISODE_TERMINATED
        rows = places(terminated)
        if len(rows):
            info["final_obs"], info["_final_obs"] = self._seen(boundary), terminated.clone()
            self._begin(None if len(rows) == self.num_envs else rows)
        self._step = 0
        self._state = torch.full_like(self._state, self.start)
        obs = self._seen(boundary.masked_fill(terminated, Boundary.RUNNING))
        return obs, reward, terminated, torch.zeros_like(terminated), info

    def _task(self, rows: Tensor | None) -> None:
        """The tables stay."""

    def _first(self) -> Tensor:
        self._step, self._state = 0, torch.full_like(self._state, self.start)
        return self._seen(torch.zeros(self.num_envs, dtype=torch.int8, device=self.device))

    def _seen(self, code: Tensor) -> Tensor:
        sight = self._sights.index_select(0, self._step * self.states + self._state)
        return torch.cat([sight, self._code_rows.index_select(0, code.int())], 1) if self.boundary_shown else sight

    def _set(self, transitions: Tensor, rewards: Tensor, rows: Tensor | None) -> None:
        """Tables of the copies `rows`, or of all. Edges end in exactly 1: no draw reaches what has no chance."""
        summed = transitions.cumsum(dim=-1)
        at = slice(None) if rows is None else rows
        self._transitions[at], self._rewards[at] = transitions, rewards
        self._edges[at] = summed / summed[..., -1:]


class RandomMDP(TabularMDP):
    """N processes with tables drawn for each block; see the module.

    states, actions, horizon: S, A, H
    transition_power, reward_power: of the uniforms, at least 0
    worst_first: number the actions of each state and step by optimal value, from below
    episodes, start, law, most_episodes, boundary: see `TabularMDP`

    Raises: BadValue for the first argument out of range.
    """

    def __init__(
        self,
        num_envs: int = 1,
        states: int = 5,
        actions: int = 3,
        horizon: int = 4,
        episodes: int | Sequence[int] | Tensor = 200,
        *,
        transition_power: float = 4.0,
        reward_power: float = 2.0,
        worst_first: bool = True,
        start: int = 0,
        law: Law = "fixed",
        most_episodes: int | None = None,
        boundary: Shown = "hidden",
        device: str | torch.device = "cpu",
    ) -> None:
        for field, value in (("states", states), ("actions", actions), ("horizon", horizon)):
            whole(field, value, 1)
        self.transition_power = number("transition_power", transition_power, 0.0)
        self.reward_power = number("reward_power", reward_power, 0.0)
        self.worst_first = worst_first
        shape = (horizon, states, actions)
        super().__init__(
            torch.full((*shape, states), 1.0 / states, dtype=torch.float64),
            torch.zeros(shape, dtype=torch.float64),
            num_envs,
            episodes,
            start=start,
            law=law,
            most_episodes=most_episodes,
            boundary=boundary,
            device=device,
            lanes=int(np.prod(shape)) * (states + 1),
        )

    def _task(self, rows: Tensor | None) -> None:
        shape = (-1, self.horizon, self.states, self.num_actions)
        cells = self.horizon * self.states * self.num_actions
        u = self._drawn("task", uniform, rows, lanes=cells * (self.states + 1)).t()
        weights = u[:, cells:].reshape(*shape, self.states) ** self.transition_power
        transitions = weights / weights.sum(dim=-1, keepdim=True)
        rewards = u[:, :cells].reshape(shape) ** self.reward_power
        if self.worst_first:
            order = optimal_values(transitions, rewards)[0].argsort(dim=-1)
            rewards = rewards.gather(-1, order)
            transitions = transitions.gather(-2, order.unsqueeze(-1).expand_as(transitions))
        self._set(transitions, rewards, rows)


def _tables(transitions: Any, rewards: Any, copies: int) -> tuple[Tensor, Tensor]:
    """[N, H, S, A, S] and [N, H, S, A] float64, views where one table serves all copies."""
    p, r = (torch.as_tensor(x).detach().cpu().double() for x in (transitions, rewards))
    if r.dim() not in (3, 4) or not r.numel() or (r.dim() == 4 and r.shape[0] != copies):
        raise BadValue("rewards", list(r.shape), f"[H, S, A] or [{copies}, H, S, A]")
    if p.dim() not in (4, 5) or (p.dim() == 5 and p.shape[0] != copies) or p.shape[-4:] != (*r.shape[-3:], r.shape[-2]):
        raise BadValue("transitions", list(p.shape), f"[H, S, A, S] to go with rewards {list(r.shape)}")
    wrong = ~((r >= 0) & (r <= 1))
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        raise BadValue(f"rewards{place}", float(r[tuple(place)]), "between 0 and 1: rescale them")
    wrong = ~((p >= 0).all(dim=-1) & ((p.sum(dim=-1) - 1).abs() < 1e-9))
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        raise BadValue(f"transitions{place}", p[tuple(place)].tolist(), "at least 0 with sum 1")
    return p.expand(copies, *p.shape[-4:]), r.expand(copies, *r.shape[-3:])
