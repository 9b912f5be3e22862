"""Any gymnasium environment as a task that comes back: each episode of a block starts from the same `env.reset(seed=)`.

    RepeatTask(lambda: gym.make("FrozenLake-v1"), episodes=8, num_envs=16)

The task is what the seed decides: initial state, layout, and the environment's own chance, so that the same actions
meet the same fate. After an inner episode its last observation is shown; the next step is a *reset frame*: it ignores
its action, pays 0, and shows the next episode's first observation. A block of n episodes of L steps thus takes n * L +
n - 1 steps. The last episode of a block needs no such frame: the next block begins within the same step.

The copies are stepped one after another: that is the price of an environment that someone else wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, flatten, flatten_space
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds.boundary import Boundary
from wayfare.worlds.world import Law, Shown, World, number, whole

__all__ = ["RepeatTask"]

TASKS = 2**31 - 1  # seeds that environments take


class RepeatTask(World):
    """N copies of an environment.

    make_env: makes one; an id that `gymnasium.make` knows will do as well, and so will an environment where num_envs is
        1
    episodes: of a block, n, or one n for each copy; law, most_episodes: see `World`
    steps: inner episodes are truncated here; None: left to the environment (whose own time limit is read from its spec)
    reward_bound: the largest |reward| there is, for the learner's guard against divergence

    Observations are flattened to float32: one-hot where they are discrete. Actions are discrete, or a box.

    Raises: BadValue for an argument out of range, an environment whose spaces do not flatten, copies that differ.
    """

    def __init__(
        self,
        make_env: Callable[[], gymnasium.Env[Any, Any]] | str | gymnasium.Env[Any, Any],
        episodes: int | Sequence[int] | Tensor = 8,
        num_envs: int = 1,
        *,
        steps: int | None = None,
        law: Law = "fixed",
        most_episodes: int | None = None,
        boundary: Shown = "shown",
        reward_bound: float = float("inf"),
        device: str | torch.device = "cpu",
    ) -> None:
        whole("num_envs", num_envs, 1)
        if steps is not None:
            whole("steps", steps, 1)
        if reward_bound != float("inf"):
            number("reward_bound", reward_bound, 0.0)
        self._envs = _made(make_env, num_envs)
        first = self._envs[0]
        try:
            seen = flatten_space(first.observation_space)
        except NotImplementedError as error:
            raise BadValue(
                "observation_space", first.observation_space, "one that gymnasium flattens to a box"
            ) from error
        if not isinstance(seen, Box):
            raise BadValue("observation_space", first.observation_space, "one that gymnasium flattens to a box")
        actions = first.action_space
        if not isinstance(actions, (Discrete, Box)):
            raise BadValue("action_space", actions, "discrete or a box")
        for env in self._envs[1:]:
            if env.observation_space != first.observation_space or env.action_space != actions:
                raise BadValue("make_env", env, "such that all its environments have the same spaces")
        limit = first.spec.max_episode_steps if first.spec is not None else None
        self.reward_bound = float(reward_bound)
        self._cut = steps
        super().__init__(
            num_envs,
            columns=int(seen.shape[0]),
            actions=int(actions.n) if isinstance(actions, Discrete) else actions,
            episodes=episodes,
            steps=min(filter(None, (steps, limit)), default=None),
            pause=1,
            law=law,
            most_episodes=most_episodes,
            boundary=boundary,
            device=device,
            low=seen.low,
            high=seen.high,
        )
        self._first_action = int(actions.start) if isinstance(actions, Discrete) else 0
        self.render_mode = first.render_mode
        self.metadata = {**self.metadata, "render_modes": list(first.metadata.get("render_modes") or [])}
        self._seen = np.zeros((num_envs, self._columns), dtype=np.float32)
        self._gone = np.zeros(num_envs, dtype=np.int64)  # steps of the current episode
        self._waiting = np.zeros(num_envs, dtype=bool)  # for the reset frame
        self._tasks = np.zeros(num_envs, dtype=np.int64)

    @property
    def task(self) -> Tensor:
        """[N] int64: the seed that the current block's episodes are reset with."""
        return torch.from_numpy(self._tasks.copy()).to(self.device)

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """Step every copy, or reset it where its last episode has ended.

        Raises: BadValue for an action that is not there.
        """
        chosen = self._chosen(actions)
        reward = np.zeros(self.num_envs, dtype=np.float32)
        boundary = np.zeros(self.num_envs, dtype=np.int8)
        length = self._length.cpu().numpy()
        episode = self._episode.cpu().numpy().copy()
        self._clock += 1
        for i, env in enumerate(self._envs):
            if self._waiting[i]:
                self._restart(i)
                episode[i] += 1
                continue
            obs, paid, terminated, truncated, _ = env.step(chosen[i])
            self._gone[i] += 1
            reward[i] = float(paid)
            self._seen[i] = np.asarray(flatten(env.observation_space, obs))
            if terminated or truncated or self._gone[i] == self._cut:
                boundary[i] = Boundary.EPISODE_TERMINATED if terminated else Boundary.EPISODE_TRUNCATED
                if episode[i] + 1 == length[i]:
                    boundary[i] += Boundary.TASK_TERMINATED - Boundary.EPISODE_TERMINATED
                else:
                    self._waiting[i] = True
        self._episode = torch.from_numpy(episode).to(self.device)
        code = torch.from_numpy(boundary).to(self.device)
        terminated_block, truncated_block = code == Boundary.TASK_TERMINATED, code == Boundary.TASK_TRUNCATED
        ended = terminated_block | truncated_block
        info: dict[str, Any] = {"inner_episode": self._episode.clone(), "boundary": code}
        seen = self._observation(code)
        rows = ended.nonzero().squeeze(1)
        if len(rows):
            info["final_obs"], info["_final_obs"] = seen, ended.clone()
            self._begin(rows)
            seen = self._observation(code.masked_fill(ended, Boundary.RUNNING))
        return seen, torch.from_numpy(reward).to(self.device), terminated_block, truncated_block, info

    def render(self) -> Any:
        """A frame of each copy, as the environment draws it."""
        return None if self.render_mode is None else tuple(env.render() for env in self._envs)

    def close_extras(self, **_: Any) -> None:
        """Close the environments."""
        for env in self._envs:
            env.close()

    def _chosen(self, actions: Any) -> list[Any]:
        if isinstance(self.single_action_space, Discrete):
            numbers = self._checked(actions).tolist()
            if not all(0 <= a < self.num_actions for a in numbers):
                raise BadValue("actions", sorted(set(numbers)), f"between 0 and {self.num_actions - 1}")
            return [a + self._first_action for a in numbers]
        if self._seed is None:
            raise BadValue("world", "not begun", "reset before its first step")
        shape = (self.num_envs, *(self.single_action_space.shape or ()))
        given = actions.cpu().numpy() if isinstance(actions, Tensor) else np.asarray(actions)
        if given.shape != shape:
            raise BadValue("actions", list(given.shape), f"of shape {list(shape)}")
        return list(given.astype(self.single_action_space.dtype))

    def _task(self, rows: Tensor | None) -> None:
        tasks = self._drawn("task", _draw_task, rows)[0].cpu().numpy()
        copies = np.arange(self.num_envs) if rows is None else rows.cpu().numpy()
        self._tasks[copies] = tasks
        for i in copies:
            self._restart(int(i))

    def _restart(self, i: int) -> None:
        obs, _ = self._envs[i].reset(seed=int(self._tasks[i]))
        self._seen[i] = np.asarray(flatten(self._envs[i].observation_space, obs))
        self._gone[i], self._waiting[i] = 0, False

    def _first(self) -> Tensor:
        return self._observation(torch.zeros(self.num_envs, dtype=torch.int8, device=self.device))

    def _observation(self, code: Tensor) -> Tensor:
        seen = torch.from_numpy(self._seen.copy()).to(self.device)
        return torch.cat([seen, self._code_rows.index_select(0, code.int())], dim=1) if self.boundary_shown else seen


def _draw_task(stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
    tasks: Tensor = stream.integers(TASKS, copy, clock, lane)
    return tasks


def _made(make_env: Any, copies: int) -> list[gymnasium.Env[Any, Any]]:
    if isinstance(make_env, str):
        try:
            return [gymnasium.make(make_env) for _ in range(copies)]
        except gymnasium.error.Error as error:
            raise BadValue("make_env", make_env, f"an id that gymnasium knows ({error})") from error
    if isinstance(make_env, gymnasium.Env):
        if copies != 1:
            raise BadValue("make_env", make_env, f"a function: {copies} copies need {copies} environments")
        return [make_env]
    if not callable(make_env):
        raise BadValue("make_env", make_env, "a function that makes an environment, an id, or one environment")
    made = [make_env() for _ in range(copies)]
    for env in made:
        if not isinstance(env, gymnasium.Env):
            raise BadValue("make_env", env, "a function that makes a gymnasium.Env")
    if len({id(env) for env in made}) < copies:
        raise BadValue("make_env", make_env, "a function that makes a new environment at each call")
    return made
