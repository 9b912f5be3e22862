"""Next-token prediction as reinforcement learning of one step, whose reward can be shaped.

A prefix is a state, the next token an action, x the token that stands there. With sg for what has no gradient,

    r(x) = sg((1 - pi(x))^beta / pi(x)),   r(a) = high for a in K, low for any other a, a not x            (1)
    L = -sg((1 - pi(x))^beta) log pi(x) - high P(K less x) - low P(neither K nor x)                        (2)

K are the k likeliest tokens, chosen without gradient, and P sums pi. Minus the gradient of (2) is the expected policy
gradient of (1), summed over the vocabulary instead of sampled. With beta = high = low = 0 it is cross-entropy. beta > 0
pays tokens that are sure already less, so that the model stays broad; beta < 0 pays them more, so that it grows sharp;
high > 0 keeps near alternatives alive, low < 0 pushes the tail down.

high and low act on probability, not on its logarithm. 1 - pi is held above 1e-6; for beta > -1 the gradient still
vanishes as pi goes to 1.

Source: Wu et al. 2025 (arXiv 2512.22955), with (2) written out by us.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wayfare.errors import BadValue
from wayfare.learn.supervised import cross_entropy

__all__ = ["ShapedTokenLoss", "smoothed"]

LEAST = 1e-6
"""Of 1 - pi."""


class ShapedTokenLoss:
    """(2), as `wayfare.learn.supervised.SupervisedLoss`.

    beta: above -1        high, low: rewards of other tokens, within K and outside of it
    k: tokens of K; of equally likely ones those of lower number. A vocabulary of k or less has no tail

    Raises: BadValue for a number out of range, and when it is called as `cross_entropy` does.
    """

    def __init__(self, beta: float = 0.0, *, high: float = 0.0, low: float = 0.0, k: int = 4) -> None:
        if not -1 < beta < math.inf:
            raise BadValue("beta", beta, "finite and above -1: below, the gradient grows as a token becomes sure")
        for name, value in (("high", high), ("low", low)):
            if not math.isfinite(value):
                raise BadValue(name, value, "finite")
        if k < 1:
            raise BadValue("k", k, "at least 1")
        self.beta, self.high, self.low, self.k = float(beta), float(high), float(low), k

    def __call__(self, logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """[B, T], 0 where mask is false; see the class."""
        plain = cross_entropy(logits, targets, mask)
        if not (self.beta or self.high or self.low):
            return plain
        found = plain[mask]  # [N], -log pi(x)
        if self.beta:
            missing = (-torch.expm1(-found.detach())).clamp(min=LEAST)
            found = missing.pow(self.beta) * found
        if self.high or self.low:
            found = found - self._others(logits[mask].to(plain.dtype), targets[mask])
        return torch.zeros_like(plain).masked_scatter(mask, found)

    def _others(self, logits: Tensor, wanted: Tensor) -> Tensor:
        """[N] expected reward of the tokens that do not stand there."""
        near = torch.zeros_like(logits, dtype=torch.bool)
        order = logits.detach().sort(dim=-1, descending=True, stable=True).indices
        near.scatter_(1, order[:, : self.k], True)
        reward = torch.where(near, self.high, self.low).to(logits.dtype)
        reward.scatter_(1, wanted.unsqueeze(1), 0.0)
        expected: Tensor = (logits.softmax(dim=-1) * reward).sum(dim=-1)
        return expected


def smoothed(logits: Tensor, targets: Tensor, mask: Tensor, *, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy to labels of which a share is spread over all tokens alike: the usual way to stay broad.

    smoothing: at least 0 and below 1        Returns: [B, T], 0 where mask is false

    Source: Szegedy et al. 2016 (arXiv 1512.00567). Raises: BadValue, and as `cross_entropy` does.
    """
    if not 0 <= smoothing < 1:
        raise BadValue("smoothing", smoothing, "at least 0 and below 1")
    plain = cross_entropy(logits, targets, mask)
    spread = -logits[mask].to(plain.dtype).log_softmax(dim=-1).mean(dim=-1)
    return (1 - smoothing) * plain + smoothing * torch.zeros_like(plain).masked_scatter(mask, spread)
