"""Running scales of a reward stream, from a window of its last values.

    RunningMinMax    (v - low) / (high - low), low and high of the window and of the values themselves     (1)
    RunningMedian    the middle of the window; the mean of the two middle ones where they are even         (2)

Both read without writing: `normalise` and `median` may be asked in evaluation, `update` is called once a training
batch. Values of a batch are scaled together, so that their order does not matter, though only the last `window` of them
stay.

Sources: (1) Le et al. 2025 (arXiv 2504.02273), with quantiles in place of the extremes ours; (2) Qin et al. 2025 (arXiv
2509.22601).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["RunningMedian", "RunningMinMax"]

ROUNDING = 8.0


class _Window:
    """The last `window` values, float64 on the CPU."""

    def __init__(self, window: int) -> None:
        if window < 1:
            raise BadValue("window", window, "at least 1")
        self.window = window
        self._values = torch.zeros(0, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self._values)

    def update(self, values: Tensor) -> None:
        """values: [N], oldest first. Raises: BadValue unless they are finite."""
        self._values = torch.cat([self._values, _numbers(values)])[-self.window :]

    def state_dict(self) -> dict[str, Any]:
        """The window."""
        return {"values": self._values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """A longer window keeps its last values."""
        self._values = state["values"].clone()[-self.window :]


class RunningMinMax(_Window):
    """(1).

    window: at least 1
    clip: share of the values cut off at either end, at least 0 and below 0.5; 0: the extremes themselves, so that one
        odd value rescales all others for a window's length

    Raises: BadValue for a number out of range.
    """

    def __init__(self, window: int = 100, clip: float = 0.0) -> None:
        super().__init__(window)
        if not 0 <= clip < 0.5:
            raise BadValue("clip", clip, "at least 0 and below 0.5")
        self.clip = clip

    def normalise(self, values: Tensor, known: Tensor | None = None) -> Tensor:
        """values: [N] -> [N] of the same dtype, between 0 and 1; 0 where all values are equal but for rounding.

        known: [N] bool; the others are 0 and do not count, as answers that met an empty memory

        Raises: BadValue unless the known values are finite.
        """
        some = torch.ones_like(values, dtype=torch.bool) if known is None else known.bool()
        own = _numbers(values[some])
        found = torch.zeros_like(values)
        pool = torch.cat([self._values, own])
        if not len(own):
            return found
        low, high = torch.quantile(pool, torch.tensor([self.clip, 1.0 - self.clip], dtype=pool.dtype))
        flat = ROUNDING * torch.finfo(values.dtype).eps * torch.maximum(low.abs(), high.abs())
        if high - low > flat:
            found[some] = ((own - low) / (high - low)).clamp(0.0, 1.0).to(found)
        return found


class RunningMedian(_Window):
    """(2). window: at least 1. Raises: BadValue otherwise."""

    def median(self) -> float | None:
        """None before the first value."""
        return float(torch.quantile(self._values, 0.5)) if len(self._values) else None


def _numbers(values: Tensor) -> Tensor:
    numbers = values.detach().to("cpu", torch.float64).reshape(-1)
    if not bool(numbers.isfinite().all()):
        raise BadValue("values", float(numbers[~numbers.isfinite()][0]), "finite")
    return numbers
