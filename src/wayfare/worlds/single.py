"""One copy of a world as a plain `gymnasium.Env`: NumPy in and out, an episode is a block."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.spaces import Space
from numpy.typing import NDArray
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.worlds.bandit import RecurringBandit
from wayfare.worlds.contextual import LinearBandit
from wayfare.worlds.gridworld import HiddenGoal
from wayfare.worlds.tabular import RandomMDP
from wayfare.worlds.varied import VariedBandit
from wayfare.worlds.world import World, refuse_other

__all__ = ["SingleCopy", "hidden_goal", "linear_bandit", "random_mdp", "recurring_bandit", "varied_bandit"]


class SingleCopy(gymnasium.Env[NDArray[np.float32], Any]):
    """world: of one copy. What it says in `info` comes as plain numbers, or arrays of them; the block's last
    observation comes as the observation.

    Raises: BadValue for what is no World, or has more copies.
    """

    def __init__(self, world: World) -> None:
        refuse_other(world)
        if world.num_envs != 1:
            raise BadValue("num_envs", world.num_envs, "1 for a single copy")
        self.world = world
        self.metadata = {key: value for key, value in world.metadata.items() if key != "autoreset_mode"}
        self.observation_space: Space[Any] = world.single_observation_space
        self.action_space: Space[Any] = world.single_action_space
        self.render_mode = world.render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin the first block of a seed, or the next block not yet seen."""
        super().reset(seed=seed)
        obs, info = self.world.reset(seed=seed, options=options)
        return _array(obs), _plain(info)

    def step(self, action: Any) -> tuple[NDArray[np.float32], SupportsFloat, bool, bool, dict[str, Any]]:
        """One step; after the block's last one, `reset` is due."""
        obs, reward, terminated, truncated, info = self.world.step(np.asarray(action)[None])  # type: ignore[arg-type]
        obs = info.pop("final_obs", obs)
        info.pop("_final_obs", None)
        return _array(obs), float(reward), bool(terminated), bool(truncated), _plain(info)

    def render(self) -> NDArray[np.uint8] | None:
        """The frame [H, W, 3] of what the last step did."""
        frames = self.world.render()
        return None if frames is None else np.asarray(frames[0])

    def close(self) -> None:
        """Close the world."""
        self.world.close()


def recurring_bandit(**arguments: Any) -> SingleCopy:
    """`wayfare/RecurringBandit-v0` for `gymnasium.make`."""
    return SingleCopy(RecurringBandit(1, **arguments))


def varied_bandit(**arguments: Any) -> SingleCopy:
    """`wayfare/VariedBandit-v0` for `gymnasium.make`."""
    return SingleCopy(VariedBandit(1, **arguments))


def linear_bandit(**arguments: Any) -> SingleCopy:
    """`wayfare/LinearBandit-v0` for `gymnasium.make`."""
    return SingleCopy(LinearBandit(1, **arguments))


def hidden_goal(**arguments: Any) -> SingleCopy:
    """`wayfare/HiddenGoal-v0` for `gymnasium.make`."""
    return SingleCopy(HiddenGoal(1, **arguments))


def random_mdp(**arguments: Any) -> SingleCopy:
    """`wayfare/RandomMDP-v0` for `gymnasium.make`."""
    return SingleCopy(RandomMDP(1, **arguments))


def _array(obs: Tensor) -> NDArray[np.float32]:
    return obs[0].cpu().numpy().copy()


def _plain(info: dict[str, Any]) -> dict[str, Any]:
    return {key: value.item() if value.dim() == 1 else value[0].cpu().numpy() for key, value in info.items()}
