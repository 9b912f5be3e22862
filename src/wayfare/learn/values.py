"""Double DQN over sequences with a memory network, S rows at once.

    y_t  = r_t + g(code_t) Q_target(h_{t+1}, argmax_a Q(h_{t+1}, a))                       (1)
    loss = mean over t and b of (Q(h_t, a_t) - stopgrad y_t)^2, summed over rows            (2)
    target <- (1 - tau) target + tau online                                                 (3)
    stop the row when |Q| > r_max / (1 - max g)                                             (4)
    y_t  = r_t + g(code_t) ((1 - c_{t+1}) Q_target(h_{t+1}, argmax_a Q(h_{t+1}, a)) + c_{t+1} y_{t+1}),
           c_t = lambda where a_t = argmax_a Q(h_t, a), else 0                              (5)

h_t is the history that the network remembers at decision t and g the discount table over boundary codes. One online
pass over the T + 1 tokens serves both Q(h_t, .) and the argmax of (1); one target pass serves the values.
Where rewards are rare but sure, (5) may stand for (1): it carries them back along what greedy play would have done.

Source: van Hasselt, Guez & Silver 2016, eq. 4 (1); Rentschler & Roberts 2025 (one discount for each boundary code);
Watkins 1989 (5), with the delayed network as in (1); the rest is ours.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from wayfare.errors import BadValue, Diverged
from wayfare.learn.discounts import DiscountTable
from wayfare.learn.optimiser import FlatParameters, StackedAdamW, one_cycle
from wayfare.learn.sequences import TASK_ENDED, Sequences
from wayfare.learn.value_network import ValueNetwork

__all__ = ["ValueLearner"]


class ValueLearner:
    """Trains the rows of a `ValueNetwork` side by side; what happens to one touches no other.

    network: trained in place
    discounts: the table g, one for all rows or one a row
    reward_bound: r_max, the largest |reward|, in the world's units
    total: updates of the whole run, the length of the learning-rate cycle
    horizon: decisions in a block at most: stands for 1 / (1 - g) in (4) where g is 1; may be infinite
    learning_rate: peak; one for all rows or [S]
    clip: largest gradient norm of a row
    tau: share of the online network in (3)
    trace: lambda of (5); 0 is (1)

    Raises: BadValue for a value out of range.
    """

    def __init__(
        self,
        network: ValueNetwork,
        discounts: DiscountTable,
        *,
        reward_bound: float,
        total: int,
        horizon: float,
        learning_rate: float | Tensor = 2e-3,
        clip: float = 1.0,
        tau: float = 0.02,
        trace: float = 0.0,
        weight_decay: float = 0.01,
    ) -> None:
        for name, number in {"total": total, "horizon": horizon}.items():
            if number < 1:
                raise BadValue(name, number, "at least 1")
        for name, value in {"reward_bound": reward_bound, "clip": clip}.items():
            if not value > 0:
                raise BadValue(name, value, "above 0")
        if not 0 < tau <= 1:
            raise BadValue("tau", tau, "above 0 and at most 1")
        if not 0 <= trace <= 1:
            raise BadValue("trace", trace, "between 0 and 1")
        self.network, self.discounts, self.total, self.tau, self.trace = network, discounts, total, tau, trace
        self.target = copy.deepcopy(network)
        self._online = FlatParameters(network)
        self._delayed = FlatParameters(self.target).values
        self.target.requires_grad_(False)
        self._optimiser = StackedAdamW(self._online, learning_rate, clip, weight_decay)
        device = self._online.values.device
        rows = self._online.values.shape[0]
        highest = discounts.highest.to(device).double().expand(rows)
        self._steps = torch.where(highest < 1, 1.0 / (1.0 - highest).clamp_min(1e-12), float(horizon)).float()
        self.bound = self._steps * reward_bound  # [S], of (4)
        self._failed_at = torch.full((rows,), -1, device=device)  # update at which a row stopped, -1: it lives
        self._failed_with = torch.zeros(rows, device=device)
        self.done = 0

    def update(self, batch: Sequences) -> dict[str, Tensor]:
        """One gradient step of every row that is alive, by (1) to (3).

        returns: loss, largest |Q| and gradient norm, each [S] and detached; those of a stopped row mean nothing
        """
        # Where the last token begins a new memory its value is never read: g is 0 or the step does not count. Unmarked,
        # all copies attend alike, which is the fast path of a transformer.
        start = torch.cat([batch.start[:, :-1], torch.zeros_like(batch.start[:, -1:])], dim=1)
        token = self.network.tokens.sequence(batch)
        reward = batch.reward * self.network.tokens.reward_scale
        with torch.no_grad():
            delayed = self.target.sequence(token, start)[:, 1:]
        values = self.network.sequence(token, start)  # [S, T+1, B, A]
        discount = self.discounts.of(batch.boundary)
        with torch.no_grad():
            best = values[:, 1:].argmax(dim=-1, keepdim=True)
            ahead = delayed.gather(-1, best).squeeze(-1)
            if self.trace:
                follows = batch.action[:, 1:] == best[:, :-1].squeeze(-1)
                goal = traced(reward, discount, ahead, follows * self.trace)  # (5)
            else:
                goal = reward + discount * ahead  # (1)
            counted = _bootstrap_is_seen(batch, discount)
        chosen = values[:, :-1].gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)
        error = (chosen - goal).square() * counted
        loss = error.mean(dim=(1, 2))  # (2)
        gradient = self._online.gradient(loss.sum())
        norms = gradient.norm(dim=1)
        largest = values.detach()[:, :-1].abs().amax(dim=(1, 2, 3)) / self.network.tokens.reward_scale
        alive = self._guard(largest, norms)
        self._optimiser.step(gradient, norms, alive, one_cycle(self.done, self.total))
        self._delayed.lerp_(self._online.values, self.tau)  # (3)
        self.done += 1
        return {"loss": loss.detach(), "largest_value": largest, "gradient_norm": norms}

    @property
    def errors(self) -> tuple[Diverged | None, ...]:
        """[S]: why a row stopped, None for a row that learns on."""
        stops = zip(self._failed_at.tolist(), self._failed_with.tolist(), self.bound.tolist(), strict=True)
        return tuple(
            Diverged(
                f"row {row} left the range of its returns at update {at}: |Q| reached {value:.3g}, bound {bound:.3g}"
            )
            if at >= 0
            else None
            for row, (at, value, bound) in enumerate(stops)
        )

    def _guard(self, largest: Tensor, norms: Tensor) -> Tensor:
        """(4), and any number that is not finite: returns [S] bool, the rows that may move."""
        inside = (largest <= self.bound) & norms.isfinite()
        fails = ~inside & (self._failed_at < 0)
        self._failed_at = torch.where(fails, self.done, self._failed_at)
        self._failed_with = torch.where(fails, largest, self._failed_with)
        return self._failed_at < 0

    def state_dict(self) -> dict[str, object]:
        """All that `load_state_dict` needs to go on bit for bit, the place in the learning-rate cycle included."""
        return {
            "online": self._online.values.clone(),
            "target": self._delayed.clone(),
            "optimiser": self._optimiser.state_dict(),
            "failed_at": self._failed_at.clone(),
            "failed_with": self._failed_with.clone(),
            "done": self.done,
            "total": self.total,
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Take up where `state_dict` was taken.

        Raises: BadValue when it belongs to a run of another length or a network of another shape.
        """
        tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
        if state["total"] != self.total:
            raise BadValue("total", self.total, f"{state['total']}, as in the saved run")
        if tensors["online"].shape != self._online.values.shape:
            raise BadValue(
                "network", tuple(self._online.values.shape), f"of {tuple(tensors['online'].shape)} parameters"
            )
        self._online.values.copy_(tensors["online"])
        self._delayed.copy_(tensors["target"])
        self._failed_at.copy_(tensors["failed_at"])
        self._failed_with.copy_(tensors["failed_with"])
        optimiser, done = state["optimiser"], state["done"]
        assert isinstance(optimiser, Mapping) and isinstance(done, int)
        self._optimiser.load_state_dict(optimiser)
        self.done = done


def traced(reward: Tensor, discount: Tensor, ahead: Tensor, weight: Tensor) -> Tensor:
    """(5), from the last step to the first.

    reward, discount: [S, T, B]
    ahead: [S, T, B] target value of h_{t+1}
    weight: [S, T-1, B] c_{t+1}
    """
    goal = reward + discount * ahead
    for t in range(weight.shape[1] - 1, -1, -1):
        goal[:, t] += discount[:, t] * weight[:, t] * (goal[:, t + 1] - ahead[:, t])
    return goal


def _bootstrap_is_seen(batch: Sequences, discount: Tensor) -> Tensor:
    """[S, T, B] 0 or 1: 0 where (1) would read the next block's value, because memory restarts and yet g is not 0."""
    ended = batch.boundary >= TASK_ENDED
    return (~(ended & batch.start[:, 1:] & (discount > 0))).to(batch.reward.dtype)
