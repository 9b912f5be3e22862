"""How many processes train together, and what they tell each other; here: one.

    Alone       one process: every row is its own
    Processes   what the trainer asks; `wayfare.learn.grpo.accelerated` answers it for several
    together    a part of the work after which all go on, or none

All processes hold the same whole batch of a step, gathered, so that memories, filters and advantages are the same
everywhere; each passes its own share of the rows through the model, and gradients are sums over the shares. All make
the same calls in the same order, since one may have to wait for the others in any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from wayfare.errors import ProcessFailed
from wayfare.learn.rollouts import RolloutBatch

__all__ = ["Alone", "Processes", "together"]


class Processes(Protocol):
    """See the module."""

    rank: int
    count: int

    def prepared(self, module: nn.Module) -> nn.Module:
        """What is called instead of the module, its parameters being those to be trained; the same everywhere."""
        ...

    def whole(self, own: RolloutBatch) -> RolloutBatch:
        """The rows of all processes, in the order of their ranks."""
        ...

    def gathered(self, values: Any) -> list[Any]:
        """What each process brings, in the order of their ranks."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this share's loss."""
        ...

    def clip(self, parameters: Sequence[Tensor], largest: float) -> float:
        """Sum gradients over the processes, scale them to `largest` at most, and tell the norm they had."""
        ...

    def summed(self, values: Tensor) -> Tensor:
        """The sum of a tensor over the processes."""
        ...

    def any(self, here: bool) -> bool:
        """Whether it is true anywhere; nobody goes on before all have asked."""
        ...

    def settle(self) -> None:
        """After optimiser steps: the model that is read has the trained weights."""
        ...

    def weights(self, module: nn.Module) -> dict[str, Tensor]:
        """All trained weights by name, whole, on the CPU; on ranks above 0, none."""
        ...

    def put(self, module: nn.Module, weights: dict[str, Tensor]) -> None:
        """Set what `weights` gave; all processes have it."""
        ...

    def optimiser_state(self, optimiser: Optimizer) -> dict[str, Any]:
        """As its own `state_dict`, whole; on ranks above 0, nothing."""
        ...

    def put_optimiser(self, optimiser: Optimizer, state: dict[str, Any]) -> None:
        """Set what `optimiser_state` gave; all processes have it."""
        ...

    def reading(self, module: nn.Module) -> AbstractContextManager[Any]:
        """In which the weights may be read, without gradients, by any method of the model."""
        ...


class Alone:
    """One process."""

    rank, count = 0, 1

    def prepared(self, module: nn.Module) -> nn.Module:
        """See `Processes`; so all below."""
        return module

    def whole(self, own: RolloutBatch) -> RolloutBatch:
        return own

    def gathered(self, values: Any) -> list[Any]:
        return [values]

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def clip(self, parameters: Sequence[Tensor], largest: float) -> float:
        return float(nn.utils.clip_grad_norm_(parameters, largest))

    def summed(self, values: Tensor) -> Tensor:
        return values

    def any(self, here: bool) -> bool:
        return here

    def settle(self) -> None:
        pass

    def weights(self, module: nn.Module) -> dict[str, Tensor]:
        return {
            name: each.detach().to("cpu", copy=True) for name, each in module.named_parameters() if each.requires_grad
        }

    def put(self, module: nn.Module, weights: dict[str, Tensor]) -> None:
        own = {name: each for name, each in module.named_parameters() if each.requires_grad}
        with torch.no_grad():
            for name, each in own.items():
                each.copy_(weights[name])

    def optimiser_state(self, optimiser: Optimizer) -> dict[str, Any]:
        return optimiser.state_dict()

    def put_optimiser(self, optimiser: Optimizer, state: dict[str, Any]) -> None:
        optimiser.load_state_dict(state)

    def reading(self, module: nn.Module) -> AbstractContextManager[Any]:
        return torch.no_grad()


@contextmanager
def together(processes: Processes) -> Iterator[None]:
    """What raises in one process ends the others too, instead of leaving them to wait for it.

    Raises: ProcessFailed in those in which nothing was wrong.
    """
    try:
        yield
    except Exception:
        processes.any(True)
        raise
    if processes.any(False):
        raise ProcessFailed("another process of the run raised: its own message says what")
