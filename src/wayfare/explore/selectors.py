"""Which tokens of a batch a method acts on: masks [B, T] from one number a token.

    lowest, highest    the share of the candidates with the least or greatest values                       (1)
    top_quantile       all that reach the quantile, ties included                                          (2)
    between            a random share of the batch among the tokens with low < value < high                (3)

They rank over the *whole* batch: call them before it is cut into micro-batches, of which a hundredth may be no token at
all. Shares are fractions, never per cent. The value of (3), and of (1) in KL-Cov, is a token's part in the covariance
that moves the entropy

    cov = (A - mean A) (log pi - mean log pi),  means over the mask                                        (4)

Sources: (1) Huang et al. 2025 (arXiv 2510.03222), log-probabilities of tokens with A < 0; (2) Wang et al. 2025 (arXiv
2506.01939), a fifth by entropy; (3, 4) Cui et al. 2025 (arXiv 2505.22617).
"""

from __future__ import annotations

import torch
from torch import Tensor

from wayfare.draws import Draws
from wayfare.errors import BadValue

__all__ = ["between", "covariance", "highest", "lowest", "top_quantile"]

ROUNDING = 1e-9


def lowest(values: Tensor, mask: Tensor, where: Tensor | None, share: float) -> Tensor:
    """The `share` of the candidates with the least values, one at least where there are any; bool [B, T].

    values, mask: [B, T]        where: [B, T] bool, which tokens of the mask are candidates; None: all
    share: between 0 and 1; 0 selects nothing. Exact ties go to the earlier row, then the earlier token.

    Raises: BadValue for shapes that differ, a share out of range, or a candidate without a number.
    """
    _check_share(share)
    candidates = _candidates(values, mask, where)
    return _least(values, candidates, _count(share, int(candidates.sum())))


def highest(values: Tensor, mask: Tensor, where: Tensor | None, share: float) -> Tensor:
    """As `lowest`, of the greatest values."""
    return lowest(-values, mask, where, share)


def top_quantile(values: Tensor, mask: Tensor, share: float) -> Tensor:
    """(2): values at least as great as the last of the highest `share`; bool [B, T]. Raises: BadValue, see `lowest`."""
    chosen = highest(values, mask, None, share)
    if not bool(chosen.any()):
        return chosen
    return mask.bool() & (values >= values[chosen].min())


def between(values: Tensor, mask: Tensor, low: float, high: float, share: float, draws: Draws) -> Tensor:
    """(3); bool [B, T]. Selects `share` of the tokens of the mask, one at least, or all in the range if they are fewer.

    values, mask: [B, T]        low, high: exclusive bounds
    draws: `Stream(seed, name).at(rows, step)` with rows [B]: a row's own number, so that its order does not matter

    Raises: BadValue, see `lowest`, or for bounds out of order.
    """
    _check_share(share)
    if not low < high:
        raise BadValue("low, high", (low, high), "in rising order")
    inside = _candidates(values, mask, (values > low) & (values < high))
    wanted = min(_count(share, int(mask.bool().sum())), int(inside.sum()))
    chance = torch.as_tensor(draws.uniform(values.shape[1]), device=values.device)
    return _least(chance, inside, wanted)


def covariance(advantage: Tensor, logp: Tensor, mask: Tensor) -> Tensor:
    """(4): [B, T], 0 off the mask, without a gradient. advantage: [B] or [B, T]        logp, mask: [B, T]"""
    gain = (advantage if advantage.ndim == 2 else advantage.unsqueeze(1)).expand_as(logp).detach()
    kept, logp = mask.bool(), logp.detach()
    tokens = kept.sum().clamp(min=1)
    parts = [x.masked_fill(~kept, 0.0) for x in (gain, logp)]
    return ((gain - parts[0].sum() / tokens) * (logp - parts[1].sum() / tokens)).masked_fill(~kept, 0.0)


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise BadValue("share", share, "between 0 and 1")


def _count(share: float, tokens: int) -> int:
    return max(1, int(share * tokens + ROUNDING)) if share > 0 and tokens else 0


def _candidates(values: Tensor, mask: Tensor, where: Tensor | None) -> Tensor:
    for field, shape in (("mask", mask.shape), ("where", mask.shape if where is None else where.shape)):
        if shape != values.shape:
            raise BadValue(field, list(shape), f"{list(values.shape)}, as values")
    candidates = mask.bool() if where is None else mask.bool() & where.bool()
    if bool((values.isnan() & mask.bool()).any()):
        raise BadValue("values", float("nan"), "numbers wherever the mask is true")
    return candidates


def _least(values: Tensor, candidates: Tensor, count: int) -> Tensor:
    """The `count` least of the candidates."""
    places = candidates.reshape(-1).nonzero().squeeze(1)
    order = values.detach().reshape(-1)[places].sort(stable=True).indices[:count]
    chosen = torch.zeros(candidates.numel(), dtype=torch.bool, device=values.device)
    chosen[places[order]] = True
    return chosen.reshape(candidates.shape)
