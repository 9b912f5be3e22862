"""The in-context agent by policy gradient: a memory network, trained by PPO on tasks that come back.

    training = Training(world, PPOAgentConfig(network="gru"), [Row(seed=0)], decisions=300_000)
    training.run()
    played = training.evaluate(RecurringBandit(512), steps=30)

Any world serves: Wayfare's own, and gymnasium's vector environments through `ArrayConversion` to torch, where each
episode is a task of its own.

Source: Schulman et al. 2017 (`wayfare.learn.ppo`) over the memory of Duan et al. 2016 (RL^2): action, reward and
observation of every step are read, and memory lasts as long as the task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from wayfare.agents.conditions import Row
from wayfare.errors import BadValue
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.play import Player, Rollout
from wayfare.learn.policy_network import PolicyNetwork
from wayfare.learn.ppo import PPO, PPOConfig
from wayfare.learn.tokens import Tokens
from wayfare.networks import memory_network
from wayfare.worlds import World

__all__ = ["PPOAgentConfig", "Training"]

TEST_SEED = 1_000_003  # added to a row's seed where it is tested, so that no test block was trained on


@dataclass(frozen=True)
class PPOAgentConfig:
    """What all rows share."""

    network: Literal["none", "gru", "lstm", "transformer"] = "gru"
    """Memory network."""
    width: int = 32
    """Features of the network."""
    layers: int = 1
    """Its layers."""
    heads: int = 2
    """Attention heads of a transformer."""
    context: int = 64
    """Decisions that an unbounded transformer keeps."""
    steps: int | None = None
    """Decisions in a rollout: T; None: a whole block of the world."""
    step_discount: float = 0.97
    """gamma_step, inside an episode."""
    task_discount: float | None = None
    """Of the value beyond a truncated task; None: 0 for a world of blocks, gamma_step where an episode is a task."""
    reward_scale: float = 1.0
    """Rewards are multiplied by it; make returns about one."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    """How a rollout is learned from."""

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        for name in ("width", "layers", "heads", "context"):
            if getattr(self, name) < 1:
                raise BadValue(name, getattr(self, name), "at least 1")
        if self.steps is not None and self.steps < 1:
            raise BadValue("steps", self.steps, "at least 1, or None for a whole block")
        if not self.reward_scale > 0:
            raise BadValue("reward_scale", self.reward_scale, "above 0")


class Training:
    """S rows trained side by side.

    world: of S * B copies, row after row, discrete actions, torch tensors
    rows: none given: one of seed 0
    decisions: of each row, in all; counted in whole rollouts

    Raises: BadValue where the world does not fit.
    """

    def __init__(
        self,
        world: Any,
        config: PPOAgentConfig | None = None,
        rows: Sequence[Row] | None = None,
        decisions: int = 200_000,
    ) -> None:
        self.config = config = config or PPOAgentConfig()
        self.rows = tuple(rows) if rows is not None else (Row(),)
        if not self.rows:
            raise BadValue("rows", self.rows, "at least one row")
        self._seeds = [row.seed for row in self.rows]
        blocks = isinstance(world, World)
        steps = config.steps or (world.block_steps if blocks else 128)
        self.network = _network(world, config, self.rows).to(getattr(world, "device", None) or "cpu")
        beyond = config.task_discount
        if beyond is None:
            beyond = 0.0 if blocks else config.step_discount
        episode = tuple(row.episode_discount for row in self.rows)
        table = DiscountTable(config.step_discount, episode, episode, 0.0, beyond)
        self.player = self._player(world, steps, greedy=False)
        each = steps * self.player.copies
        if decisions < each:
            raise BadValue("decisions", decisions, f"at least one rollout, {each}")
        self.learner = PPO(self.network, table, self._seeds, total=decisions // each, config=config.ppo)
        _begin(self.player, world, self._seeds)

    @property
    def decisions(self) -> int:
        """Steps that each row has learned from, dummy steps of a late reset included."""
        return self.learner.done * self.player.steps * self.player.copies

    def update(self) -> dict[str, Tensor]:
        """Play a rollout and learn from it: the learner's metrics and `reward`, the mean of a decision, each [S]."""
        batch = self.player.rollout()
        metrics = self.learner.update(batch)
        metrics["reward"] = (batch.reward * batch.counted).sum(dim=(1, 2)) / batch.counted.sum(dim=(1, 2))
        return metrics

    def run(self, progress: Callable[..., None] | None = None) -> None:
        """Update to the end. progress: called as progress(done, total, reward=, entropy=), means over rows."""
        while self.learner.done < self.learner.total:
            metrics = self.update()
            if progress is not None:
                shown = {name: float(metrics[name].mean()) for name in ("reward", "entropy")}
                progress(self.learner.done, self.learner.total, **shown)

    def evaluate(
        self, world: Any, steps: int | None = None, seeds: Sequence[int] | None = None, greedy: bool = True
    ) -> Rollout:
        """Play from fresh blocks.

        world: of S * B copies, row after row
        steps: T; none given: a whole block
        seeds: [S] of the tasks; none given: each row's own, moved away from those of training
        greedy: the likeliest action rather than a drawn one

        Raises: BadValue for seeds that are not one a row, or no steps where the world has no blocks to say them.
        """
        if steps is None and not isinstance(world, World):
            raise BadValue("steps", steps, "given: this world has no blocks")
        if seeds is not None and len(seeds) != len(self.rows):
            raise BadValue("seeds", list(seeds), f"{len(self.rows)}, one for each row")
        player = self._player(world, world.block_steps if steps is None else steps, greedy)
        _begin(player, world, list(seeds or [seed + TEST_SEED for seed in self._seeds]))
        return player.rollout()

    def _player(self, world: Any, steps: int, greedy: bool) -> Player:
        return Player(world, self.network, self._seeds, steps, [row.spans_tasks for row in self.rows], greedy)


def _network(world: Any, config: PPOAgentConfig, rows: Sequence[Row]) -> PolicyNetwork:
    space, actions = world.single_observation_space, world.single_action_space
    if not isinstance(actions, Discrete) or actions.start != 0:
        raise BadValue("action_space", actions, "discrete, counted from 0")
    if not isinstance(space, Box):
        raise BadValue("observation_space", space, "a box: flatten it, or let `RepeatTask` do so")
    seeds = [row.seed for row in rows]
    blank = tuple(row.memory == 0 for row in rows)
    shown = bool(getattr(world, "boundary_shown", False))
    tokens = Tokens(int(np.prod(space.shape or (1,))), int(actions.n), blank, shown, config.reward_scale)
    memory = memory_network(
        config.network,
        tokens.width,
        config.width,
        seeds,
        layers=config.layers,
        heads=config.heads,
        memory=[row.memory for row in rows],
        context=config.context,
    )
    return PolicyNetwork(tokens, memory, config.width, seeds)


def _begin(player: Player, world: Any, seeds: Sequence[int]) -> None:
    """Reset so that copy b of row s is copy b of seeds[s], whatever the other rows are.

    An environment whose copies share one generator (CartPole's own vector form) takes the first seed alone.
    """
    copies = world.num_envs // len(seeds)
    if isinstance(world, World):
        repeated = [seed for seed in seeds for _ in range(copies)]
        player.begin(seed=repeated, options={"copy": torch.arange(copies).repeat(len(seeds))})
        return
    apart = [(seed * 1_000_003 + copy) % 2**31 for seed in seeds for copy in range(copies)]
    try:
        player.begin(seed=apart)
    except gymnasium.error.Error:
        player.begin(seed=apart[0])
