"""AdamW over stacked rows: S networks in one matrix, each with its own clip, its own stop and its own learning rate.

All parameters of a stacked module (each [S, ...]) are re-laid as views of one [S, P] matrix. Clipping, the update and
the target's polyak average are then a handful of operations on that matrix, whatever the number of layers; a row that
has stopped is left as it is.

Source: Loshchilov & Hutter 2019 (AdamW, alg. 2); Smith & Topin 2018 (one cycle). Tested equal to torch's own for a
single row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wayfare.errors import BadValue

__all__ = ["FlatParameters", "StackedAdamW", "one_cycle"]


def one_cycle(done: int, total: int, warm_up: float = 0.3, start: float = 0.04, end: float = 4e-6) -> float:
    """Share of the peak learning rate after `done` updates: cosine up from `start` to 1, cosine down to `end`."""
    top = warm_up * total - 1.0
    if done <= top:
        share, low, high = (done / top if top > 0 else 1.0), start, 1.0
    else:
        share, low, high = min(1.0, (done - top) / max(total - 1.0 - top, 1e-9)), 1.0, end
    return high + (low - high) * (1.0 + math.cos(math.pi * share)) / 2.0


class FlatParameters:
    """The parameters of a stacked module as one matrix; the module goes on working and reads from it.

    values: [S, P]
    """

    def __init__(self, module: nn.Module) -> None:
        self.parameters = [each for each in module.parameters() if each.requires_grad]
        rows = {each.shape[0] for each in self.parameters}
        if len(rows) != 1:
            raise BadValue("module", sorted(rows), "stacked: every parameter led by the same S")
        self.values = torch.cat([each.detach().reshape(len(each), -1) for each in self.parameters], dim=1)
        begin = 0
        for each in self.parameters:
            size = each[0].numel()
            each.data = self.values[:, begin : begin + size].view(each.shape)
            begin += size

    def gradient(self, loss: Tensor) -> Tensor:
        """d loss / d values: [S, P]; loss is a scalar."""
        return torch.cat([each.reshape(len(each), -1) for each in torch.autograd.grad(loss, self.parameters)], dim=1)


class StackedAdamW:
    """AdamW on a [S, P] matrix.

    learning_rate: peak, one for all or one a row
    clip: largest gradient norm of a row
    weight_decay: decoupled
    """

    def __init__(
        self,
        flat: FlatParameters,
        learning_rate: float | Tensor,
        clip: float = 1.0,
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        self.flat, self.clip, self.weight_decay, self.betas, self.epsilon = flat, clip, weight_decay, betas, epsilon
        rows = flat.values.shape[0]
        self.learning_rate = torch.as_tensor(learning_rate, dtype=flat.values.dtype).expand(rows).unsqueeze(1)
        self.learning_rate = self.learning_rate.to(flat.values.device)
        self.first = torch.zeros_like(flat.values)
        self.second = torch.zeros_like(flat.values)
        self.count = 0

    def step(self, gradient: Tensor, norms: Tensor, alive: Tensor, factor: float) -> None:
        """One update of the rows that are alive.

        gradient: [S, P]    norms: [S] of its rows    alive: [S] bool    factor: share of the peak learning rate
        """
        beta1, beta2 = self.betas
        self.count += 1
        gradient = gradient * (self.clip / (norms + 1e-6)).clamp(max=1.0).unsqueeze(1)
        gradient = torch.where(alive.unsqueeze(1), gradient, 0.0)
        self.first.lerp_(gradient, 1.0 - beta1)
        self.second.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
        rate = self.learning_rate * factor
        scale = (self.second / (1.0 - beta2**self.count)).sqrt_().add_(self.epsilon)
        move = rate / (1.0 - beta1**self.count) * self.first / scale + rate * self.weight_decay * self.flat.values
        self.flat.values -= torch.where(alive.unsqueeze(1), move, 0.0)

    def state_dict(self) -> dict[str, object]:
        """All that `load_state_dict` needs to go on bit for bit."""
        return {"first": self.first.clone(), "second": self.second.clone(), "count": self.count}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Take up where `state_dict` was taken."""
        first, second, count = state["first"], state["second"], state["count"]
        assert isinstance(first, Tensor) and isinstance(second, Tensor) and isinstance(count, int)
        self.first.copy_(first)
        self.second.copy_(second)
        self.count = count
