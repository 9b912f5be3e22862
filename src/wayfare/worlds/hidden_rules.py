"""A small grid whose rules are one of 64: where the goal is, and which passages lead one way only.

Each copy has a class of H hypotheses, drawn for it: a goal far from the start, and for each of the passages between
two neighbouring cells whether it is open both ways or only one. All of the class is known (`next_cell`, `goals`); which
hypothesis is true (`truth`) is not. A move into a passage from its closed side leaves one where one is. With
probability `slip` a uniformly random direction takes the place of the chosen one.

    P_k(c' | c, a) = (1 - slip) [c' = next_k(c, a)] + slip / 4 * sum_b [c' = next_k(c, b)]                           (1)

Entering the goal pays 1 and ends the inner episode; so does the cap on steps, without pay. The next begins at the
start, so that who knows the rules earns a gain that is computed exactly (cap left out of account).

Source: a finite class for the Bayesian setting of Liu et al. 2023 (arXiv 2309.17382); world and sizes ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.worlds.boundary import Boundary
from wayfare.worlds.continuing import gaps, optimal_gain
from wayfare.worlds.paths import MOVES, move_table
from wayfare.worlds.riverswim import whole_actions
from wayfare.worlds.world import Shown, World, number, places, uniform, whole

__all__ = ["HiddenRules"]


class HiddenRules(World):
    """N grids; actions 0 up, 1 right, 2 down, 3 left.

    size: of the square grid, at least 3        hypotheses: H, of each class
    doors: chance that a passage is one-way        slip: chance of a random direction
    steps: cap of an inner episode        episodes: of a block        boundary, device: see `World`

    A hypothesis in which the goal could not be reached from everywhere has all passages open.
    Observation: [cells] one-hot of the cell. `info["reached"]` [N] int64 the cell that the move led to, at an episode's
    end too, where the observation already shows the start; `info["state"]` the cell one is in now.

    Attributes
    next_cell: [N, H, cells, 4] int64        goals: [N, H] int64        truth: [N] int64, of the current block
    start: cell 0

    Raises: BadValue for the first argument out of range.
    """

    reward_bound = 1.0

    def __init__(
        self,
        num_envs: int = 1,
        size: int = 6,
        hypotheses: int = 64,
        *,
        doors: float = 0.3,
        slip: float = 0.1,
        steps: int = 24,
        episodes: int | Sequence[int] | Tensor = 4000,
        boundary: Shown = "hidden",
        device: str | torch.device = "cpu",
    ) -> None:
        self.size, self.hypotheses = whole("size", size, 3), whole("hypotheses", hypotheses, 1)
        self.doors, self.slip = number("doors", doors, 0.0, 1.0), number("slip", slip, 0.0, 1.0)
        if slip == 1.0:
            raise BadValue("slip", slip, "below 1: actions would mean nothing")
        self.steps, self.cells, self.start = whole("steps", steps, 2 * (size - 1)), size * size, 0
        rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        far = (rows + columns).view(-1) >= size - 1
        self._far = far.nonzero().squeeze(1)
        moves = move_table(size)
        inside = [(moves[:, way] != torch.arange(size**2)).nonzero().squeeze(1) for way in (1, 2)]
        # [passages, 2]: a cell, and the way (right or down) that leads from it to its neighbour
        self._passages = torch.cat(
            [torch.stack([c, torch.full_like(c, way)], 1) for way, c in zip((1, 2), inside, strict=True)]
        )
        self._lots = hypotheses * (1 + len(self._passages)) + 1
        super().__init__(
            num_envs, columns=self.cells, actions=len(MOVES), episodes=episodes, steps=steps, boundary=boundary,
            device=device, lanes=self._lots,
        )  # fmt: skip
        self._moves, self._far = moves.to(self.device), self._far.to(self.device)
        self._passages = self._passages.to(self.device)
        self.next_cell = self._moves.expand(num_envs, hypotheses, -1, -1).clone()
        self.goals = torch.zeros(num_envs, hypotheses, dtype=torch.int64, device=self.device)
        self.truth = torch.zeros(num_envs, dtype=torch.int64, device=self.device)
        self._cell = torch.zeros(num_envs, dtype=torch.int64, device=self.device)
        self._made = torch.zeros_like(self._cell)
        self._each = torch.arange(num_envs, device=self.device)
        self._sights = torch.eye(self.cells, device=self.device)

    @property
    def state(self) -> Tensor:
        """[N] int64 the cell of each copy."""
        return self._cell.clone()

    def tables(self) -> tuple[Tensor, Tensor]:
        """The true process without its cap: transitions [N, cells, 4, cells] and rewards [N, cells, 4], float64.

        Entering the goal pays and leads to the start.
        """
        moves, goal = self.next_cell[self._each, self.truth], self.goals[self._each, self.truth]
        sure = torch.nn.functional.one_hot(moves, self.cells).double()
        p = (1 - self.slip) * sure + self.slip * sure.mean(dim=2, keepdim=True)
        enters = p.gather(3, goal.view(-1, 1, 1, 1).expand(-1, self.cells, 4, 1)).squeeze(-1)
        p.scatter_(3, goal.view(-1, 1, 1, 1).expand(-1, self.cells, 4, 1), 0.0)
        p[..., self.start] += enters
        return p, enters

    def optimum(self) -> tuple[Tensor, Tensor, Tensor]:
        """gain [N], bias [N, cells] and gaps [N, cells, 4] of the true process without its cap."""
        p, r = self.tables()
        gain, bias = optimal_gain(p, r, self.start)
        return gain, bias, gaps(p, r, gain, bias)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Tensor, dict[str, Any]]:
        """See `World.reset`; `info["state"]` [N] is the start."""
        obs, info = super().reset(seed=seed, options=options)
        return obs, {**info, "state": self._cell.clone()}

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Move. Raises: BadValue for an action that is not there."""
        actions = whole_actions(self._checked(actions), len(MOVES))
        u = self._drawn("slip", uniform, None, lanes=2)
        taken = torch.where(u[0] < self.slip, (u[1] * len(MOVES)).long(), actions)
        reached = self.next_cell[self._each, self.truth, self._cell, taken]
        self._clock += 1
        self._made = self._made + 1
        met = reached == self.goals[self._each, self.truth]
        late = (self._made >= self.steps) & ~met
        over = met | late
        reward = met.float()
        info: dict[str, Any] = {
            "inner_episode": self._episode, "expected_reward": reward.clone(), "reached": reached,
        }  # fmt: skip
        self._episode = self._episode + over.int()
        ended = self._episode == self._length
        code = met.to(torch.int8) * int(Boundary.EPISODE_TERMINATED) + late.to(torch.int8) * int(
            Boundary.EPISODE_TRUNCATED
        )
        step_up = int(Boundary.TASK_TERMINATED) - int(Boundary.EPISODE_TERMINATED)
        info["boundary"] = code = code + ended.to(torch.int8) * step_up
        self._cell = torch.where(over, self.start, reached)
        self._made = self._made.masked_fill(over, 0)
        rows = places(ended)
        if len(rows):
            final = self._seen(reached, code)
            info["final_obs"], info["_final_obs"] = final, ended.clone()
            self._begin(None if len(rows) == self.num_envs else rows)
        info["state"] = self._cell.clone()
        return self._seen(self._cell, code.masked_fill(ended, 0)), reward, met & ended, late & ended, info

    def _task(self, rows: Tensor | None) -> None:
        at = self._each if rows is None else rows
        u = self._drawn("task", uniform, rows, lanes=self._lots).t()  # [n, lots]
        self.truth[at] = (u[:, -1] * self.hypotheses).long()
        u = u[:, :-1].reshape(len(at), self.hypotheses, -1)
        goals = self._far[(u[..., 0] * len(self._far)).long()]
        moves, shares = self._moves.expand(len(at), self.hypotheses, -1, -1).clone(), u[..., 1:]
        here, way = self._passages[:, 0], self._passages[:, 1]
        there = self._moves[here, way]
        moves[..., here, way] = torch.where(shares < self.doors / 2, here, there)
        shut_back = (shares >= self.doors / 2) & (shares < self.doors)
        moves[..., there, (way + 2) % 4] = torch.where(shut_back, there, here)
        blind = ~_reaches_all(moves, goals)
        moves[blind] = self._moves
        self.next_cell[at], self.goals[at] = moves, goals
        self._cell[at], self._made[at] = self.start, 0

    def _first(self) -> Tensor:
        return self._seen(self._cell, torch.zeros(self.num_envs, dtype=torch.int8, device=self.device))

    def _seen(self, cell: Tensor, code: Tensor) -> Tensor:
        sight = self._sights[cell]
        return torch.cat([sight, self._code_rows[code.int()]], dim=1) if self.boundary_shown else sight


def _reaches_all(moves: Tensor, goals: Tensor) -> Tensor:
    """Whether the goal can be reached from every cell. moves: [n, H, cells, 4], goals: [n, H] -> bool [n, H]."""
    shape = moves.shape
    reached = torch.nn.functional.one_hot(goals, shape[2]).bool().view(-1, shape[2])
    flat = moves.reshape(len(reached), -1)
    while True:
        more = reached | reached.gather(1, flat).view(-1, shape[2], shape[3]).any(dim=2)
        if torch.equal(more, reached):
            return reached.all(dim=1).view(shape[:2])
        reached = more
