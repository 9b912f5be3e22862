"""The in-context agent: a memory network trained for reward on tasks that come back, and so learned to explore.

    env = RepeatTask(lambda: gym.make("FrozenLake-v1"), episodes=8, num_envs=16)
    agent = Agent.train(env, updates=500)
    agent.save("agent.pt")

    agent = Agent.load("agent.pt")
    state, reward = agent.initial_state(), 0.0
    action, state = agent.act(obs, state, reward)

Once trained nothing is updated: what the agent finds out about the task at hand it keeps in `state`. Give it a fresh
one when the task changes, and let it live on when an episode ends and the task comes back.

Source: Rentschler & Roberts 2025 (arXiv 2508.01287); value function and training in `wayfare.learn.values`.
"""

from __future__ import annotations

import copy
import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from wayfare.agents.conditions import AgentConfig, Face, Row
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.learn.collect import Collector
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.sequences import TASK_ENDED, Replay, Sequences
from wayfare.learn.tokens import Tokens
from wayfare.learn.value_network import ValueNetwork
from wayfare.learn.values import ValueLearner
from wayfare.networks import memory_network
from wayfare.worlds import World

__all__ = ["Agent", "State", "Trajectory"]

FORMAT, VERSION = "wayfare.agents.in_context", 1
LONGEST = 256  # decisions in a sequence, where the world's blocks are longer or unbounded
TEST_SEED = 1_000_003  # added to a row's seed where it is tested, so that no test block was trained on


@dataclass(frozen=True)
class Trajectory:
    """What S rows of B copies did in T steps, epsilon 0; arrays [S, T, B].

    action: int64
    reward: float32
    boundary: int8 codes
    episode: index in its block of the episode that the step belonged to
    expected_reward: float32, the true mean of what was done, where the world knows it
    """

    action: NDArray[np.int64]
    reward: NDArray[np.float32]
    boundary: NDArray[np.int8]
    episode: NDArray[np.int64]
    expected_reward: NDArray[np.float32] | None


@dataclass(frozen=True)
class State:
    """What an agent remembers of the task at hand, S rows of B copies.

    memory: the network's
    obs: [S, B, O] the last one
    action: [S, B] the last one
    start: [S, B] True where memory begins with the next decision
    step: decisions so far
    """

    memory: Any
    obs: Tensor
    action: Tensor
    start: Tensor
    step: int = 0


class Agent:
    """S trained rows; `train` and `load` make one.

    errors: [S] why a row stopped learning (it left the range of possible returns), None where all is well
    """

    def __init__(
        self, config: AgentConfig, rows: Sequence[Row], face: Face, errors: Sequence[str | None] | None = None
    ) -> None:
        self.config, self.rows, self.face = config, tuple(rows), face
        self.errors = tuple(errors or [None] * len(rows))
        self.network = _network(config, self.rows, face)

    @classmethod
    def train(
        cls,
        world: World,
        config: AgentConfig | None = None,
        rows: Sequence[Row] | None = None,
        *,
        updates: int = 1500,
        seed: int | None = None,
        progress: Callable[..., None] | None = None,
        until: Callable[[Agent, int], bool] | None = None,
    ) -> Agent:
        """Train all rows side by side.

        world: of S * B copies, row after row; every rollout resets it
        config: defaults are those of the study `exploit` at one layer
        rows: none given: one, of `seed` (of 0, where that is not given either)
        updates: gradient steps
        progress: called now and then as progress(done, updates, loss=, reward=), means over rows
        until: asked between rollouts as until(agent, done), with the agent as it is by then; training ends at True

        Raises: BadValue where the world does not fit the rows.
        Warns: where an inner episode has no longest, so that sequences are cut at 256 decisions; where a row stopped
        learning (see `errors`).
        """
        config = config or AgentConfig()
        if rows is not None and seed is not None:
            raise BadValue("seed", seed, "left out where rows are given: each has its own")
        rows = tuple(rows) if rows is not None else (Row(seed=seed or 0),)
        if not isinstance(updates, int) or updates < 1:
            raise BadValue("updates", updates, "an integer of at least 1")
        if not rows:
            raise BadValue("rows", rows, "at least one row")
        face = Face.of(world, 1)
        steps = config.steps or _steps(world)
        if config.steps is None and math.isinf(_longest(world)):
            warnings.warn(
                f"the blocks of this world have no longest: training on sequences of {LONGEST} decisions, which is "
                "slow and may end within an episode; bound its episodes (`RepeatTask(..., steps=)`) or set "
                "`AgentConfig(steps=)`",
                stacklevel=2,
            )
        agent = cls(config, rows, replace(face, steps=steps))
        agent.network.to(world.device)
        seeds = [row.seed for row in rows]
        learner = ValueLearner(
            agent.network,
            DiscountTable.by_rows([config.step_discount] * len(rows), [row.episode_discount for row in rows]),
            reward_bound=world.reward_bound,
            total=updates,
            horizon=_longest(world),
            learning_rate=config.learning_rate,
            clip=config.clip,
            tau=config.tau,
            trace=config.trace,
            weight_decay=config.weight_decay,
        )
        collector = Collector(world, agent.network, seeds, [row.spans_tasks for row in rows], steps, config.scripted)
        blocks = config.blocks or min(64, max(8, 2000 // steps))
        replay = Replay(max(config.replay * blocks, collector.copies))
        draws = Stream(torch.tensor(seeds, device=world.device).unsqueeze(1), "replay")
        lane = torch.arange(blocks, device=world.device).unsqueeze(0)
        _reset(world, seeds)
        fresh = 0.0  # sequences played and not yet paid for by gradient steps
        while learner.done < updates and not (until is not None and until(agent, learner.done)):
            batch = collector.rollout(learner.done / updates)
            replay.add(batch)
            fresh += collector.copies
            while fresh * config.learns >= blocks and learner.done < updates:
                metrics = learner.update(replay.sample(draws.uniform(lane, learner.done)))
                fresh -= blocks / config.learns
                if progress is not None and (learner.done % 10 == 0 or learner.done == updates):
                    progress(
                        learner.done, updates, loss=float(metrics["loss"].mean()), reward=float(batch.reward.mean())
                    )
        agent.errors = tuple(None if error is None else str(error) for error in learner.errors)
        stopped = [error for error in agent.errors if error is not None]
        if stopped:
            warnings.warn(f"{len(stopped)} of {len(rows)} rows stopped learning: {stopped[0]}", stacklevel=2)
        agent.network.requires_grad_(False)
        return agent

    @torch.inference_mode()
    def evaluate(self, world: World, steps: int | None = None, seeds: Sequence[int] | None = None) -> Trajectory:
        """Play from fresh blocks, greedily; exact ties are broken by seeded draws.

        world: of S * B copies, row after row
        steps: T; none given: a whole block
        seeds: [S] of the tasks; none given: each row's own, moved away from those of training

        Raises: BadValue for a world that the agent does not fit, or steps below 1.
        """
        self._refuse_other(world)
        if steps is not None and steps < 1:
            raise BadValue("steps", steps, "at least 1, or None for a whole block")
        rows, steps = len(self.rows), steps or _steps(world)
        if world.num_envs % rows:
            raise BadValue("world.num_envs", world.num_envs, f"a multiple of the {rows} rows")
        copies = world.num_envs // rows
        obs = _reset(world, seeds if seeds is not None else [row.seed + TEST_SEED for row in self.rows])
        state, reward = self._fresh(copies), torch.zeros(rows, copies, device=obs.device)
        spans = torch.tensor([row.spans_tasks for row in self.rows], device=obs.device).unsqueeze(1)
        seen: dict[str, list[Tensor]] = {
            "action": [],
            "reward": [],
            "boundary": [],
            "inner_episode": [],
            "expected_reward": [],
        }
        for _ in range(steps):
            state = self._decide(obs.view(rows, copies, -1), state, reward)
            obs, reward, _, _, info = world.step(state.action.reshape(-1))
            reward = reward.view(rows, copies)
            boundary = info["boundary"].view(rows, copies)
            state = replace(state, start=(boundary >= TASK_ENDED) & ~spans)
            played = {"action": state.action, "reward": reward, "episode": info["inner_episode"], **info}
            for name, value in played.items():
                if name in seen:
                    seen[name].append(value.view(rows, copies))
        arrays = {name: torch.stack(each, dim=1).cpu().numpy() for name, each in seen.items() if each}
        return Trajectory(
            arrays["action"],
            arrays["reward"],
            arrays["boundary"],
            arrays["inner_episode"],
            arrays.get("expected_reward"),
        )

    @torch.inference_mode()
    def values(self, histories: Sequences, chunk: int = 2048) -> Tensor:
        """Q(h_t, .) at each decision of given histories: [S, T+1, B, A]; `chunk` copies at a time."""
        values = []
        for piece in zip(*(getattr(histories, name).split(chunk, dim=2) for name in _FIELDS), strict=True):
            part = Sequences(*piece)
            values.append(self.network.sequence(self.network.tokens.sequence(part), part.start))
        return torch.cat(values, dim=2) / self.config.reward_scale

    def initial_state(self) -> State:
        """An empty memory for `act`: hand it in whenever a new task begins."""
        return self._fresh(1)

    @torch.inference_mode()
    def act(self, obs: ArrayLike, state: State, reward: float = 0.0) -> tuple[int, State]:
        """The greedy action for one environment.

        obs: [O] the observation, or an array of another shape with as many numbers in the same order
        state: from `initial_state()` when a task begins, and then what the last call returned, across episode ends too;
            it is not changed, so that one can go on from it twice
        reward: what the last action paid

        Raises: BadValue for an observation of another size or not finite, a reward that is no number, another state,
        or when several rows are trained: pick one with `row`.
        """
        if len(self.rows) != 1:
            raise BadValue("rows", len(self.rows), "1 to act in one environment: pick a row with agent.row(s)")
        if not isinstance(state, State):
            raise BadValue("state", state, "from initial_state() or the last call")
        try:
            seen, paid = np.asarray(obs, dtype=np.float32), float(np.asarray(reward).item())
        except (TypeError, ValueError) as error:
            raise BadValue("obs and reward", (obs, reward), "numbers") from error
        if seen.size != self.face.observations:
            raise BadValue("obs", np.shape(obs), f"{self.face.observations} numbers")
        if not np.isfinite(seen).all() or not math.isfinite(paid):
            raise BadValue("obs and reward", (obs, reward), "finite")
        flat = torch.as_tensor(seen, device=state.obs.device).view(1, 1, -1)
        state = replace(state, memory=copy.deepcopy(state.memory))  # a transformer acts by writing into its cache
        state = self._decide(flat, state, torch.full((1, 1), paid, device=flat.device))
        return int(state.action), state

    def _refuse_other(self, world: World) -> None:
        face = replace(Face.of(world, 1), steps=self.face.steps)
        if face != self.face:
            raise BadValue("world", face, f"one like that of training, {self.face}")

    def row(self, row: int) -> Agent:
        """One row as an agent of its own.

        Raises: BadValue for a row that does not exist.
        """
        if not 0 <= row < len(self.rows):
            raise BadValue("row", row, f"between 0 and {len(self.rows) - 1}")
        agent = Agent(self.config, self.rows[row : row + 1], self.face, self.errors[row : row + 1])
        agent.network.load_state_dict({name: value[row : row + 1] for name, value in self.network.state_dict().items()})
        agent.network.requires_grad_(False)
        return agent

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the agent to one file; it is written aside and renamed. Raises: OSError where it cannot be."""
        path = Path(path)
        if not path.name or not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder to write the agent to: {os.fspath(path)!r}")
        content = {
            "format": FORMAT,
            "version": VERSION,
            "config": asdict(self.config),
            "rows": [asdict(row) for row in self.rows],
            "face": asdict(self.face),
            "errors": list(self.errors),
            "parameters": {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()},
        }
        aside = path.with_name(f"{path.name}.part{os.getpid()}")
        torch.save(content, aside)
        aside.replace(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Agent:
        """Read an agent that `save` wrote; no code in the file is run.

        Raises: BadValue for a file of another format or version; OSError where it cannot be read.
        """
        with open(path, "rb") as file:
            try:
                content = torch.load(file, map_location="cpu", weights_only=True)
            except Exception as error:  # the reader of foreign bytes fails in any way it likes
                raise BadValue("path", str(path), f"a file that Agent.save wrote ({type(error).__name__})") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise BadValue("path", str(path), "a file that Agent.save wrote")
        if content.get("version") != VERSION:
            raise BadValue("version", content.get("version"), f"{VERSION}: the file is from another release of Wayfare")
        try:
            rows = [Row(**row) for row in content["rows"]]
            agent = cls(AgentConfig(**content["config"]), rows, Face(**content["face"]), content["errors"])
            agent.network.load_state_dict(content["parameters"])
        except Exception as error:
            raise BadValue("path", str(path), f"a whole file that Agent.save wrote ({error})") from error
        agent.network.requires_grad_(False)
        return agent

    def _fresh(self, copies: int) -> State:
        device = next(self.network.parameters()).device
        shape = (len(self.rows), copies)
        return State(
            memory=self.network.initial_state(copies),
            obs=torch.zeros(*shape, self.face.observations, device=device),
            action=torch.zeros(shape, dtype=torch.int64, device=device),
            start=torch.ones(shape, dtype=torch.bool, device=device),
        )

    def _decide(self, obs: Tensor, state: State, reward: Tensor) -> State:
        """obs: [S, B, O], reward: [S, B] of the last action -> the state after, its `action` to be done now."""
        token = self.network.tokens.step(obs, state.action, reward, state.start, state.obs)
        values, memory = self.network(token, state.memory, state.start.unsqueeze(1))
        values = values[:, 0]
        best = values == values.amax(dim=-1, keepdim=True)
        if bool((best.sum(dim=-1) > 1).any()):
            seeds = torch.tensor([row.seed for row in self.rows], device=obs.device).view(-1, 1, 1)
            copy = torch.arange(obs.shape[1], device=obs.device).view(1, -1, 1)
            lanes = torch.arange(values.shape[-1], device=obs.device)
            best = best * Stream(seeds, "ties").uniform(copy, state.step, lane=lanes)
        action = best.to(values.dtype).argmax(dim=-1)
        return State(memory, obs, action, torch.zeros_like(state.start), state.step + 1)


_FIELDS = ("obs", "action", "reward", "boundary", "start")


def _network(config: AgentConfig, rows: Sequence[Row], face: Face) -> ValueNetwork:
    seeds = [row.seed for row in rows]
    blank = tuple(row.memory == 0 for row in rows)
    tokens = Tokens(face.observations, face.actions, blank, face.boundary_shown, config.reward_scale, transitions=True)
    memory = memory_network(
        config.network,
        tokens.width,
        config.width,
        seeds,
        layers=config.layers,
        heads=config.heads,
        memory=[row.memory for row in rows],
        context=face.steps + 1,
        positions=config.positions,
    )
    return ValueNetwork(tokens, memory, config.width, seeds)


def _longest(world: World) -> float:
    """Decisions in a block at most, infinite where nothing bounds it."""
    try:
        return world.block_steps
    except BadValue:
        return math.inf


def _steps(world: World) -> int:
    """Decisions in a sequence where nobody says: a whole block, unless that is long."""
    return int(min(_longest(world), LONGEST))


def _reset(world: World, seeds: Sequence[int]) -> Tensor:
    """Begin at the first blocks: copy b of row s is copy b of seeds[s], whatever the other rows are."""
    copies = world.num_envs // len(seeds)
    obs: Tensor
    obs, _ = world.reset(
        seed=[seed for seed in seeds for _ in range(copies)], options={"copy": torch.arange(copies).repeat(len(seeds))}
    )
    return obs
