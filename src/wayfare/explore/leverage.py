"""Ridge leverage: how much each feature of a group stands out from the rest of it.

For a group's G features h_i, less their mean where `centre`,

    b_i = h_i' (ridge I + sum_j h_j h_j')^-1 h_i = [K (K + ridge I)^-1]_ii,  K_ij = h_i . h_j              (1)
    leave one out:  h_i' (ridge I + sum_{j != i} h_j h_j')^-1 h_i = b_i / (1 - b_i)                        (2)

b lies in [0, 1) and sums to at most min(D, G - 1) where centred. With the eigenvalues s and vectors U of K it is the
sum over k of U_ik^2 s_k / (s_k + ridge), and 1 - b_i that of U_ik^2 ridge / (s_k + ridge): neither cancels.

Where D >= G - 1 and the ridge is far below the spectrum, every b_i is 1 - 1/G, whatever the geometry. So either project
to D < G - 1, or let the ridge be a share c of the mean eigenvalue, the features' own scale:

    ridge = c sum_i |h_i|^2 / min(D, G - 1)                                                                (3)

`random_projection` is a sparse one: entries +-1 / sqrt(density D') with chance density, else 0; density 1 / sqrt(D), D'
the width                                                                                                 (4)

Sources: (1, 2) Tuyls et al. 2025 (arXiv 2510.11686); (3) ours; (4) Li, Hastie & Church 2006, "Very sparse random
projections".
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal, get_args

import torch
from torch import Tensor

from wayfare.draws import Stream
from wayfare.errors import BadValue

__all__ = ["Closed", "gated", "leverage", "random_projection"]

Closed = Literal["none right", "some right", "all right", "wrong"]
UNSOLVED: tuple[Closed, ...] = ("none right",)


def leverage(
    x: Tensor,
    ridge: float = 0.01,
    group_id: Tensor | None = None,
    centre: bool = True,
    *,
    adaptive: bool = False,
    leave_one_out: bool = False,
) -> Tensor:
    """(1), or (2), of every feature within its group: [N] float64, without a gradient.

    x: [N, D]        group_id: [N] integers, groups of any size and in any order; None: one group
    ridge: above 0; with `adaptive` the c of (3)

    A centred group whose features differ by rounding alone has 0 everywhere, as has a group of one.
    Raises: BadValue for a ridge or a shape out of range, or features that are not finite.
    """
    if not 0 < ridge < math.inf:
        raise BadValue("ridge", ridge, "above 0 and finite")
    if x.ndim != 2:
        raise BadValue("features", list(x.shape), "[N, D]")
    if group_id is not None and group_id.shape != x.shape[:1]:
        raise BadValue("group_id", list(group_id.shape), f"[{len(x)}], one a feature")
    rounding = 8.0 * torch.finfo(x.dtype).eps
    h = x.detach().double()
    if not bool(h.isfinite().all()):
        raise BadValue("features", float(h[~h.isfinite()][0]), "finite")
    if not len(h):
        return h.new_zeros(0)
    group = torch.zeros(len(h), dtype=torch.int64, device=h.device) if group_id is None else group_id
    group, place, sizes = _places(group)
    padded = h.new_zeros(len(sizes), int(sizes.max()), h.shape[1])
    padded[group, place] = h
    held = torch.zeros(padded.shape[:2], dtype=torch.bool, device=h.device)
    held[group, place] = True
    if centre:
        scale = padded.norm(dim=2).amax(dim=1)
        padded = (padded - padded.sum(dim=1, keepdim=True) / sizes[:, None, None]) * held[:, :, None]
        alike = padded.norm(dim=2).amax(dim=1) <= rounding * scale
        padded = padded.masked_fill(alike[:, None, None], 0.0)
    b, rest = _leverages(padded, _ridges(padded, sizes, ridge, centre, adaptive))
    found = b / rest if leave_one_out else b.clamp(max=1.0 - torch.finfo(torch.float64).eps)
    return found[group, place]


def _places(group_id: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each row's group from 0, its place within it, and the groups' sizes."""
    _, group, sizes = group_id.unique(return_inverse=True, return_counts=True)
    order = group.argsort(stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device) - (sizes.cumsum(0) - sizes)[group[order]]
    return group, place, sizes


def _ridges(padded: Tensor, sizes: Tensor, ridge: float, centre: bool, adaptive: bool) -> Tensor:
    """[M]; 1 in a group of nothing but zeros, whose leverage is 0 under any."""
    if not adaptive:
        return padded.new_full((len(padded),), ridge)
    rank = (sizes - int(centre)).clamp(min=1, max=padded.shape[2])
    scaled = ridge * padded.square().sum(dim=(1, 2)) / rank
    return torch.where(scaled > 0, scaled, 1.0)


def _leverages(padded: Tensor, ridge: Tensor) -> tuple[Tensor, Tensor]:
    """[M, G, D], [M] -> b and 1 - b, each [M, G]."""
    most, width = padded.shape[1:]
    gram = most <= width
    s, vectors = torch.linalg.eigh(padded @ padded.mT if gram else padded.mT @ padded)
    if gram:
        share = vectors.square()
        outside = padded.new_zeros(padded.shape[:2])
    else:  # the same vectors by way of D by D, less those of eigenvalue 0
        some = s > torch.finfo(s.dtype).eps * width * s[:, -1:]
        share = (padded @ vectors).square() / torch.where(some, s, torch.inf)[:, None]
        outside = (1.0 - share.sum(dim=2)).clamp(min=0.0)
    s = s.clamp(min=0.0)[:, None]
    whole = s + ridge[:, None, None]
    b: Tensor = (share * s / whole).sum(dim=2)
    return b, (share * ridge[:, None, None] / whole).sum(dim=2) + outside


def gated(bonus: Tensor, right: Tensor, group_id: Tensor, closed: Collection[Closed] = UNSOLVED) -> Tensor:
    """The bonus, 0 where its gate is closed; [N].

    bonus: [N]        right: [N] bool, rewarded answers        group_id: [N]
    closed: to groups with none right (the published setting: unsolved tasks get no exploration), with some, with all;
        to wrong answers

    Raises: BadValue for another name.
    """
    for name in closed:
        if name not in get_args(Closed):
            raise BadValue("closed", name, f"among {', '.join(get_args(Closed))}")
    _, group, sizes = group_id.unique(return_inverse=True, return_counts=True)
    solved = torch.zeros_like(sizes).index_add(0, group, right.to(sizes.dtype))
    shut = torch.zeros_like(right, dtype=torch.bool)
    gates = {
        "none right": (solved == 0)[group],
        "some right": ((solved > 0) & (solved < sizes))[group],
        "all right": (solved == sizes)[group],
        "wrong": ~right.bool(),
    }
    for name in closed:
        shut = shut | gates[name]
    return bonus.masked_fill(shut, 0.0)


def random_projection(features: Tensor, width: int, seed: int, step: int = 0) -> Tensor:
    """(4): [N, D] -> [N, width] float64, by a matrix of its own for each (seed, step). Keeps squared lengths in mean.

    Raises: BadValue for a width below 1 or another shape.
    """
    if features.ndim != 2:
        raise BadValue("features", list(features.shape), "[N, D]")
    if width < 1:
        raise BadValue("width", width, "at least 1")
    rows = torch.arange(features.shape[1], device=features.device)
    chance = Stream(seed, "random projection").uniform(
        rows[:, None], step, torch.arange(width, device=features.device)[None, :]
    )
    density = 1.0 / math.sqrt(features.shape[1])
    signs = (chance > 1.0 - density / 2).double() - (chance < density / 2).double()
    projected: Tensor = features.detach().double() @ signs / math.sqrt(density * width)
    return projected
