"""A few of many, chosen to differ: the greedy D-optimal coreset.

    pick the next  argmax_i h_i' Sigma^-1 h_i,  Sigma = ridge I + sum over the picks h h'                  (1)

which raises log det Sigma by ln(1 + h' Sigma^-1 h), the most that one more can. A pick needs only its column of inner
products under Sigma^-1, kept as a growing factor: no matrix of D by D.

Source: (1) Tuyls et al. 2025 (arXiv 2510.11686), for choosing which answers to verify; it picks the first at random.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue

__all__ = ["coreset"]


def coreset(
    x: Tensor,
    k: int,
    ridge: float = 0.01,
    *,
    seed: int | None = None,
    centre: bool = False,
    quality: Tensor | None = None,
    drop: float = 0.2,
) -> Tensor:
    """Indices [k] int64 in the order they were picked; ties go to the lower index.

    x: [N, D]        k: 1 to what may be picked        ridge: above 0
    seed: the first is drawn by it; None: the first is the one of the greatest norm
    centre: take the features less their mean
    quality: [N], say mean log-probabilities; the lowest share `drop` may not be picked: a weak model's
        outliers come first

    Raises: BadValue for a number or a shape out of range, or features that are not finite.
    """
    if x.ndim != 2:
        raise BadValue("features", list(x.shape), "[N, D]")
    if not 0 < ridge < math.inf:
        raise BadValue("ridge", ridge, "above 0 and finite")
    h = x.detach().double()
    if not bool(h.isfinite().all()):
        raise BadValue("features", float(h[~h.isfinite()][0]), "finite")
    open_ = _open(quality, drop, len(h), h.device)
    if not 1 <= k <= int(open_.sum()):
        raise BadValue("k", k, f"between 1 and the {int(open_.sum())} that may be picked")
    h = h - h.mean(dim=0) if centre else h
    bonus = h.square().sum(dim=1) / ridge
    factor = h.new_zeros(k, len(h))
    picks: list[int] = []
    for turn in range(k):
        if turn == 0 and seed is not None:
            places = open_.nonzero().squeeze(1)
            pick = int(places[int(Stream(seed, "coreset").integers(len(places), 0))])
        else:
            pick = _first_most(bonus.masked_fill(~open_, -math.inf))
        picks.append(pick)
        open_[pick] = False
        column = h @ h[pick] / ridge - factor[:turn].T @ factor[:turn, pick]
        factor[turn] = column / math.sqrt(1.0 + float(bonus[pick]))
        bonus = (bonus - factor[turn].square()).clamp(min=0.0)
    return torch.tensor(picks, device=h.device)


def _open(quality: Tensor | None, drop: float, rows: int, device: torch.device) -> Tensor:
    open_ = torch.ones(rows, dtype=torch.bool, device=device)
    if quality is None:
        return open_
    if quality.shape != (rows,):
        raise BadValue("quality", list(quality.shape), f"[{rows}], one a feature")
    if not 0 <= drop < 1:
        raise BadValue("drop", drop, "at least 0 and below 1")
    open_[quality.sort(stable=True).indices[: int(drop * rows)]] = False
    return open_


def _first_most(values: Tensor) -> int:
    return int((values == values.max()).nonzero()[0])
