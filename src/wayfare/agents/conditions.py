"""What an in-context agent is told before it is trained: the rows (seed and condition), common sizes, its fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from wayfare.errors import BadValue

if TYPE_CHECKING:
    from wayfare.worlds import World

__all__ = ["AgentConfig", "Face", "Row"]

NETWORKS = ("none", "gru", "lstm", "transformer")
POSITIONS = ("absolute", "none", "relative")


@dataclass(frozen=True)
class Row:
    """One of the agents trained side by side: a seed and a condition.

    seed: of its tasks, its initial weights, its behaviour and its replay
    episode_discount: gamma_episode, the discount of value beyond an episode's end within a block
    memory: X, decisions remembered; None: all since memory began; 0: also blind to the previous action and reward
    spans_tasks: memory goes on when the task changes
    """

    seed: int = 0
    episode_discount: float = 0.97
    memory: int | None = None
    spans_tasks: bool = False

    def __post_init__(self) -> None:
        """Raises: BadValue for an impossible condition."""
        if not 0 <= self.episode_discount <= 1:
            raise BadValue("episode_discount", self.episode_discount, "between 0 and 1")
        if self.memory is not None and (not _whole(self.memory) or self.memory < 0):
            raise BadValue("memory", self.memory, "an integer of at least 0, or None for all")
        if not _whole(self.seed) or not 0 <= self.seed < 2**62:
            raise BadValue("seed", self.seed, "an integer from 0 to 2^62 - 1")


@dataclass(frozen=True)
class AgentConfig:
    """What all rows share."""

    network: Literal["none", "gru", "lstm", "transformer"] = "transformer"
    """Memory network."""
    width: int = 32
    """Features of the network: d."""
    layers: int = 1
    """Its layers."""
    heads: int = 2
    """Attention heads of a transformer."""
    positions: Literal["absolute", "none", "relative"] = "absolute"
    """Absolute positions teach the pulls to go: right for blocks of fixed length, wrong for geometric ones."""
    step_discount: float = 0.97
    """gamma_step, inside an episode."""
    learning_rate: float = 5e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 0.01
    """Of AdamW."""
    clip: float = 1.0
    """Largest gradient norm of a row."""
    tau: float = 0.15
    """Share of the online network that enters the target at each update."""
    trace: float = 0.0
    """Lambda of Watkins' trace in the learner's target; 0: one step, right where rewards are noisy."""
    blocks: int | None = None
    """Sequences of each row in a gradient step; None: 2000 decisions' worth, at least 8 and at most 64."""
    learns: float = 4.0
    """How often a sequence is learned from, on average: gradient steps for each `blocks` sequences played."""
    replay: int = 40
    """Batches of `blocks` sequences that are remembered."""
    scripted: float = 0.5
    """Share of the copies that follow a script in training."""
    steps: int | None = None
    """Decisions in a sequence: T; None: a whole block of the world, at most 256."""
    reward_scale: float = 1.0
    """Rewards are multiplied by it; make them about one."""

    def __post_init__(self) -> None:
        """Raises: BadValue for the first impossible field."""
        if self.network not in NETWORKS:
            raise BadValue("network", self.network, f"one of {', '.join(NETWORKS)}")
        if self.positions not in POSITIONS:
            raise BadValue("positions", self.positions, f"one of {', '.join(POSITIONS)}")
        for name in ("width", "layers", "heads", "replay"):
            if not _whole(getattr(self, name)) or getattr(self, name) < 1:
                raise BadValue(name, getattr(self, name), "an integer of at least 1")
        if self.network == "transformer" and self.width % self.heads:
            raise BadValue("heads", self.heads, f"a divisor of the width {self.width}")
        for name in ("learning_rate", "clip", "learns", "reward_scale"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BadValue(name, getattr(self, name), "above 0 and finite")
        if not 0 <= self.weight_decay < float("inf"):
            raise BadValue("weight_decay", self.weight_decay, "at least 0 and finite")
        if not 0 < self.tau <= 1:
            raise BadValue("tau", self.tau, "above 0 and at most 1")
        for name in ("step_discount", "scripted", "trace"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadValue(name, getattr(self, name), "between 0 and 1")
        for name in ("blocks", "steps"):
            value = getattr(self, name)
            if value is not None and (not _whole(value) or value < 1):
                raise BadValue(name, value, "an integer of at least 1, or None")


@dataclass(frozen=True)
class Face:
    """What an agent fits: numbers in an observation, actions, whether the code is shown, decisions in a sequence."""

    observations: int
    actions: int
    boundary_shown: bool
    steps: int

    @classmethod
    def of(cls, world: World, steps: int) -> Face:
        """The face of a world. Raises: BadValue for what is no World, or has actions that are not discrete."""
        if not all(hasattr(world, name) for name in ("single_observation_space", "num_actions", "boundary_shown")):
            raise BadValue(
                "world",
                type(world).__name__,
                "a wayfare World: RepeatTask(make_env, episodes=...) makes one of your own",
            )
        observations = int(np.prod(world.single_observation_space.shape or (1,)))
        return cls(observations, world.num_actions, world.boundary_shown, steps)


def _whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
