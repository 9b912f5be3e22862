"""Double DQN over text histories: the in-context value learner whose value function is a language model.

    y_t  = c r_t + g(code_t) Q_target(h_{t+1}, argmax_a Q(h_{t+1}, a))
    loss = mean (Q(h_t, a_t) - y_t)^2,    target <- (1 - tau) target + tau online

g is the discount table over the boundary codes, h_t the last X tokens before the action of step t. The same target as
in `values.py`, after Rentschler & Roberts 2025 (arXiv 2508.01287 and 2501.14176).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from wayfare.errors import BadValue, Diverged
from wayfare.language.histories import History
from wayfare.language.tokens import Tokens
from wayfare.language.value_model import ValueModel
from wayfare.learn.discounts import DiscountTable

__all__ = ["TextValueLearner"]


class TextValueLearner:
    """Owns the optimiser of a value model's online adapter, and moves its target adapter.

    values:         the value model
    discounts:      one row
    updates:        gradient steps of the one-cycle schedule; later ones keep its last rate
    learning_rate:  its peak
    tau:            polyak step of the target adapter after each update, in [0, 1]
    reward_scale:   c: values are learned in this unit
    reward_bound:   the largest |reward|; then |Q| above c r_max / (1 - highest discount), and above every logit that
                    the pretrained model began with, is an error
    clip:           largest norm of a gradient

    Raises: BadValue for a number out of range or discounts of several rows.
    """

    def __init__(
        self,
        values: ValueModel,
        discounts: DiscountTable,
        *,
        updates: int,
        learning_rate: float = 1e-4,
        tau: float = 0.02,
        reward_scale: float = 1.0,
        reward_bound: float = float("inf"),
        clip: float = 1.0,
        weight_decay: float = 0.0,
    ) -> None:
        for field, value in (("updates", updates), ("learning_rate", learning_rate), ("clip", clip)):
            if not value > 0:
                raise BadValue(field, value, "above 0")
        if not 0 <= tau <= 1:
            raise BadValue("tau", tau, "between 0 and 1")
        if len(discounts.rows) != 1:
            raise BadValue("discounts", len(discounts.rows), "of one row: a language model is not stacked")
        self.values, self.discounts, self.tau, self.clip = values, discounts, tau, clip
        self.reward_scale, self.done, self._updates = reward_scale, 0, updates
        beyond = 1 - float(discounts.highest)
        self._limit = reward_scale * reward_bound / beyond if beyond > 0 else float("inf")
        self._optimiser = torch.optim.AdamW(values.online_parameters(), lr=learning_rate, weight_decay=weight_decay)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, max_lr=learning_rate, total_steps=updates + 1
        )

    def update(self, batch: Sequence[History]) -> dict[str, float]:
        """One gradient step on all decisions of a batch of histories; metrics: loss, q (mean), norm (of the gradient).

        Raises: BadValue for a batch without a step; Diverged, before any weight has changed.
        """
        if not any(map(len, batch)):
            raise BadValue("batch", [len(history) for history in batch], "histories with at least one step")
        histories = [self.values.tokens.history(history) for history in batch]
        passes = list(self.values.passes(histories))
        with torch.no_grad():
            delayed = self.values.values(histories, "target")
        # One pass serves the argmax and the gradient; where the device needs several, each is read twice.
        whole = self.values.read(passes[0], "online") if len(passes) == 1 else None
        target = self._target(batch, delayed, self._online(histories) if whole is None else whole.detach())
        action = torch.cat([_with_gap(torch.as_tensor(history.action)) for history in batch]).to(target.device)
        taken = action >= 0  # [N], not the decision behind the last step of each history
        ends = [0, *torch.tensor([sum(len(places) for _, places in rows) for rows in passes]).cumsum(0).tolist()]
        self._optimiser.zero_grad(set_to_none=True)
        loss, mean, largest = 0.0, 0.0, 0.0
        for rows, (low, high) in zip(passes, pairwise(ends), strict=True):
            here = taken[low:high]
            q = self.values.read(rows, "online") if whole is None else whole
            chosen = q[here].gather(1, action[low:high][here, None])[:, 0]
            part = (chosen - target[low:high][here]).square().sum() / taken.sum()
            part.backward()
            loss += float(part.detach())
            mean += float(chosen.detach().sum() / taken.sum())
            largest = max(largest, float(q.detach().abs().max()))
        self._guard(loss, largest)
        norm = torch.nn.utils.clip_grad_norm_(self.values.online_parameters(), self.clip)
        self._optimiser.step()
        if self.done < self._updates:
            self._schedule.step()
        self.values.move_target(self.tau)
        self.done += 1
        return {"loss": loss, "q": mean, "norm": float(norm)}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next update depends on."""
        return {
            "values": self.values.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "done": self.done,
            "limit": self._limit,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on as the learner that made the state would have, bit for bit.

        Raises: BadValue when the adapters do not fit.
        """
        self.values.load_state_dict(state["values"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self.done, self._limit = state["done"], state["limit"]

    @torch.no_grad()
    def _online(self, histories: Sequence[Tokens]) -> Tensor:
        return self.values.values(histories, "online")

    def _target(self, batch: Sequence[History], delayed: Tensor, online: Tensor) -> Tensor:
        """delayed, online: [N, A] -> y at every decision, [N]; the one behind a history's last step is not used."""
        ahead = delayed.gather(1, online.argmax(1, keepdim=True))[:, 0].roll(-1)
        reward = torch.cat([_with_gap(torch.as_tensor(history.reward)) for history in batch]).to(ahead.device)
        code = torch.cat([_with_gap(torch.as_tensor(history.boundary)) for history in batch]).to(ahead.device)
        return self.reward_scale * reward + self.discounts.of(code.clamp_min(0)[None])[0] * ahead

    def _guard(self, loss: float, largest: float) -> None:
        if self.done == 0:
            self._limit = max(self._limit, largest)
        if not largest <= self._limit or loss != loss or loss == float("inf"):
            raise Diverged(f"update {self.done + 1}: |Q| reached {largest:.4g}, the rewards allow {self._limit:.4g}")


def _with_gap(steps: Tensor) -> Tensor:
    """[T] -> [T+1], -1 at the decision behind the last step."""
    return torch.nn.functional.pad(steps, (0, 1), value=-1)
