"""On-policy rollouts: S rows of B copies played for T steps by a policy, from where the last rollout left off.

Serves a `World` and any gymnasium vector environment that speaks torch (`gymnasium.wrappers.vector.ArrayConversion`).
Where a world gives no boundary code, each of its episodes is a task of its own. (gymnasium 1.4's `ArrayConversion`
fails on the final observations of `SAME_STEP`: leave it `NEXT_STEP`, gymnasium's default.)

A `NEXT_STEP` environment answers the action after an end with the first observation of the next episode. That step is
no decision: it is marked not `counted`, its token holds the final observation (so that its value is what a truncated
episode is bootstrapped from), and memory starts anew with the decision after it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.learn.collect import VectorWorld
from wayfare.learn.policy_network import PolicyNetwork
from wayfare.learn.sequences import TASK_ENDED, TASK_TRUNCATED

__all__ = ["Player", "Rollout"]


@dataclass(frozen=True)
class Rollout:
    """S rows of B copies for T decisions; all [S, T, B] but for what is said.

    token: [S, T, B, D] what the network read
    start: bool, memory began with the decision
    memory: state of the network before the first decision
    action: int64
    log_probability, value: of the action and of the history, by the policy that played
    reward: float32, in the world's units
    boundary: int8, what ended with the step
    next_value: V(h_{t+1}), by the final observation where a task was cut
    joined: bool, the step at t + 1 goes on from this one
    counted: bool, the step was a decision
    """

    token: Tensor
    start: Tensor
    memory: Any
    action: Tensor
    log_probability: Tensor
    value: Tensor
    reward: Tensor
    boundary: Tensor
    next_value: Tensor
    joined: Tensor
    counted: Tensor


class Player:
    """Plays rollouts in a world of S * B copies, row after row; row s draws from its own seed.

    seeds: [S], stream "policy"
    steps: T
    spans_tasks: [S], True where memory goes on after a task's end
    greedy: take the likeliest action

    Raises: BadValue when the copies do not divide among the rows, or autoreset does not allow what is asked.
    """

    def __init__(
        self,
        world: VectorWorld,
        network: PolicyNetwork,
        seeds: Sequence[int],
        steps: int,
        spans_tasks: Sequence[bool] | None = None,
        greedy: bool = False,
    ) -> None:
        rows = len(seeds)
        if world.num_envs % rows:
            raise BadValue("world.num_envs", world.num_envs, f"a multiple of the {rows} rows")
        if steps < 1:
            raise BadValue("steps", steps, "at least 1")
        mode = getattr(world, "metadata", {}).get("autoreset_mode", AutoresetMode.SAME_STEP)
        if mode not in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
            raise BadValue("autoreset_mode", mode, "SAME_STEP or NEXT_STEP")
        spans = list(spans_tasks or [False] * rows)
        if len(spans) != rows:
            raise BadValue("spans_tasks", spans, f"one for each of {rows} rows")
        self._late = mode == AutoresetMode.NEXT_STEP
        if self._late and any(spans):
            raise BadValue("spans_tasks", spans, "False where the world resets in the next step: try `RepeatTask`")
        self.world, self.network, self.steps, self.greedy = world, network, steps, greedy
        self.copies = world.num_envs // rows
        self.rollouts = 0
        self._shape = (rows, self.copies)
        self._seeds = torch.tensor(list(seeds)).view(rows, 1, 1)
        self._spans = torch.tensor(spans).view(rows, 1)
        self._obs: Tensor | None = None

    def begin(self, **how: Any) -> None:
        """Reset the world, by `world.reset(**how)`, and forget."""
        obs, _ = self.world.reset(**how)
        self._obs = self._rows(obs)
        device = self._obs.device
        self._action = torch.zeros(self._shape, dtype=torch.int64, device=device)
        self._reward = torch.zeros(self._shape, device=device)
        self._start = torch.ones(self._shape, dtype=torch.bool, device=device)
        self._idle = torch.zeros(self._shape, dtype=torch.bool, device=device)
        self._memory = self.network.initial_state(self.copies)

    @torch.no_grad()
    def rollout(self) -> Rollout:
        """T steps of every copy, from where the last rollout stopped."""
        if self._obs is None:
            self.begin()
        obs = self._obs
        assert obs is not None
        memory = copy.deepcopy(self._memory)  # acting writes into the caches
        uniform = self._uniform(obs.device)
        spans = self._spans.to(obs.device)
        seen: dict[str, list[Tensor]] = {name: [] for name in _STEPS}
        finals: list[tuple[int, Tensor, Tensor]] = []
        for t in range(self.steps):
            token = self.network.tokens.step(obs, self._action, self._reward, self._start)
            logs, value, self._memory = self.network(token, self._memory, self._start.unsqueeze(1))
            logs = logs[:, 0]
            action = logs.argmax(dim=-1) if self.greedy else _sample(logs.exp(), uniform[:, t])
            answer, reward, terminated, truncated, info = self.world.step(action.reshape(-1))
            ended = self._codes(terminated, truncated, info)
            closed = ended >= TASK_ENDED
            step = {
                "token": token[:, 0],
                "start": self._start,
                "action": action,
                "log_probability": logs.gather(-1, action.unsqueeze(-1)).squeeze(-1),
                "value": value[:, 0],
                "reward": reward.reshape(self._shape).float(),
                "boundary": ended,
                "joined": ~closed if self._late else ~(closed & ~spans),
                "counted": ~self._idle,
            }
            self._action, self._reward = action, step["reward"]
            if self._late:
                self._start, self._idle = self._idle, closed
            else:
                cut = ended == TASK_TRUNCATED
                if bool(cut.any()):
                    if "final_obs" not in info:
                        raise BadValue("final_obs", None, "in the info of a step that cuts a task: its value counts on")
                    finals.append((t, cut, self._value(self._rows(_dense(info["final_obs"], answer)))))
                    step["joined"] = step["joined"] & ~cut
                self._start = closed & ~spans
            obs = self._rows(answer)
            for name, tensor in step.items():
                seen[name].append(tensor)
        self._obs = obs
        self.rollouts += 1
        whole = {name: torch.stack(each, dim=1) for name, each in seen.items()}
        following = torch.cat([whole["value"][:, 1:], self._value(obs, self._start).unsqueeze(1)], dim=1)
        for t, cut, final in finals:
            following[:, t] = torch.where(cut, final, following[:, t])
        return Rollout(memory=memory, next_value=following, **whole)

    def _value(self, obs: Tensor, start: Tensor | None = None) -> Tensor:
        """[S, B] value of what is seen next, without remembering it."""
        start = torch.zeros_like(self._start) if start is None else start
        token = self.network.tokens.step(obs, self._action, self._reward, start)
        value: Tensor = self.network(token, copy.deepcopy(self._memory), start.unsqueeze(1))[1]
        return value[:, 0]

    def _uniform(self, device: torch.device) -> Tensor:
        """[S, T, B]: each a function of (row's seed, copy, decisions so far) alone."""
        steps = self.rollouts * self.steps + torch.arange(self.steps, device=device).view(1, -1, 1)
        copies = torch.arange(self.copies, device=device).view(1, 1, -1)
        draws: Tensor = Stream(self._seeds.to(device), "policy").uniform(copies, steps)
        return draws.float()

    def _rows(self, obs: Tensor) -> Tensor:
        return obs.reshape(*self._shape, -1).float()

    def _codes(self, terminated: Tensor, truncated: Tensor, info: dict[str, Any]) -> Tensor:
        """[S, B] int8 boundary codes."""
        if "boundary" in info:
            codes: Tensor = info["boundary"]
            return codes.reshape(self._shape)
        cut = torch.where(truncated.bool(), TASK_TRUNCATED, 0)
        return torch.where(terminated.bool(), TASK_ENDED, cut).to(torch.int8).reshape(self._shape)


_STEPS = ("token", "start", "action", "log_probability", "value", "reward", "boundary", "joined", "counted")


def _sample(probability: Tensor, uniform: Tensor) -> Tensor:
    """probability: [..., A], uniform: [...] -> int64 [...] by the inverse of the distribution function."""
    edges = probability.cumsum(dim=-1)
    passed = uniform.unsqueeze(-1) * edges[..., -1:] >= edges
    return passed.sum(dim=-1).clamp_(max=probability.shape[-1] - 1)


def _dense(final: Any, like: Tensor) -> Tensor:
    """Final observations as [N, ...]: gymnasium gives them as a list with gaps, where only some copies ended."""
    if isinstance(final, Tensor):
        return final
    dense = torch.zeros_like(like)
    for place, each in enumerate(final):
        if each is not None:
            dense[place] = torch.as_tensor(np.asarray(each))
    return dense
