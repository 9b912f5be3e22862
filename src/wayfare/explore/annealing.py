"""Exploration that changes with time: weights over training steps, and temperatures over the tokens of an answer.

Weights of a bonus or of a loss, by training step s:

    CosineRise    (1 - cos(pi s / n)) / 2 up to s = n, then 1                                              (1)
    CosineFall    (1 + cos(pi s / n)) / 2 up to s = n, then 0                                              (2)
    LinearChange  from `start` to `end` in n equal steps, then `end`

Temperatures, by position t in the answer (0 is its first token, whatever the prompt's length) and s:

    Annealed      tau = max(1 + tau_max - e^(t / d), tau_min),  d = min(d_0 + growth s, d_max)             (3)
    Decaying      tau = end + (start - end) e^(-t / tokens - s / steps)
    Backwards     another one read from the last position to the first: the control of (3)
    Stepwise      a weight: the same at every position, changing with s

(3) starts at tau_max, passes 1 at t = d ln tau_max and ends at tau_min at t = d ln(1 + tau_max - tau_min). All of them
fit `wayfare.language.sampler.Temperature`; use the same object to sample and to score.

Sources: (1, 2) Qin et al. 2025 (arXiv 2509.22601); (3) Yang et al. 2025 (arXiv 2510.05251). There d_0 = 25 stands for
500 tokens and grows by 100 a step in sampling; here d_0, growth and d_max are tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["Annealed", "Backwards", "CosineFall", "CosineRise", "Decaying", "LinearChange", "Stepwise", "Weight"]

Weight = Callable[[int], float]
"""Training step from 0 -> a weight."""
OverTokens = Callable[[Tensor, int], Tensor]
EARLY = 0.1


@dataclass(frozen=True)
class CosineRise:
    """(1). steps: at least 1. Raises: BadValue otherwise."""

    steps: int

    def __post_init__(self) -> None:
        _at_least_one("steps", self.steps)

    def __call__(self, step: int) -> float:
        """-> between 0 and 1."""
        return 0.5 * (1.0 - math.cos(math.pi * min(step / self.steps, 1.0)))


@dataclass(frozen=True)
class CosineFall:
    """(2). steps: at least 1. Raises: BadValue otherwise."""

    steps: int

    def __post_init__(self) -> None:
        _at_least_one("steps", self.steps)

    def __call__(self, step: int) -> float:
        """-> between 1 and 0."""
        return 0.5 * (1.0 + math.cos(math.pi * min(step / self.steps, 1.0)))


@dataclass(frozen=True)
class LinearChange:
    """steps: at least 1; start = end is a constant. Raises: BadValue for a number out of range."""

    start: float
    end: float
    steps: int = 1

    def __post_init__(self) -> None:
        _at_least_one("steps", self.steps)
        for field, value in (("start", self.start), ("end", self.end)):
            if not math.isfinite(value):
                raise BadValue(field, value, "finite")

    def __call__(self, step: int) -> float:
        """-> from start to end."""
        return self.start + (self.end - self.start) * min(step / self.steps, 1.0)


@dataclass(frozen=True)
class Annealed:
    """(3): hot first tokens, cool last ones.

    d_0: tokens, above 0; it has no default, since it must fit the answers' length: see `fitted` and `misfits`
    tau_max: at least 1        tau_min: above 0, at most tau_max
    growth: tokens a training step, at least 0        d_max: tokens
    cut_in: the first tokens that stay at 1; the paper's 10 are more than a short answer has

    Raises: BadValue for a number out of range.
    """

    d_0: float
    tau_max: float = 1.2
    tau_min: float = 0.1
    growth: float = 0.0
    d_max: float = 800_000.0
    cut_in: int = 0

    def __post_init__(self) -> None:
        for field, value in (("d_0", self.d_0), ("d_max", self.d_max)):
            _above_zero(field, value)
        if not 1 <= self.tau_max < math.inf:
            raise BadValue("tau_max", self.tau_max, "at least 1 and finite")
        if not 0 < self.tau_min <= self.tau_max:
            raise BadValue("tau_min", self.tau_min, "above 0 and at most tau_max")
        if not 0 <= self.growth < math.inf:
            raise BadValue("growth", self.growth, "at least 0 and finite")
        if self.cut_in < 0:
            raise BadValue("cut_in", self.cut_in, "at least 0")

    @classmethod
    def fitted(cls, length: float, tau_max: float = 1.2, tau_min: float = 0.1, crossing: float = 1 / 3) -> Annealed:
        """One that passes 1 at the share `crossing` of answers of `length` tokens. Raises: BadValue."""
        _above_zero("length", length)
        _above_zero("crossing", crossing)
        if not 1 < tau_max < math.inf:
            raise BadValue("tau_max", tau_max, "above 1 and finite")
        return cls(crossing * length / math.log(tau_max), tau_max, tau_min)

    def stretch(self, step: int) -> float:
        """d at a training step, in tokens."""
        return min(self.d_0 + self.growth * step, self.d_max)

    def crossing(self, step: int = 0) -> float:
        """Position at which the temperature passes 1."""
        return self.stretch(step) * math.log(self.tau_max)

    def floor(self, step: int = 0) -> float:
        """Position from which the temperature is tau_min."""
        return self.stretch(step) * math.log(1.0 + self.tau_max - self.tau_min)

    def __call__(self, positions: Tensor, step: int) -> Tensor:
        """positions: [T] from 0 -> [T] float32."""
        # far beyond the floor e^(t/d) is infinite, and still below it
        tau = 1.0 + self.tau_max - (positions.double() / self.stretch(step)).exp()
        return torch.where(positions < self.cut_in, 1.0, tau.clamp(min=self.tau_min)).float()

    def misfits(self, length: float, step: int = 0) -> list[str]:
        """What is odd about this schedule for answers of `length` tokens on average; empty where nothing is."""
        found = []
        last = float(self(torch.tensor([length]), step)[0])
        if self.cut_in >= length:
            found.append(f"the first {self.cut_in} tokens stay at 1, and answers have {length:g}")
        elif last > 1:
            found.append(f"no cooling: the temperature is still {last:.2f} at token {length:g}")
        if self.floor(step) < EARLY * length:
            found.append(
                f"tau_min is reached at token {self.floor(step):.1f} of {length:g}: most of the answer is cold"
            )
        return found


@dataclass(frozen=True)
class Decaying:
    """From `start` to `end`, exponentially in tokens, in training steps, or both; infinite is never.

    start, end, tokens, steps: above 0. Raises: BadValue otherwise.
    """

    start: float
    end: float
    tokens: float = math.inf
    steps: float = math.inf

    def __post_init__(self) -> None:
        for field, value in (("start", self.start), ("end", self.end)):
            _above_zero(field, value)
        for field, value in (("tokens", self.tokens), ("steps", self.steps)):
            if not value > 0:
                raise BadValue(field, value, "above 0")

    def __call__(self, positions: Tensor, step: int) -> Tensor:
        """positions: [T] from 0 -> [T] float32."""
        left = (-positions.double() / self.tokens - step / self.steps).exp()
        return (self.end + (self.start - self.end) * left).float()


@dataclass(frozen=True)
class Backwards:
    """Position t of `length` is given the temperature of length - 1 - t; later ones that of 0."""

    of: OverTokens
    length: int

    def __post_init__(self) -> None:
        _at_least_one("length", self.length)

    def __call__(self, positions: Tensor, step: int) -> Tensor:
        """positions: [T] from 0 -> [T] float32."""
        return self.of((self.length - 1 - positions).clamp(min=0), step)


@dataclass(frozen=True)
class Stepwise:
    """The temperature of a training step, at every position."""

    weight: Weight

    def __call__(self, positions: Tensor, step: int) -> Tensor:
        """positions: [T] from 0 -> [T] float32."""
        return torch.full(positions.shape, self.weight(step), dtype=torch.float32, device=positions.device)


def _at_least_one(field: str, value: int) -> None:
    if value < 1:
        raise BadValue(field, value, "at least 1")


def _above_zero(field: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise BadValue(field, value, "above 0 and finite")
