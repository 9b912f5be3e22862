"""Rollouts: S rows of B copies play T steps from fresh blocks, half of them by the network, half by a script.

Only the copies that follow the network pass through it, one token at a time with its cache. All randomness of a
rollout is drawn before its first step; row s draws from its own seed, so that it plays as it would alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.learn.behaviour import Script, epsilon
from wayfare.learn.sequences import RUNNING, TASK_ENDED, TASK_TRUNCATED, Sequences
from wayfare.learn.value_network import ValueNetwork

__all__ = ["Collector", "VectorWorld"]

LONGEST = 64  # actions of an episode that a scripted player can repeat


class VectorWorld(Protocol):
    """What a learner needs of a world: see `wayfare.worlds.World`."""

    num_envs: int

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Tensor, dict[str, Any]]:
        """Begin new blocks: obs [N, O]."""
        ...

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """actions [N] -> obs, reward, terminated, truncated, info with `boundary` [N]."""
        ...


class Collector:
    """Plays rollouts of S rows by B copies in a world of S * B copies, row after row.

    network: chooses for the copies that follow it
    seeds: [S], stream "policy"
    spans_tasks: [S], True where memory goes on after a task's end
    steps: T
    scripted: share of each row's copies that follow a script

    Raises: BadValue when the world's copies do not divide among the rows.
    """

    def __init__(
        self,
        world: VectorWorld,
        network: ValueNetwork,
        seeds: Sequence[int],
        spans_tasks: Sequence[bool],
        steps: int,
        scripted: float = 0.5,
    ) -> None:
        rows = len(seeds)
        if world.num_envs % rows:
            raise BadValue("world.num_envs", world.num_envs, f"a multiple of the {rows} rows")
        self.world, self.network, self.steps = world, network, steps
        self.copies = world.num_envs // rows
        self._followers = self.copies - int(self.copies * scripted)
        self._rows = rows
        self._seeds = torch.tensor(list(seeds)).view(rows, 1)
        self._spans = torch.tensor(list(spans_tasks)).view(rows, 1)
        self.rollouts = 0

    @torch.no_grad()
    def rollout(self, progress: float) -> Sequences:
        """T steps of every copy from new blocks on. progress: share of training done, it sets epsilon."""
        rows, copies, followers, actions = self._rows, self.copies, self._followers, self.network.tokens.actions
        obs, _ = self.world.reset()
        obs = obs.view(rows, copies, -1)
        device = obs.device
        draws = _RolloutDraws(self._seeds.to(device), copies, followers, self.steps, actions, self.rollouts)
        spans = self._spans.to(device)
        share = epsilon(draws.share, progress)
        script = Script(draws.kind, draws.strength, actions, longest=min(self.steps, LONGEST))
        batch = Sequences(
            obs=obs.new_zeros(rows, self.steps + 1, copies, obs.shape[-1]),
            action=torch.zeros(rows, self.steps, copies, dtype=torch.int64, device=device),
            reward=obs.new_zeros(rows, self.steps, copies),
            boundary=torch.zeros(rows, self.steps, copies, dtype=torch.int8, device=device),
            start=torch.zeros(rows, self.steps + 1, copies, dtype=torch.bool, device=device),
        )
        state = self.network.initial_state(followers)
        action = batch.action.new_zeros(rows, copies)
        reward = batch.reward.new_zeros(rows, copies)
        start = torch.ones_like(action, dtype=torch.bool)
        last = torch.zeros_like(obs)
        for t in range(self.steps):
            batch.obs[:, t], batch.start[:, t] = obs, start
            token = self.network.tokens.step(
                obs[:, :followers],
                action[:, :followers],
                reward[:, :followers],
                start[:, :followers],
                last[:, :followers],
            )
            values, state = self.network(token, state, start[:, None, :followers])
            greedy = values[:, 0].argmax(dim=-1)
            followed = torch.where(draws.explore[:, t] < share, draws.random[:, t], greedy)
            scripted = script.act(action[:, followers:], draws.script[:, t], draws.noise[:, t])
            action = torch.cat([followed, scripted], dim=1)
            last = obs
            obs, reward, _, _, info = self.world.step(action.view(-1))
            obs, reward = obs.view(rows, copies, -1), reward.view(rows, copies)
            boundary = info["boundary"].view(rows, copies)
            start = (boundary >= TASK_ENDED) & ~spans
            ended = boundary != RUNNING
            script.observe(action[:, followers:], reward[:, followers:], start[:, followers:], ended[:, followers:])
            batch.action[:, t], batch.reward[:, t], batch.boundary[:, t] = action, reward, boundary
        batch.obs[:, -1], batch.start[:, -1] = obs, start
        if "final_obs" in info:
            # A truncated block's last state has a value of its own: show it, rather than the next block's first.
            cut = boundary == TASK_TRUNCATED
            batch.obs[:, -1] = torch.where(cut.unsqueeze(-1), info["final_obs"].view(rows, copies, -1), obs)
            batch.start[:, -1] &= ~cut
        self.rollouts += 1
        return batch


class _RolloutDraws:
    """Every random number of one rollout, each a function of (row's seed, copy, rollout, step, lane) alone."""

    def __init__(self, seeds: Tensor, copies: int, followers: int, steps: int, actions: int, rollout: int) -> None:
        device = seeds.device
        policy = Stream(seeds, "policy")
        copy = torch.arange(copies, device=device).unsqueeze(0)
        whole = rollout * (steps + 1)
        self.share = policy.uniform(copy[:, :followers], whole, lane=0).float()
        self.kind = policy.uniform(copy[:, followers:], whole, lane=1).float()
        self.strength = policy.uniform(copy[:, followers:], whole, lane=2).float()

        policy = Stream(seeds.unsqueeze(1), "policy")
        step = whole + 1 + torch.arange(steps, device=device).view(1, steps, 1)
        follower, scripted = copy[:, None, :followers], copy[:, None, followers:]
        self.explore = policy.uniform(follower, step, lane=0)
        self.random = policy.integers(actions, follower, step, lane=1)
        self.script = torch.stack([policy.uniform(scripted, step, lane=lane) for lane in (0, 1)], dim=-1).float()
        self.noise = torch.stack([policy.normal(scripted, step, lane=2 + a) for a in range(actions)], dim=-1).float()
