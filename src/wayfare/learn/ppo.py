"""Proximal policy optimisation over sequences with a memory network, S rows at once.

    rho_t = pi(a_t | h_t) / pi_old(a_t | h_t)                                               (1)
    L_clip = mean_t min(rho_t A_t, clip(rho_t, 1 - eps, 1 + eps) A_t)                       (2)
    L_value = mean_t (V(h_t) - R_t)^2 / 2                                                   (3)
    loss = -L_clip + c_1 L_value - c_2 mean_t entropy(pi(. | h_t)), summed over rows        (4)

A_t and R_t are those of `wayfare.learn.returns`; advantages are normalised in each row's minibatch. A minibatch is some
copies' whole rollouts, rerun from the memory that they began with. Steps that were no decision count in no mean.
With `value_clip`, (3) is the larger of the two errors of V and of V held within that range of the value when played.

Source: Schulman, Wolski, Dhariwal, Radford & Klimov 2017, eq. 7 (2) and eq. 9 (4); value clipping as in their code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue, Diverged
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.optimiser import FlatParameters, StackedAdamW
from wayfare.learn.play import Rollout
from wayfare.learn.policy_network import PolicyNetwork, pick_copies, pick_memory
from wayfare.learn.returns import advantages

__all__ = ["PPO", "PPOConfig"]


@dataclass(frozen=True)
class PPOConfig:
    """How a rollout is learned from.

    learning_rate: at the start; anneal: it and the entropy's weight fall linearly to zero over the run
    epochs, minibatches: passes over a rollout, and the pieces that its copies fall into in each
    range: eps of (2)    trace: lambda of the advantages
    value_weight, entropy_weight: c_1 and c_2 of (4)
    value_clip: see the module; None: no clipping
    clip: largest gradient norm of a row

    Raises: BadValue for the first field out of range.
    """

    learning_rate: float = 1e-3
    anneal: bool = True
    epochs: int = 4
    minibatches: int = 4
    range: float = 0.2
    trace: float = 0.95
    value_weight: float = 0.5
    entropy_weight: float = 0.01
    value_clip: float | None = None
    clip: float = 0.5
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "minibatches"):
            if getattr(self, name) < 1:
                raise BadValue(name, getattr(self, name), "at least 1")
        for name in ("learning_rate", "range", "clip", "value_clip"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise BadValue(name, value, "above 0")
        for name in ("value_weight", "entropy_weight", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise BadValue(name, getattr(self, name), "at least 0")
        if not 0 <= self.trace <= 1:
            raise BadValue("trace", self.trace, "between 0 and 1")


class PPO:
    """Trains the rows of a `PolicyNetwork` side by side; what happens to one touches no other.

    network: trained in place
    discounts: the table g, one for all rows or one a row
    seeds: [S], stream "minibatches": which copies learn together
    total: updates of the whole run, the length of the annealing

    Raises: BadValue for a value out of range.
    """

    def __init__(
        self,
        network: PolicyNetwork,
        discounts: DiscountTable,
        seeds: Sequence[int],
        *,
        total: int,
        config: PPOConfig | None = None,
    ) -> None:
        if total < 1:
            raise BadValue("total", total, "at least 1")
        self.network, self.discounts, self.total = network, discounts, total
        self.config = config or PPOConfig()
        self._flat = FlatParameters(network)
        rows, device = self._flat.values.shape[0], self._flat.values.device
        if len(seeds) != rows:
            raise BadValue("seeds", list(seeds), f"{rows}, one for each row of the network")
        self._optimiser = StackedAdamW(
            self._flat, self.config.learning_rate, self.config.clip, self.config.weight_decay, epsilon=1e-5
        )
        self._draws = Stream(torch.tensor(list(seeds), device=device).unsqueeze(1), "minibatches")
        self._failed_at = torch.full((rows,), -1, device=device)  # update at which a row stopped, -1: it lives
        self.done = 0

    def update(self, batch: Rollout) -> dict[str, Tensor]:
        """Learn from one rollout of the present policy; rows that have stopped stay as they are.

        returns: policy_loss, value_loss, entropy, divergence (the mean of rho - 1 - log rho), clipped (share) and
            gradient_norm, each [S], means over the gradient steps; those of a stopped row mean nothing
        Raises: BadValue for fewer copies than minibatches.
        """
        config, copies = self.config, batch.action.shape[2]
        if copies < config.minibatches:
            raise BadValue("minibatches", config.minibatches, f"at most the {copies} copies of a row")
        reward = batch.reward * self.network.tokens.reward_scale
        advantage = advantages(
            reward, batch.boundary, batch.value, batch.next_value, self.discounts, config.trace, batch.joined
        )
        factor = 1.0 - self.done / self.total if config.anneal else 1.0
        sums: dict[str, Tensor] = {}
        for epoch in range(config.epochs):
            for piece, gain in self._minibatches(batch, advantage, epoch):
                metrics = self._step(piece, gain, factor)
                sums = {name: sums[name] + value if sums else value for name, value in metrics.items()}
        self.done += 1
        return {name: value / (config.epochs * config.minibatches) for name, value in sums.items()}

    @property
    def errors(self) -> tuple[Diverged | None, ...]:
        """[S]: why a row stopped, None for a row that learns on."""
        return tuple(
            Diverged(f"row {row} met a number that is not finite at update {at}") if at >= 0 else None
            for row, at in enumerate(self._failed_at.tolist())
        )

    def _minibatches(self, batch: Rollout, advantage: Tensor, epoch: int) -> list[tuple[Rollout, Tensor]]:
        """Each row's copies in an order of its own, in pieces."""
        if self.config.minibatches == 1:
            return [(batch, advantage)]
        lane = torch.arange(batch.action.shape[2], device=advantage.device).unsqueeze(0)
        order = self._draws.uniform(lane, self.done * self.config.epochs + epoch).argsort(dim=1)
        pieces = []
        for pick in order.tensor_split(self.config.minibatches, dim=1):
            tensors = {name: pick_copies(getattr(batch, name), pick) for name in _TENSORS}
            piece = replace(batch, memory=pick_memory(batch.memory, pick), **tensors)
            pieces.append((piece, pick_copies(advantage, pick)))
        return pieces

    def _step(self, batch: Rollout, advantage: Tensor, factor: float) -> dict[str, Tensor]:
        """One gradient step of every row that is alive."""
        config, counted = self.config, batch.counted
        logs, value, _ = self.network(batch.token, batch.memory, batch.start)
        gain = _normalised(advantage, counted)
        change = logs.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1) - batch.log_probability
        ratio = change.exp()  # (1)
        held = ratio.clamp(1.0 - config.range, 1.0 + config.range)
        policy = -_mean(torch.minimum(ratio * gain, held * gain), counted)  # (2)
        goal = advantage + batch.value
        error = (value - goal).square()
        if config.value_clip is not None:
            near = batch.value + (value - batch.value).clamp(-config.value_clip, config.value_clip)
            error = torch.maximum(error, (near - goal).square())
        worth = _mean(error, counted) / 2.0  # (3)
        entropy = -_mean((logs.exp() * logs).sum(dim=-1), counted)
        loss = policy + config.value_weight * worth - config.entropy_weight * factor * entropy  # (4)
        gradient = self._flat.gradient(loss.sum())
        norms = gradient.norm(dim=1)
        fails = ~(norms.isfinite() & loss.detach().isfinite()) & (self._failed_at < 0)
        self._failed_at = torch.where(fails, self.done, self._failed_at)
        self._optimiser.step(gradient, norms, self._failed_at < 0, factor)
        with torch.no_grad():
            divergence = _mean(ratio - 1.0 - change, counted)
            clipped = _mean(((ratio - 1.0).abs() > config.range).to(value.dtype), counted)
        return {
            "policy_loss": policy.detach(),
            "value_loss": worth.detach(),
            "entropy": entropy.detach(),
            "divergence": divergence,
            "clipped": clipped,
            "gradient_norm": norms,
        }

    def state_dict(self) -> dict[str, object]:
        """All that `load_state_dict` needs to go on bit for bit."""
        return {
            "parameters": self._flat.values.clone(),
            "optimiser": self._optimiser.state_dict(),
            "failed_at": self._failed_at.clone(),
            "done": self.done,
            "total": self.total,
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Take up where `state_dict` was taken.

        Raises: BadValue when it belongs to a run of another length or a network of another shape.
        """
        parameters, failed_at = state["parameters"], state["failed_at"]
        optimiser, done = state["optimiser"], state["done"]
        assert isinstance(parameters, Tensor) and isinstance(failed_at, Tensor)
        assert isinstance(optimiser, Mapping) and isinstance(done, int)
        if state["total"] != self.total:
            raise BadValue("total", self.total, f"{state['total']}, as in the saved run")
        if parameters.shape != self._flat.values.shape:
            raise BadValue("network", tuple(self._flat.values.shape), f"of {tuple(parameters.shape)} parameters")
        self._flat.values.copy_(parameters)
        self._failed_at.copy_(failed_at)
        self._optimiser.load_state_dict(optimiser)
        self.done = done


_TENSORS = tuple(field.name for field in fields(Rollout) if field.name != "memory")


def _mean(x: Tensor, counted: Tensor) -> Tensor:
    """[S] mean over the steps that count."""
    return torch.where(counted, x, 0.0).sum(dim=(1, 2)) / counted.sum(dim=(1, 2)).clamp_min(1)


def _normalised(advantage: Tensor, counted: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 in each row."""
    centred = advantage - _mean(advantage, counted).view(-1, 1, 1)
    return centred / (_mean(centred.square(), counted).sqrt().view(-1, 1, 1) + 1e-8)
