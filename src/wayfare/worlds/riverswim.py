"""RiverSwim: a little pay at once downstream, much pay far upstream, and the current against the swimmer.

States 0 .. n - 1 from left to right. Action 0 goes left and always succeeds; action 1 swims right and mostly fails:

    state        left   stays   right
    0             -     0.4     0.6
    1 .. n - 2   0.05   0.6     0.35
    n - 1        0.4    0.6      -

Action 0 in state 0 pays 0.005, action 1 in the last state pays 1, all else 0. A learner that does not look far ahead,
or does not explore on purpose, stays on the left for ever. There is no end: a block is a number of steps.

Source: Strehl & Littman 2008, "An analysis of model-based interval estimation for Markov decision processes", figure 3;
probabilities as in Osband, Russo & Van Roy 2013 (arXiv 1306.0940).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wayfare.worlds.boundary import Boundary
from wayfare.worlds.continuing import gaps, optimal_gain
from wayfare.worlds.world import Shown, World, uniform, whole

__all__ = ["RiverSwim", "riverswim_tables"]

LEFT_PAYS, RIGHT_PAYS = 0.005, 1.0


def riverswim_tables(states: int = 6) -> tuple[Tensor, Tensor]:
    """transitions [S, 2, S] and rewards [S, 2], float64. Raises: BadValue for fewer than 3 states."""
    whole("states", states, 3)
    p = torch.zeros(states, 2, states, dtype=torch.float64)
    for s in range(states):
        p[s, 0, max(s - 1, 0)] = 1.0
        p[s, 1, s] = 0.6
        p[s, 1, min(s + 1, states - 1)] += 0.35
        p[s, 1, max(s - 1, 0)] += 0.05
    p[0, 1, 0], p[0, 1, 1] = 0.4, 0.6
    p[-1, 1, -1], p[-1, 1, -2] = 0.6, 0.4
    r = torch.zeros(states, 2, dtype=torch.float64)
    r[0, 0], r[-1, 1] = LEFT_PAYS, RIGHT_PAYS
    return p, r


class RiverSwim(World):
    """N swimmers, each starting in state 0; a block is one inner episode of `steps` steps.

    states: at least 3        steps: of a block        boundary, device: see `World`

    Observation: [S] one-hot of the state. `info["state"]` [N] int64 the state reached, at a block's end too.

    Attributes
    transitions [S, 2, S], rewards [S, 2]: the truth, float64
    gain, bias, gap: the exact optimum, see `wayfare.worlds.continuing`

    Raises: BadValue for the first argument out of range.
    """

    reward_bound = RIGHT_PAYS

    def __init__(
        self,
        num_envs: int = 1,
        states: int = 6,
        steps: int = 20_000,
        *,
        boundary: Shown = "hidden",
        device: str | torch.device = "cpu",
    ) -> None:
        self.transitions, self.rewards = riverswim_tables(states)
        self.states = states
        super().__init__(
            num_envs, columns=states, actions=2, episodes=1, steps=whole("steps", steps, 1), boundary=boundary,
            device=device,
        )  # fmt: skip
        self.transitions, self.rewards = self.transitions.to(self.device), self.rewards.to(self.device)
        self.gain, self.bias = optimal_gain(self.transitions, self.rewards)
        self.gap = gaps(self.transitions, self.rewards, self.gain, self.bias)
        self._edges = self.transitions.cumsum(dim=-1).view(-1, states)
        self._edges = self._edges / self._edges[:, -1:]
        self._state = torch.zeros(num_envs, dtype=torch.int64, device=self.device)
        self._made = 0
        self._rows = torch.eye(states, device=self.device)

    @property
    def state(self) -> Tensor:
        """[N] int64 where each swimmer is."""
        return self._state.clone()

    def oracle_return(self) -> Tensor:
        """[N] reward of a block in the long run of the best policy: gain times steps."""
        return (self.gain * float(self._steps or 1)).float().expand(self.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        """See `World.reset`; `info["state"]` [N] is 0."""
        obs, info = super().reset(seed=seed, options=options)
        return obs, {**info, "state": self._state.clone()}

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Swim left (0) or right (1). Raises: BadValue for another action."""
        actions = whole_actions(self._checked(actions), 2)
        row = self._state * 2 + actions
        reward = self.rewards.view(-1)[row].float()
        u = self._drawn("transition", uniform, None)[0]
        reached = (u.unsqueeze(1) >= self._edges[row, :-1]).sum(dim=1)
        self._clock += 1
        self._made += 1
        over = self._made == self._steps
        code = torch.full((self.num_envs,), int(Boundary.TASK_TRUNCATED) if over else 0, dtype=torch.int8)
        info: dict[str, Any] = {
            "inner_episode": self._episode, "expected_reward": reward.clone(), "state": reached,
            "boundary": code.to(self.device),
        }  # fmt: skip
        self._state = reached.clone()
        never = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        if over:
            self._episode = self._episode + 1
            info["final_obs"], info["_final_obs"] = self._seen(info["boundary"]), ~never
            self._begin(None)
        obs = self._seen(torch.zeros_like(info["boundary"]) if over else info["boundary"])
        return obs, reward, never, ~never if over else never.clone(), info

    def _task(self, rows: Tensor | None) -> None:
        """The river stays; all blocks end together."""
        self._made, self._state = 0, torch.zeros_like(self._state)

    def _first(self) -> Tensor:
        return self._seen(torch.zeros(self.num_envs, dtype=torch.int8, device=self.device))

    def _seen(self, code: Tensor) -> Tensor:
        sight = self._rows[self._state]
        return torch.cat([sight, self._code_rows[code.int()]], dim=1) if self.boundary_shown else sight


def whole_actions(actions: Tensor, count: int) -> Tensor:
    """The actions. Raises: BadValue for one not in 0 .. count - 1 (on the CPU: a GPU is not waited for)."""
    from wayfare.errors import BadValue

    if not actions.is_cuda and any(bool(end < 0 or end >= count) for end in torch.aminmax(actions)):
        raise BadValue("actions", actions.unique().tolist(), f"between 0 and {count - 1}")
    return actions
