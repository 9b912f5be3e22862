"""A language model taught to play bandits by reward: many tries at the same task, credit turn by turn.

    trial   M bandits x G replicas play T pulls side by side; replicas of a bandit share arms, noise and names
    reward  original, strategic or algorithmic, as in `wayfare.agents.meta_bandit`
    credit  returns to go within the trajectory, against the group's mean at the same turn            (1)
    step    clipped policy gradient over the tokens of every answer, by the trainer's own updater      (2)

A turn's advantage is that of all tokens of its answer, thought and name alike; what the world says stands in prompts
and is never learned. An answer that names no arm is a random pull and is paid as such. Each turn is asked anew with
the history that the telling shows: what the model thought at earlier turns is not kept, which is a simplification of
one long conversation.

Sources: Chen et al. 2025 (arXiv 2509.24923) for setting and rewards; (1) see `wayfare.learn.credit`; (2) see
`wayfare.learn.grpo.update`; a weight of 0.001 on the divergence from the start is usual for pretrained models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfare.agents.bandit_player import BanditPlayer, Played, Telling
from wayfare.agents.meta_bandit import History, Reward, turn_rewards
from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules.evidence import ActionRule
from wayfare.language.interface import Prompt, Samples, Sampling
from wayfare.language.local import TransformersModel
from wayfare.learn.checkpoint import Checkpoints
from wayfare.learn.credit import returns_to_go, turn_advantages
from wayfare.learn.grpo.config import GRPOConfig
from wayfare.learn.grpo.processes import Alone
from wayfare.learn.grpo.update import Updater
from wayfare.learn.rollouts import RolloutBatch, joined, rollout_of
from wayfare.worlds.replicas import BanditReplicas

__all__ = ["Trials", "gradient_variance", "play_replicas", "reinforce", "rollout", "settings"]

SEEDS = 2**31 - 1


@dataclass(frozen=True)
class Trials:
    """What a rollout is made of: instances x replicas rows of `turns` pulls of `arms` arms.

    Raises: BadValue for fewer than two replicas, which have no baseline, or anything else below 1.
    """

    instances: int = 4
    replicas: int = 8
    turns: int = 50
    arms: int = 5

    def __post_init__(self) -> None:
        for name, least in (("instances", 1), ("replicas", 2), ("turns", 1), ("arms", 1)):
            if getattr(self, name) < least:
                raise BadValue(name, getattr(self, name), f"at least {least}")

    @property
    def rows(self) -> int:
        """Answers of a rollout."""
        return self.instances * self.replicas * self.turns

    def world(self, seed: int, number: int) -> BanditReplicas:
        """The bandits of rollout `number`."""
        return BanditReplicas(self.instances, self.replicas, self.arms, seed=seed, first=number * self.instances)


def settings(trials: Trials, sampling: Sampling, learning_rate: float, **others: Any) -> GRPOConfig:
    """How it is learned from such rollouts: at a constant rate, each token of an update counting the same.

    others: fields of `GRPOConfig`, say `mini_batches`, or `per_device_train_batch_size`, rows passed at once

    Raises: BadValue for a field out of range.
    """
    own: dict[str, Any] = {
        "learning_rate": learning_rate, "lr_scheduler_type": "constant", "loss_type": "token-mean",
        "use_bias_correction_kl": False, "num_generations": trials.replicas, "generation_batch_size": trials.rows,
        "max_completion_length": sampling.max_tokens,
    }  # fmt: skip
    return GRPOConfig(**{**own, **others})


def play_replicas(player: BanditPlayer, world: BanditReplicas, turns: int, seed: int) -> tuple[Played, History]:
    """Play all rows of a world; seed: of names, answers and random pulls."""
    task = world.instance.numpy()

    def pull(actions: NDArray[np.int64], _: int) -> NDArray[np.float64]:
        paid: NDArray[np.float64] = world.pull(torch.from_numpy(actions)).numpy()
        return paid

    played = player.play(pull, world.arms, len(task), turns, seed, task)
    return played, History(torch.from_numpy(played.actions), torch.from_numpy(played.rewards), world.means)


def rollout(
    model: TransformersModel, telling: Telling, sampling: Sampling, trials: Trials, seed: int, number: int
) -> tuple[Played, History, RolloutBatch]:
    """Rollout `number`: what was played, and its answers, turn by turn, row t B + b being turn t of trajectory b.

    Raises: BadValue for another temperature than 1, or a distribution cut off: the gradient is of what is drawn.
    """
    if not sampling.plain:
        raise BadValue("sampling", sampling, "temperature 1, top_p 1, min_p 0")
    world = trials.world(seed, number)
    parts: list[RolloutBatch] = []

    def watch(prompts: Sequence[Prompt], told: Samples) -> None:
        parts.append(rollout_of(model, prompts, told, group_id=world.group_id, turn=len(parts)))

    own = int(Stream(seed, "rollouts").integers(SEEDS - 1, 0, number))
    played, history = play_replicas(BanditPlayer(model, telling, sampling, watch), world, trials.turns, own)
    return played, history, joined(parts)


def credited(
    batch: RolloutBatch, history: History, groups: Tensor, reward: Reward, gamma: float, teacher: ActionRule
) -> RolloutBatch:
    """The batch with the reward of each turn and, in groups of replicas, its advantage (1)."""
    paid = turn_rewards(history, reward, teacher)
    advantage = turn_advantages(returns_to_go(paid, gamma), groups)
    return replace(batch, reward=paid.flatten().float(), advantages=advantage.flatten().float())


def reinforce(
    model: TransformersModel, config: GRPOConfig, telling: Telling, sampling: Sampling, reward: Reward, gamma: float,
    trials: Trials, updates: int, teacher: ActionRule, seed: int,
    report: Callable[[int, int, dict[str, float]], None] | None = None, checkpoints: Checkpoints | None = None,
) -> list[dict[str, float]]:  # fmt: skip
    """Learn from own histories, fresh bandits in every update, until `updates` are done in all.

    config: as `settings` gives        gamma: of the turns' rewards, 0 to 1
    teacher: whose choices the algorithmic reward pays        seed: of bandits, names and answers
    checkpoints: from which it goes on, and which it writes
    Returns: of each update done here, means of reward and of pulls that no answer named, and what the update tells.
    Raises: BadValue as `rollout` and `Updater` do, or for a config of other trials.
    """
    learner = _learner(model, config, trials, updates)
    if checkpoints is not None:
        checkpoints.restore(learner)
    found = []
    for update in range(learner.done // config.updates_per_step, updates):
        played, history, batch = rollout(model, telling, sampling, trials, seed, update)
        batch = credited(batch, history, trials.world(seed, update).group_id, reward, gamma, teacher)
        told = learner.update(learner.prepared(batch), update)
        found.append({"reward": float(history.rewards.mean()), "unmatched": played.unmatched, **told})
        if checkpoints is not None:
            checkpoints.passed(learner)
        if report is not None:
            report(update + 1, updates, found[-1])
    return found


def gradient_variance(
    model: TransformersModel, config: GRPOConfig, telling: Telling, sampling: Sampling,
    rewards: Sequence[tuple[Reward, float]], trials: Trials, teacher: ActionRule, seed: int, batches: int = 32,
) -> list[float]:  # fmt: skip
    """Trace of the covariance of the gradient over rollouts of one policy: of each (reward, gamma) on the same ones.

    config: as `settings` gives

    Raises: BadValue as `reinforce`.
    """
    learner = _learner(model, config, trials, 1)
    rows: list[list[Tensor]] = [[] for _ in rewards]
    for number in range(batches):
        _, history, batch = rollout(model, telling, sampling, trials, seed, number)
        groups = trials.world(seed, number).group_id
        for kept, (reward, gamma) in zip(rows, rewards, strict=True):
            paid = learner.prepared(credited(batch, history, groups, reward, gamma, teacher))
            kept.append(learner.gradient(paid).cpu())
    return [float(torch.stack(kept).var(dim=0).sum()) for kept in rows]


def _learner(model: TransformersModel, config: GRPOConfig, trials: Trials, updates: int) -> Updater:
    if config.generation_batch_size != trials.rows:  # updates are counted by their optimiser steps
        raise BadValue("generation_batch_size", config.generation_batch_size, f"{trials.rows}, the rows of a rollout")
    return Updater(model, config, Alone(), total=updates * config.updates_per_step)
