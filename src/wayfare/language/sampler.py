"""Drawing the next token: temperature, min-p, top-p, and the two log-probabilities that training needs.

The draw inverts the cumulative distribution at a uniform number that the caller brings, so that a row's tokens depend
on its own numbers alone.

Sources: Holtzman et al. 2020 (arXiv 1904.09751) for top-p; Nguyen et al. 2025 (arXiv 2407.01082) for min-p.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["Drawn", "Sampler", "Temperature"]

Temperature = float | Callable[[Tensor, int], Tensor]
"""A number, or what gives one for each position: (positions [T] from 0, training step) -> [T]."""


class Drawn(NamedTuple):
    """token: [B] int64        logp: [B] float32, as drawn        logp_at_one: [B] float32, of the model itself"""

    token: Tensor
    logp: Tensor
    logp_at_one: Tensor


@dataclass(frozen=True)
class Sampler:
    """temperature: 0 takes the likeliest token. Tokens below min_p times the likeliest are left out first, then those
    beyond the top_p of what remains, as most servers do it.

    Raises: BadValue for a temperature below 0, also when its function gives one.
    """

    temperature: Temperature = 1.0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if not callable(self.temperature):
            _checked(self.temperature)
        if not 0 < self.top_p <= 1:
            raise BadValue("top_p", self.top_p, "above 0 and at most 1")
        if not 0 <= self.min_p <= 1:
            raise BadValue("min_p", self.min_p, "between 0 and 1")

    def at(self, position: int, step: int) -> float:
        """Temperature of the token at `position` of an answer."""
        if callable(self.temperature):
            return _checked(float(self.temperature(torch.tensor([position]), step)[0]))
        return float(self.temperature)

    def sample(self, logits: Tensor, position: int, step: int, uniform: Tensor) -> Drawn:
        """One token a row.

        logits: [B, V]        position: of the token in the answer        step: of training
        uniform: [B] float64, between 0 and 1
        """
        logits = logits.float()
        own = logits.log_softmax(dim=-1)
        temperature = self.at(position, step)
        if temperature == 0:
            token = own.argmax(dim=-1)
            drawn = torch.zeros_like(own[:, 0])
        elif temperature == 1 and self.top_p == 1 and self.min_p == 0:
            token = _inverse(own, uniform)
            drawn = own.gather(1, token.unsqueeze(1)).squeeze(1)
            return Drawn(token, drawn, drawn)
        else:
            chances = self.restricted(logits / temperature)
            token = _inverse(chances, uniform)
            drawn = chances.gather(1, token.unsqueeze(1)).squeeze(1)
        return Drawn(token, drawn, own.gather(1, token.unsqueeze(1)).squeeze(1))

    def restricted(self, logits: Tensor) -> Tensor:
        """Log-probabilities [B, V] of the tokens that may be drawn, -inf elsewhere."""
        logps = logits.log_softmax(dim=-1)
        if self.min_p > 0:
            floor = logps.amax(dim=-1, keepdim=True) + math.log(self.min_p)
            logps = logps.masked_fill(logps < floor, -math.inf).log_softmax(dim=-1)
        if self.top_p < 1:
            ordered, order = logps.sort(dim=-1, descending=True, stable=True)
            before = ordered.double().exp().cumsum(dim=-1) - ordered.double().exp()
            out = torch.zeros_like(logps, dtype=torch.bool).scatter(1, order, before >= self.top_p)
            logps = logps.masked_fill(out, -math.inf).log_softmax(dim=-1)
        return logps


def _inverse(logps: Tensor, uniform: Tensor) -> Tensor:
    """The token at which the cumulative chance passes `uniform`; one of chance 0 is never passed."""
    upto = logps.double().exp().cumsum(dim=-1)
    total = upto[:, -1:].contiguous()
    wanted = torch.minimum(uniform.to(upto).unsqueeze(1) * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(upto, wanted, right=True).squeeze(1)


def _checked(temperature: float) -> float:
    if not 0 <= temperature < math.inf:
        raise BadValue("temperature", temperature, "finite and at least 0")
    return temperature
