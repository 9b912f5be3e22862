"""What can be put around a bandit world: action sets that change, rewards that come late. The two compose.

    ActionSets(world, chance=0.7)                  before each pull only some arms may be pulled
    DelayedFeedback(world, delay=20, every=50)     rewards arrive later, in batches, with the number of their decision

A wrapped world keeps the contract of `World`. What it does not know itself (`means`, `family` and so on) it asks the
world inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.worlds.contextual import expected_best
from wayfare.worlds.world import World, number, uniform, whole

__all__ = ["ActionSets", "DelayedFeedback", "WorldWrapper"]


class WorldWrapper(World):
    """A world around a world: the same copies, seeds, clocks and blocks.

    world: the one inside        extra: columns that the observation gains, in [0, 1], before the code
    lanes: see `World`
    """

    def __init__(self, world: World, extra: int = 0, lanes: int = 1) -> None:
        if not isinstance(world, World):
            raise BadValue("world", type(world).__name__, "a World")
        self.world = world
        inner, space = world._columns, world.single_observation_space
        assert isinstance(space, Box)
        actions: Space[Any] = world.single_action_space
        super().__init__(
            world.num_envs,
            columns=inner + extra,
            actions=actions,
            episodes=world.episodes,
            steps=world._steps,
            pause=world._pause,
            law=world.law,
            most_episodes=world.most_episodes,
            boundary="shown" if world.boundary_shown else "hidden",
            device=world.device,
            render_mode=world.render_mode,
            low=np.concatenate([space.low[:inner], np.zeros(extra, np.float32)]),
            high=np.concatenate([space.high[:inner], np.ones(extra, np.float32)]),
            lanes=lanes,
        )
        self.copy, self.metadata, self.reward_bound = world.copy, world.metadata, world.reward_bound

    def __getattr__(self, name: str) -> Any:
        """What the wrapper has not, the world inside may have."""
        if name.startswith("_") or name == "world":
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return getattr(self.world, name)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """See `World.reset`."""
        obs, info = self.world.reset(seed=seed, options=options)
        self._seed, self._copy, self._one_seed = self.world._seed, self.world._copy, self.world._one_seed
        if seed is not None:
            self._streams, self._kept = {}, {}
        self._clock = self.world._clock
        return obs, info

    def oracle_return(self) -> Tensor:
        """[N] See the world inside."""
        return self.world.oracle_return()

    def render(self) -> Any:
        """See the world inside."""
        return self.world.render()

    def close_extras(self, **_: Any) -> None:
        """Close the world inside."""
        self.world.close()


class ActionSets(WorldWrapper):
    """Before each pull every arm may be pulled with a chance of its own, independently.

    chance: in [0, 1], one for all arms or one each [K]
    always: arms that may always be pulled, at least one
    forbidden: an arm that may not be pulled is `refused`, or `redrawn`: one that may is pulled in its place, at random,
        and `info["redrawn"]` [N] says so

    `info["allowed"]` [N, K] is the set for the next pull, also at reset; the observation shows it as K columns, 0 or 1,
    after the context (zeros after a block's last pull). Drawn from (seed, "allowed", copy, clock, arm).

    Raises: BadValue for an argument out of range, and a world without K actions.
    """

    def __init__(
        self,
        world: World,
        chance: float | Sequence[float] = 0.7,
        always: Sequence[int] = (0,),
        forbidden: Literal["refused", "redrawn"] = "refused",
    ) -> None:
        arms = world.num_actions
        given = list(chance) if isinstance(chance, Sequence) else [chance] * arms
        if len(given) != arms:
            raise BadValue("chance", given, f"one number, or {arms}")
        chances = [number("chance", p, 0.0, 1.0) for p in given]
        if not len(always) or not all(isinstance(a, (int, np.integer)) and 0 <= a < arms for a in always):
            raise BadValue("always", list(always), f"at least one arm from 0 to {arms - 1}")
        if forbidden not in ("refused", "redrawn"):
            raise BadValue("forbidden", forbidden, "'refused' or 'redrawn'")
        if world._steps != 1 or getattr(world, "allowed", None) is not None:
            raise BadValue("world", type(world).__name__, "a bandit, inner episodes of one step, without action sets")
        super().__init__(world, extra=arms, lanes=arms)
        for a in always:
            chances[int(a)] = 1.0
        self.chance = torch.tensor(chances, dtype=torch.float64, device=self.device)
        self.forbidden = forbidden
        self._allowed = torch.ones(self.num_envs, arms, dtype=torch.bool, device=self.device)

    @property
    def allowed(self) -> Tensor:
        """[N, K] bool: what may be pulled now."""
        return self._allowed.clone()

    def oracle_return(self) -> Tensor:
        """[N] mean of the best arm that may be pulled, in expectation over sets (and contexts).

        Raises: BadValue where the means change within a block.
        """
        among = getattr(self.world, "oracle_among", None)
        if among is not None:
            best: Tensor = among(self.chance.float())
            return best
        if not getattr(self.world, "stationary", True):
            raise BadValue("world", type(self.world).__name__, "one whose arms stay, for the oracle among action sets")
        return expected_best(self.means, self.chance.float())

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """See `World.reset`."""
        obs, info = super().reset(seed=seed, options=options)
        self._draw_sets()
        return self._joined(obs, self._allowed), {**info, "allowed": self.allowed}

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """See the world inside. Raises: BadValue for an arm that is not there, or, where such are refused, may not be
        pulled, naming the first copy."""
        actions = self._checked(actions)
        if not bool(((actions >= 0) & (actions < self.num_actions)).all()):
            raise BadValue("actions", actions.unique().tolist(), f"between 0 and {self.num_actions - 1}")
        wrong = ~self._allowed.gather(1, actions.unsqueeze(1)).squeeze(1)
        if self.forbidden == "redrawn":
            u = self._drawn("redrawn", uniform, None, lanes=self.num_actions).t()
            actions = torch.where(wrong, u.masked_fill(~self._allowed, -1.0).argmax(dim=1), actions)
        elif bool(wrong.any()):
            i = int(wrong.nonzero()[0])
            may = self._allowed[i].nonzero().squeeze(1).tolist()
            raise BadValue(f"actions[{i}]", int(actions[i]), f"one of the arms {may} that may be pulled")
        obs, reward, terminated, truncated, info = self.world.step(actions)
        self._clock = self.world._clock
        self._draw_sets()
        info["allowed"] = self.allowed
        if self.forbidden == "redrawn":
            info["redrawn"] = wrong
        if "final_obs" in info:
            info["final_obs"] = self._joined(info["final_obs"], torch.zeros_like(self._allowed))
        return self._joined(obs, self._allowed), reward, terminated, truncated, info

    def _draw_sets(self) -> None:
        self._allowed = (self._drawn("allowed", uniform, None, lanes=self.num_actions) < self.chance.unsqueeze(1)).t()

    def _joined(self, obs: Tensor, sets: Tensor) -> Tensor:
        inner = self.world._columns
        return torch.cat([obs[:, :inner], sets.float(), obs[:, inner + self.world._blank :]], dim=1)


class DelayedFeedback(WorldWrapper):
    """The reward of a pull arrives `delay` pulls later, or with the next batch after that.

    delay: pulls, at least 0, or (least, most): uniform between the two, from (seed, "delay", copy, clock)
    every: rewards arrive only after each such number of a block's pulls; 1: as soon as they are due

    Nothing is lost: what is outstanding when a block ends arrives with its last pull.

    The reward of a step is the sum of those that arrive with it. In `info`, P = most delay + every:

        decision           [N] int64, the number of the decision just made: the clock, 0 for the first after a seed
        feedback_decision  [N, P] int64, the decisions whose rewards arrive, -1 in unused places
        feedback_reward    [N, P] float32, those rewards, 0 in unused places

    Raises: BadValue for an argument out of range.
    """

    def __init__(self, world: World, delay: int | tuple[int, int] = 0, every: int = 1) -> None:
        least, most = (delay, delay) if isinstance(delay, (int, float)) else delay
        whole("delay", least, 0)
        whole("delay", most, least)
        whole("every", every, 1)
        super().__init__(world)
        self.delay, self.every = (int(least), int(most)), int(every)
        places = self.delay[1] + self.every
        self.reward_bound = world.reward_bound * places
        self._waiting = torch.zeros(self.num_envs, places, dtype=torch.bool, device=self.device)
        self._due = torch.zeros(self.num_envs, places, dtype=torch.int32, device=self.device)
        self._paid = torch.zeros(self.num_envs, places, device=self.device)
        self._number = torch.full((places,), -1, dtype=torch.int64, device=self.device)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """See `World.reset`. What was outstanding is forgotten."""
        first = super().reset(seed=seed, options=options)
        self._waiting = torch.zeros_like(self._waiting)
        return first

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """See the world inside."""
        if self._seed is None:
            raise BadValue("world", "not begun", "reset before its first step")
        number, place = self._clock, self._clock % len(self._number)
        obs, reward, terminated, truncated, info = self.world.step(actions)
        pull = info["inner_episode"]
        self._due[:, place] = pull + self._drawn("delay", self._draw_delay, None)[0]
        self._clock = self.world._clock
        self._waiting[:, place] = True
        self._paid[:, place] = reward
        self._number[place] = number
        open_now = (pull + 1) % self.every == 0
        arrived = (self._due <= pull.unsqueeze(1)) & open_now.unsqueeze(1)
        arrived = self._waiting & (arrived | (terminated | truncated).unsqueeze(1))
        self._waiting = self._waiting & ~arrived
        info["decision"] = torch.full_like(pull, number, dtype=torch.int64)
        info["feedback_decision"] = torch.where(arrived, self._number, -1)
        info["feedback_reward"] = self._paid * arrived
        return obs, info["feedback_reward"].sum(dim=1), terminated, truncated, info

    def _draw_delay(self, stream: Stream, copy: Tensor, clock: Any, lane: Tensor) -> Tensor:
        least, most = self.delay
        late: Tensor = stream.integers(most - least + 1, copy, clock, lane) + least
        return late.to(torch.int32)
