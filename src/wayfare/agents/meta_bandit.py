"""A bandit player whose exploring is in its memory: a causal transformer that reads its own pulls and answers an arm.

One token a pull: the arm pulled last and what it paid. No positions: what was seen counts, not when, so that it goes on
beyond the length it was trained for. Weights are fixed within a task.

    imitate     cross-entropy on a teacher's arms, in the teacher's own histories
    reinforce   policy gradient on its own histories, with one of three rewards for pull t of arm a      (1)
                    original      the reward that came, r_t
                    strategic     (mu_a - mu_min) / (mu_max - mu_min), 1 where all means are equal
                    algorithmic   1 where a is among the arms that UCB would pull on this history, else 0

The arms of an instance are drawn alike, so that their order says nothing.

Source: (1) Chen et al. 2025, "When Greedy Wins" (arXiv 2509.24923), by name and idea; the formulas are ours, as are the
optimiser and the size. A network from random weights stands where the paper has a pretrained model: what takes the
place of the weak generalist is trained on mediocre players, and is not called pretrained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wayfare.draws import Stream
from wayfare.errors import BadValue
from wayfare.explore.rules import UCB1, ActionRule, ArmTable, EpsilonGreedy, Softmax, Uniform
from wayfare.learn.credit import returns_to_go, turn_advantages
from wayfare.learn.optimiser import FlatParameters, StackedAdamW
from wayfare.learn.policy_gradient import PolicyGradient
from wayfare.learn.supervised import cross_entropy
from wayfare.networks.memory import memory_network
from wayfare.networks.stacked import Linear
from wayfare.worlds.replicas import BanditReplicas

__all__ = [
    "History",
    "MetaBandit",
    "Reward",
    "Training",
    "gradient_variance",
    "imitate",
    "mediocre",
    "play",
    "reinforce",
    "turn_rewards",
]

Reward = Literal["original", "strategic", "algorithmic"]


@dataclass(frozen=True)
class History:
    """actions: [T, B] int64        rewards: [T, B] float64        means: [B, K]"""

    actions: Tensor
    rewards: Tensor
    means: Tensor

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """The same for `wayfare.explore.diagnostics`."""
        return self.actions.numpy(), self.rewards.numpy(), self.means.numpy()


class MetaBandit(nn.Module):
    """The policy. context: pulls that its cache keeps. Raises: BadValue for a size out of range."""

    def __init__(self, arms: int = 5, seed: int = 0, *, width: int = 64, layers: int = 2, context: int = 301) -> None:
        super().__init__()
        self.arms, self.seed = arms, seed
        self.memory = memory_network(
            "transformer", arms + 2, width, [seed], layers=layers, heads=4, context=context, positions="none"
        )
        self.head = Linear(width, arms, seeds=[seed], name="head")

    def tokens(self, actions: Tensor, rewards: Tensor) -> Tensor:
        """[1, T, B, K + 2] of [T, B] pulls: what each decision sees of the pull before it, nothing at the first."""
        before = nn.functional.one_hot(actions, self.arms).float()
        told = torch.cat([before, rewards.unsqueeze(2).float(), torch.zeros_like(before[..., :1])], dim=2)
        first = torch.zeros_like(told[:1])
        first[..., -1] = 1.0
        return torch.cat([first, told[:-1]]).unsqueeze(0)

    def forward(self, actions: Tensor, rewards: Tensor) -> Tensor:
        """[T, B, K] logits of every decision of whole histories."""
        tokens = self.tokens(actions, rewards)
        y, _ = self.memory(tokens, self.memory.initial_state(actions.shape[1]))
        logits: Tensor = self.head(y)[0]
        return logits

    @torch.no_grad()
    def act(self, world: BanditReplicas, turns: int, draws: Stream | None, first: int = 0) -> History:
        """Play `turns` pulls; arms are drawn at (row, first + turn), or without draws are the likeliest ones."""
        rows = len(world.instance)
        index, state = torch.arange(rows), self.memory.initial_state(rows)
        token = torch.zeros(1, 1, rows, self.arms + 2)
        token[..., -1] = 1.0
        actions, rewards = [], []
        for t in range(turns):
            y, state = self.memory(token, state)
            logits = self.head(y)[0, 0]
            if draws is None:
                action = logits.argmax(dim=1)
            else:
                action = draws.categorical(logits.double().softmax(dim=1), index, first + t)
            reward = world.pull(action)
            token = torch.zeros_like(token)
            token[0, 0, index, action] = 1.0
            token[0, 0, :, -2] = reward.float()
            actions.append(action)
            rewards.append(reward)
        return History(torch.stack(actions), torch.stack(rewards), world.means)


def play(rule: ActionRule, world: BanditReplicas, turns: int, draws: Stream, first: int = 0) -> History:
    """A rule over counts on the same world; it draws at (row, first + turn)."""
    rows = len(world.instance)
    index = torch.arange(rows)
    table, actions, rewards = ArmTable.empty((rows, world.arms), like=world.means), [], []
    for t in range(turns):
        action = rule.decide(table, None, draws.at(index, first + t)).action
        reward = world.pull(action)
        table = table.updated(action, reward)
        actions.append(action)
        rewards.append(reward)
    return History(torch.stack(actions), torch.stack(rewards), world.means)


def mediocre(world: BanditReplicas, turns: int, draws: Stream, first: int = 0) -> History:
    """A quarter each of the instances: uniform, epsilon-greedy 0.3, sticky (the arm before with chance 0.8), and a
    softmax over mean rewards."""
    rows = len(world.instance)
    index = torch.arange(rows)
    rules: Sequence[ActionRule] = (Uniform(), EpsilonGreedy(0.3), Uniform(), Softmax(0.5))
    stay = Stream(0, draws.name + ", stay")
    table = ArmTable.empty((rows, world.arms), like=world.means)
    actions: list[Tensor] = []
    rewards: list[Tensor] = []
    kind = world.instance % 4
    for t in range(turns):
        each = [rule.decide(table, None, draws.at(index, first + t)).action for rule in rules]
        if t:
            each[2] = torch.where(stay.uniform(index, first + t) < 0.8, actions[-1], each[2])
        action = torch.stack(each).gather(0, kind.unsqueeze(0))[0]
        reward = world.pull(action)
        table = table.updated(action, reward)
        actions.append(action)
        rewards.append(reward)
    return History(torch.stack(actions), torch.stack(rewards), world.means)


def turn_rewards(history: History, reward: Reward, teacher: ActionRule) -> Tensor:
    """(1): [T, B] float64. Raises: BadValue for another reward."""
    if reward == "original":
        return history.rewards
    if reward == "strategic":
        low, high = history.means.amin(dim=1), history.means.amax(dim=1)
        paid = history.means.t().gather(0, history.actions)
        span = high - low
        return torch.where(span > 0, (paid - low) / torch.where(span > 0, span, 1.0), 1.0)
    if reward != "algorithmic":
        raise BadValue("reward", reward, "original, strategic or algorithmic")
    table = ArmTable.empty(tuple(history.means.shape), like=history.means)
    found = []
    for action, paid in zip(history.actions, history.rewards, strict=True):
        chances = teacher.propensities(table)  # every arm that ties for the highest index has some
        found.append((chances.gather(1, action.unsqueeze(1)).squeeze(1) > 0).double())
        table = table.updated(action, paid)
    return torch.stack(found)


@dataclass(frozen=True)
class Training:
    """updates: gradient steps        instances, replicas: of a batch, rows being their product        turns: T
    learning_rate: peak, after a warm-up over a tenth, falling to a tenth"""

    updates: int
    instances: int
    replicas: int = 1
    turns: int = 50
    learning_rate: float = 1e-3


def imitate(
    policy: MetaBandit,
    teach: Callable[[BanditReplicas, int, Stream, int], History],
    training: Training,
    report: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Learn a teacher's arms in its own histories, fresh instances in every update; -> the losses, in nats."""
    step = _Descent(policy, training)
    draws = Stream(policy.seed, "teacher")
    losses = []
    for update in range(training.updates):
        world = BanditReplicas(training.instances, 1, policy.arms, seed=policy.seed, first=update * training.instances)
        history = teach(world, training.turns, draws, update * training.turns)
        logits = policy(history.actions, history.rewards).transpose(0, 1)
        labels = history.actions.t()
        loss = cross_entropy(logits, labels, torch.ones_like(labels, dtype=torch.bool)).mean()
        losses.append(step(loss))
        if report is not None:
            report(update + 1, training.updates)
    return losses


def reinforce(
    policy: MetaBandit,
    reward: Reward,
    gamma: float,
    training: Training,
    teacher: ActionRule | None = None,
    report: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Learn from own histories by turn-level advantages within groups of replicas; -> mean reward of each rollout."""
    step = _Descent(policy, training)
    draws = Stream(policy.seed, "rollouts")
    earned = []
    for update in range(training.updates):
        history, loss = _rollout(policy, reward, gamma, training, teacher or UCB1(), draws, update)
        step(loss)
        earned.append(float(history.rewards.mean()))
        if report is not None:
            report(update + 1, training.updates)
    return earned


def gradient_variance(
    policy: MetaBandit, reward: Reward, gamma: float, training: Training, teacher: ActionRule, batches: int = 32
) -> float:
    """Trace of the covariance of the gradient over rollout batches of one policy."""
    draws = Stream(policy.seed, "variance")
    parameters = list(policy.parameters())
    rows = []
    for batch in range(batches):
        _, loss = _rollout(policy, reward, gamma, training, teacher, draws, batch)
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)]))
    return float(torch.stack(rows).var(dim=0).sum())


def _rollout(
    policy: MetaBandit,
    reward: Reward,
    gamma: float,
    training: Training,
    teacher: ActionRule,
    draws: Stream,
    number: int,
) -> tuple[History, Tensor]:
    world = BanditReplicas(
        training.instances, training.replicas, policy.arms, seed=policy.seed + 1, first=number * training.instances
    )
    history = policy.act(world, training.turns, draws, number * training.turns)
    returns = returns_to_go(turn_rewards(history, reward, teacher), gamma)
    advantage = turn_advantages(returns, world.group_id).float()
    logits = policy(history.actions, history.rewards)
    logp = logits.log_softmax(dim=2).gather(2, history.actions.unsqueeze(2)).squeeze(2)
    loss, _ = PolicyGradient().loss(logp.t(), advantage.t(), torch.ones_like(logp.t()))
    return history, loss


class _Descent:
    """AdamW with warm-up and cosine over one policy."""

    def __init__(self, policy: MetaBandit, training: Training) -> None:
        self.flat, self.updates, self.done = FlatParameters(policy), training.updates, 0
        self.optimiser = StackedAdamW(self.flat, training.learning_rate)
        self.alive = torch.ones(1, dtype=torch.bool)

    def __call__(self, loss: Tensor) -> float:
        share = self.done / max(self.updates, 1)
        factor = min(1.0, 10.0 * (self.done + 1) / max(self.updates, 1)) * (0.55 + 0.45 * float(np.cos(np.pi * share)))
        gradient = self.flat.gradient(loss)
        self.optimiser.step(gradient, gradient.norm(dim=1), self.alive, factor)
        self.done += 1
        return float(loss.detach())
