"""Does a world keep the contract? gymnasium's `check_env` knows single environments only; this one is for batches.

check_world(RecurringBandit(64))
check_env(SingleCopy(RecurringBandit(1)))     # gymnasium.utils.env_checker, for the single copy
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.worlds.boundary import Boundary
from wayfare.worlds.world import World, refuse_other

__all__ = ["check_world"]


class _Step(NamedTuple):
    obs: Tensor
    reward: Tensor
    boundary: Tensor


def check_world(world: World, steps: int | None = None) -> None:
    """Play a world with random actions and look at everything that it returns. The world is left at some block.

    steps: how many; None: enough to end two blocks in each copy

    Checked: spaces; shapes, types and device of what is returned, and that it is new at each call where the world
    copies; that `terminated` and `truncated` agree with the codes, the autoreset with both, and the shown code with the
    code; that inner episodes are counted; that a seed replays, that copies depend on their seed and number and on
    nothing else.

    Raises: BadValue that names what is wrong.
    """
    refuse_other(world)
    if steps is not None and steps < 1:
        raise BadValue("steps", steps, "at least 1, or None for two blocks")
    _spaces(world)
    steps = steps if steps is not None else 2 * world.block_steps + 1
    whole = _play(world, steps, 11)
    _same("reset(seed=11) the second time", whole, _play(world, steps, 11))
    _same("copies given by a list of seeds", whole, _play(world, steps, [11] * world.num_envs))
    turned = np.arange(world.num_envs)
    for length in world.episodes.unique():  # among copies with blocks of one length, in reverse
        alike = (world.episodes == length).nonzero().squeeze(1).cpu().numpy()
        turned[alike] = alike[::-1]
    if world.num_envs > 1:
        other = _play(world, steps, [11] * world.num_envs, turned.tolist())
        _same("copies in another order", whole, [_Step(*(field[turned] for field in step)) for step in other])


def _spaces(world: World) -> None:
    if world.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP:
        raise BadValue("metadata['autoreset_mode']", world.metadata.get("autoreset_mode"), "SAME_STEP")
    single = world.single_observation_space
    if not isinstance(single, Box) or single.dtype != np.float32 or len(single.shape) != 1:
        raise BadValue("single_observation_space", single, "a Box of float32 with one dimension")
    for name in ("observation_space", "action_space"):
        expected = batch_space(getattr(world, f"single_{name}"), world.num_envs)
        if getattr(world, name) != expected:
            raise BadValue(name, getattr(world, name), f"{expected}")
    if not world.reward_bound > 0:
        raise BadValue("reward_bound", world.reward_bound, "above 0")


def _actions(world: World, steps: int, numbers: Sequence[int]) -> list[Tensor]:
    """Actions of copy i that depend on its number alone."""
    world.action_space.seed(5)
    drawn = torch.as_tensor(np.stack([world.action_space.sample() for _ in range(steps)]), device=world.device)
    return list(drawn[:, list(numbers)])


def _play(world: World, steps: int, seed: int | list[int], numbers: list[int] | None = None) -> list[_Step]:
    order = numbers or list(range(world.num_envs))
    obs, info = world.reset(seed=seed, options={"copy": torch.tensor(numbers)} if numbers else None)
    _look(world, obs, None, None, None, info)
    _code_shown(world, obs, torch.zeros(world.num_envs, dtype=torch.int8, device=world.device))
    episode = torch.zeros(world.num_envs, dtype=torch.int64, device=world.device)
    kept: list[_Step] = [_Step(obs, torch.zeros(world.num_envs, device=world.device), torch.zeros_like(episode))]
    copies = [_Step(*(field.clone() for field in kept[0]))]
    for actions in _actions(world, steps, order):
        obs, reward, terminated, truncated, info = world.step(actions)
        _look(world, obs, reward, terminated, truncated, info)
        boundary = info["boundary"]
        _ends(world, obs, terminated, truncated, info)
        if bool((info["inner_episode"] < episode).any()) or bool((info["inner_episode"] > episode + 1).any()):
            raise BadValue("info['inner_episode']", info["inner_episode"].tolist(), "counted up from 0 within a block")
        episode = torch.where(boundary >= Boundary.TASK_TERMINATED, 0, info["inner_episode"].long())
        kept.append(_Step(obs, reward, boundary))
        copies.append(_Step(*(field.clone() for field in kept[-1])))
    if world.copy:
        _same("what was returned earlier, after later steps", kept, copies)
    return copies


def _look(world: World, obs: Tensor, reward: Any, terminated: Any, truncated: Any, info: dict[str, Any]) -> None:
    n = world.num_envs
    shape = (n, *(world.single_observation_space.shape or ()))
    expected: list[tuple[str, Any, tuple[int, ...], torch.dtype]] = [
        ("obs", obs, shape, torch.float32),
        ("info['boundary']", info.get("boundary"), (n,), torch.int8),
        ("info['inner_episode']", info.get("inner_episode"), (n,), torch.int32),
    ]
    if reward is not None:
        expected += [
            ("reward", reward, (n,), torch.float32),
            ("terminated", terminated, (n,), torch.bool),
            ("truncated", truncated, (n,), torch.bool),
        ]
    if "final_obs" in info:
        expected += [("info['final_obs']", info["final_obs"], shape, torch.float32)]
        expected += [("info['_final_obs']", info.get("_final_obs"), (n,), torch.bool)]
    for name, value, size, dtype in expected:
        if not isinstance(value, Tensor) or value.shape != size or value.dtype != dtype or value.device != world.device:
            found = (value.dtype, tuple(value.shape), value.device) if isinstance(value, Tensor) else type(value)
            raise BadValue(name, found, f"{dtype} {size} on {world.device}")
    if not world.observation_space.contains(obs.cpu().numpy()):
        raise BadValue("obs", obs, "in the observation space")


def _ends(world: World, obs: Tensor, terminated: Tensor, truncated: Tensor, info: dict[str, Any]) -> None:
    boundary = info["boundary"]
    if bool(((boundary < 0) | (boundary > max(Boundary))).any()):
        raise BadValue("info['boundary']", boundary.tolist(), "one of the five codes")
    for name, found, code in (
        ("terminated", terminated, Boundary.TASK_TERMINATED),
        ("truncated", truncated, Boundary.TASK_TRUNCATED),
    ):
        if not torch.equal(found, boundary == code):
            raise BadValue(name, found.tolist(), f"true where info['boundary'] is {code.name}")
    ended = terminated | truncated
    if bool(ended.any()) != ("final_obs" in info):
        raise BadValue("info['final_obs']", "final_obs" in info, "there when a block has ended, and only then")
    if "final_obs" in info:
        if not torch.equal(info["_final_obs"], ended):
            raise BadValue("info['_final_obs']", info["_final_obs"].tolist(), "true where a block has ended")
        _code_shown(world, info["final_obs"], boundary, ended)
    _code_shown(world, obs, boundary.masked_fill(ended, Boundary.RUNNING))


def _code_shown(world: World, obs: Tensor, code: Tensor, where: Tensor | None = None) -> None:
    if not world.boundary_shown:
        return
    wrong = obs[:, -len(Boundary) :] != torch.eye(len(Boundary), device=world.device)[code.long()]
    if bool(wrong.any(dim=1)[slice(None) if where is None else where].any()):
        raise BadValue(
            "obs", obs, "such that the last five columns are the code of the step before, RUNNING at a block's start"
        )


def _same(what: str, one: list[_Step], other: list[_Step]) -> None:
    for t, (a, b) in enumerate(zip(one, other, strict=True)):
        for name in _Step._fields:
            if not torch.equal(getattr(a, name), getattr(b, name)):
                raise BadValue(what, f"another {name} at step {t}", "the same, bit for bit")
