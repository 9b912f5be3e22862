"""The hidden goal: an agent that starts in the centre of a grid looks for a goal on its border, which stays for a block
of episodes.

Reaching the goal pays 1 and ends the episode, and so does the cap on steps, without pay. What is seen is the cell,
one-hot; where the goal is shows only when it is reached. With `exit_reward`, a known exit left of the start ends the
episode and pays that: the safe arm made spatial. It must beat looking for the goal in any single episode, so that only
who thinks of the episodes to come has a reason to look. The world computes the best single episode,

    max over blind walks of P(goal met) + P(not met) * exit_reward [walk ends at the exit],

exactly and refuses an exit that falls short. On the border every step meets a new cell, so that a walk meets
steps - d + 1 of P border cells, d being the distance to the border. A walk that looks at the border and still takes the
exit always beats the exit, so `steps` must not suffice for one: 4 is the most in a grid of 5.

Source: the recurring gridworld of Rentschler & Roberts 2025 (arXiv 2508.01287), sizes ours; exit and obstacles ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds.ceilings import Ceiling, gridworld_ceiling
from wayfare.worlds.paths import MOVES, move_table, shortest_paths
from wayfare.worlds.world import CODES, Law, Shown, World, number, places, uniform, whole

__all__ = ["HiddenGoal"]

STAY = len(MOVES)
LARGEST = 1 << 22  # entries in the tables of moves


class HiddenGoal(World):
    """N grids; actions 0 up, 1 right, 2 down, 3 left; against a wall one stays.

    size: of the square grid, at least 3 (with an exit odd and at least 5)
    episodes: of a block, n, or one n for each copy; law, most_episodes, boundary, copy: see `World`
    steps: cap of an episode; None: what the farthest goal takes, and one more where there is no exit
    exit_reward: of the exit left of the start; None: there is no exit
    obstacles: chance of each other cell to be a wall in a block. Where that puts the goal beyond `steps`, the walls on
        one of the two paths with a single turn are taken away

    Observation: [cells] one-hot of the cell. `info["expected_reward"]` [N] is the reward: it is sure.

    Attributes
    goal: [N] int64 cell of the current block's goal
    walls: [N, size, size] bool
    start, exit: cells; exit is None where there is none
    best_single_episode: what the best blind walk earns in the first episode of a block, walls left out of account

    Raises: BadValue for the first argument out of range, or an exit that looking for the goal beats within one episode.
    """

    reward_bound = 1.0

    def __init__(
        self,
        num_envs: int = 1,
        size: int = 5,
        episodes: int | Sequence[int] | Tensor = 8,
        steps: int | None = None,
        *,
        exit_reward: float | None = None,
        obstacles: float = 0.0,
        law: Law = "fixed",
        most_episodes: int | None = None,
        boundary: Shown = "hidden",
        device: str | torch.device = "cpu",
        render_mode: str | None = None,
        copy: bool = True,
    ) -> None:
        whole("size", size, 3)
        number("obstacles", obstacles, 0.0, 1.0)
        if exit_reward is not None:
            number("exit_reward", exit_reward, 0.0, 1.0)
            if size < 5 or size % 2 == 0:
                raise BadValue("size", size, "odd and at least 5 with an exit")
            if obstacles:
                raise BadValue("obstacles", obstacles, "0 with an exit")
        self.size, self.exit_reward, self.obstacles = size, exit_reward, float(obstacles)
        self.start = (size // 2) * size + size // 2
        self.exit = None if exit_reward is None else self.start - 1
        row, column = np.divmod(np.arange(size * size), size)
        self.border = np.flatnonzero((np.minimum(row, column) == 0) | (np.maximum(row, column) == size - 1))
        free = torch.ones(1, size, size, dtype=torch.bool)
        if self.exit is not None:
            free.view(-1)[self.exit] = False
        away = shortest_paths(free, torch.tensor([self.start])).view(-1).numpy()[self.border]
        if steps is None:
            steps = int(away.max()) + (exit_reward is None)
        whole("steps", steps, 1)
        if steps < away.max():
            raise BadValue("steps", steps, f"at least {away.max()}: the farthest goal takes as many")
        self.steps, self._exit_pays = steps, exit_reward or 0.0
        self.best_single_episode = self._best_single_episode(away)
        super().__init__(
            num_envs,
            columns=size * size,
            actions=4,
            episodes=episodes,
            steps=steps,
            law=law,
            most_episodes=most_episodes,
            boundary=boundary,
            device=device,
            render_mode=render_mode,
            copy=copy,
            lanes=size**2 + 1,
        )
        if steps * size**2 > LARGEST:
            raise BadValue("steps", steps, f"at most {LARGEST // size**2} in a grid of {size}")
        self._goals = torch.from_numpy(self.border).to(self.device, self._cells)
        tables = self._tables()
        self._reached, self._next, self._late = (table.to(self.device) for table in tables)
        self._sights = self._sight_table().to(self.device)
        self._cell_rows = torch.eye(size**2, device=self.device)
        self._place = torch.zeros(num_envs, dtype=torch.int32, device=self.device)
        self._goal_cell = torch.zeros(num_envs, dtype=self._cells, device=self.device)
        self.walls = torch.zeros(num_envs, size, size, dtype=torch.bool, device=self.device)
        self._rows = size**2 * torch.arange(num_envs, dtype=torch.int32, device=self.device)
        self._walk: list[tuple[Tensor, Tensor]] = []  # of the frames: cell reached, episode over
        self._scene: tuple[Tensor, Tensor, Tensor] | None = None  # goal, walls and episode when the last step was made

    @property
    def goal(self) -> Tensor:
        """[N] int64 cell of the current block's goal."""
        return self._goal_cell.long()

    def shortest_path(self) -> Tensor:
        """[N] int64 fewest steps from the start to the current block's goal."""
        start = torch.full_like(self.goal, self.start)
        away = shortest_paths(~self._shut(self.walls), start).view(self.num_envs, -1)
        return away.gather(1, self.goal.unsqueeze(1)).squeeze(1)

    def oracle_return(self) -> Tensor:
        """[N] reward of an episode of who knows the goal.

        1 where the shortest path fits into `steps`, and it always does.
        """
        reached = (self.shortest_path() <= self.steps).float()
        return reached.clamp(min=self.exit_reward or 0.0)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """See `World.reset`."""
        self._walk, self._scene = [], None
        return super().reset(seed=seed, options=options)

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Move. Raises: BadValue for an action that is not there (on the CPU: a GPU is not waited for)."""
        actions = self._checked(actions).int()
        if not actions.is_cuda and any(bool(end < 0 or end >= STAY) for end in torch.aminmax(actions)):
            raise BadValue("actions", actions.unique().tolist(), "between 0 and 3")
        move = torch.add(actions, self._place, alpha=len(MOVES) + 1)
        cell = self._reached.index_select(0, move)
        if self.obstacles:
            bumps = self.walls.view(-1).index_select(0, self._rows + cell)
            move += bumps * (STAY - actions)
            cell = self._reached.index_select(0, move)
        self._clock += 1
        terminated = met = cell == self._goal_cell
        reward = met.int().float()
        if self.exit is not None:
            left = cell == self.exit
            reward += left * self._exit_pays
            terminated = met | left
        over = terminated | self._late.index_select(0, move)
        place = self._next.index_select(0, move).mul_(~met)
        info: dict[str, Any] = {"inner_episode": self._episode, "expected_reward": reward.clone()}
        self._episode = self._episode + over.int()
        ended = self._episode == self._length
        code = over.view(torch.int8) + (over ^ terminated).view(torch.int8)
        boundary = info["boundary"] = code + 2 * ended.view(torch.int8)
        terminated = terminated & ended
        if self.render_mode is not None:
            self._walk.append((cell, over.clone()))
            self._scene = (self.goal, self.walls.clone(), info["inner_episode"].clone())

        self._place = place
        if (
            self.boundary_shown
        ):  # a place where the code is not RUNNING is the start; there are four rows of it behind all others
            code *= ~ended
            place = place + (len(self._late) // (len(MOVES) + 1) - 1) * over.int() * ~ended + code
        obs = self._sight(self._sights, place)
        rows = places(ended)
        if len(rows):
            final = self._last_sight(cell[rows], boundary[rows])
            info["final_obs"], info["_final_obs"] = self._final_rows(obs, rows, final), ended.clone()
            self._begin(rows)
        return obs, reward, terminated, ended ^ terminated, info

    def bayes_return(self, horizon: int | None = None) -> Ceiling:
        """The best that one can do without being told the goal: `wayfare.worlds.ceilings.gridworld_ceiling`."""
        return gridworld_ceiling(self, horizon)

    def frame(self, copy: int = 0) -> NDArray[np.uint8]:
        """[H, W, 3] the grid and the walk of the current episode (of the last, where none has begun).

        Needs render_mode='rgb_array'.
        """
        from wayfare.worlds.drawing import gridworld_frame

        if self.render_mode is None:
            raise BadValue("render_mode", None, "'rgb_array' to draw frames")
        goal, walls, episode = self._scene or (self.goal, self.walls, self._episode)
        first = len(self._walk) - 1
        while first > 0 and not bool(self._walk[first - 1][1][copy]):
            first -= 1
        walk = [self.start] + [int(cell[copy]) for cell, _ in self._walk[max(first, 0) :]]
        return gridworld_frame(
            walls[copy].cpu().numpy(),
            self.start,
            int(goal[copy]),
            self.exit,
            walk,
            int(episode[copy]),
            int(self._length[copy]),
        )

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """A frame of each copy."""
        return None if self.render_mode is None else tuple(self.frame(copy) for copy in range(self.num_envs))

    def _best_single_episode(self, away: NDArray[np.int64]) -> float:
        """away: steps from the start to the border cells. Raises: BadValue for an exit that falls short."""
        found = min(len(self.border), self.steps - int(away.min()) + 1) / len(self.border)
        if self.exit is None or self.exit_reward is None:
            return found
        row, column = np.divmod(self.border, self.size)
        back = abs(row - self.exit // self.size) + abs(column - self.exit % self.size)
        detour = int((away + back).min())
        if self.steps >= detour:
            raise BadValue(
                "steps",
                self.steps,
                f"below {detour} with an exit: a walk could look at the border and take the exit all the same",
            )
        if found > self.exit_reward:
            raise BadValue(
                "exit_reward", self.exit_reward, f"at least {found:g}, what looking for the goal earns in one episode"
            )
        return self.exit_reward

    def _shut(self, walls: Tensor) -> Tensor:
        """Cells that no path to the goal leads through: walls, and the exit, where the episode would be over."""
        if self.exit is None:
            return walls
        shut = walls.clone()
        shut.reshape(len(walls), -1)[:, self.exit] = True
        return shut

    def _task(self, rows: Tensor | None) -> None:
        if rows is None:
            self._place = torch.zeros_like(self._place)
        goal = self._goals.index_select(0, self._drawn("task", self._draw_goal, rows)[0])
        walls = self._draw_walls(goal.long(), rows) if self.obstacles else self.walls
        if rows is None:
            self._goal_cell, self.walls = goal, walls
        else:
            self._goal_cell[rows] = goal
            if self.obstacles:
                self.walls[rows] = walls

    def _draw_goal(self, stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
        drawn: Tensor = stream.uniform(copy, clock, lane)
        return (drawn * len(self.border)).int()

    def _draw_walls(self, goal: Tensor, rows: Tensor | None) -> Tensor:
        draws = self._drawn("walls", uniform, rows, lanes=self.size**2 + 1)
        return self._passable(draws[1:].t() < self.obstacles, goal, draws[0] < 0.5)

    def _passable(self, walls: Tensor, goal: Tensor, rows_first: Tensor) -> Tensor:
        """walls: [n, cells] as drawn -> [n, size, size] with start and goal open and the goal within reach."""
        size = self.size
        n = torch.arange(len(walls), device=self.device)
        walls[:, self.start] = False
        walls[n, goal] = False
        walls = walls.reshape(-1, size, size)
        away = shortest_paths(~walls, torch.full_like(goal, self.start)).view(len(n), -1)[n, goal]
        line = torch.arange(size, device=self.device)
        middle = self.start // size
        row, column = goal // size, goal % size

        def between(at: Tensor) -> Tensor:
            return (line >= at.clamp(max=middle).unsqueeze(1)) & (line <= at.clamp(min=middle).unsqueeze(1))

        def on(at: Tensor) -> Tensor:
            return line == at.unsqueeze(1)

        centre = torch.full_like(goal, middle)
        turn_row, turn_column = torch.where(rows_first, row, centre), torch.where(rows_first, centre, column)
        path = on(turn_row).unsqueeze(2) & between(column).unsqueeze(1)
        path |= between(row).unsqueeze(2) & on(turn_column).unsqueeze(1)
        passable: Tensor = walls & ~(path & (away > self.steps).view(-1, 1, 1))
        return passable.contiguous()

    @property
    def _cells(self) -> torch.dtype:
        """The narrowest type that holds a cell and that torch compares fast."""
        return torch.int8 if self.size**2 < 128 else torch.int32

    def _tables(self) -> tuple[Tensor, Tensor, Tensor]:
        """What a move leads to, for 5 * place + action, action 4 being to stay: the cell, the next place, whether steps
        are used up.

        A place is a cell and the steps made: cells * steps + (cell - start) modulo cells, so that an episode starts at
        place 0.
        """
        cells = self.size**2
        moves = torch.cat([move_table(self.size), torch.arange(cells).unsqueeze(1)], dim=1).roll(
            -self.start, 0
        )  # from the start on
        reached = moves.expand(self.steps, cells, -1)
        late = (torch.arange(self.steps) == self.steps - 1).view(-1, 1, 1).expand_as(reached)
        after = cells * torch.arange(1, self.steps + 1).view(-1, 1, 1) + (reached - self.start) % cells
        after = after.masked_fill(late if self.exit is None else late | (reached == self.exit), 0)
        return reached.to(self._cells).reshape(-1), after.int().reshape(-1), late.reshape(-1)

    def _sight_table(self) -> Tensor:
        """[places, O] what is seen at a place; where codes are shown, four rows more.

        The start after each of the other codes.
        """
        cells = torch.eye(self.size**2).roll(-self.start, 0).repeat(self.steps, 1)
        if not self.boundary_shown:
            return cells
        code = torch.eye(CODES)
        running = torch.cat([cells, code[:1].expand(len(cells), -1)], dim=1)
        return torch.cat([running, torch.cat([cells[:1].expand(CODES - 1, -1), code[1:]], dim=1)])

    def _last_sight(self, cell: Tensor, code: Tensor) -> Tensor:
        """[n, O] a block's last observation."""
        sight = self._cell_rows.index_select(0, cell.int())
        return torch.cat([sight, self._code_rows.index_select(0, code.int())], dim=1) if self.boundary_shown else sight

    def _first(self) -> Tensor:
        return self._sight(self._sights, self._place)
