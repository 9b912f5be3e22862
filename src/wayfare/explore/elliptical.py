"""Elliptical novelty: how far a feature lies from the ellipsoid of those seen.

With seen features h_1 .. h_n

    Sigma = ridge I + sum_j h_j h_j'        bonus(h) = h' Sigma^-1 h                                       (1)
    after h:  Sigma^-1 - (Sigma^-1 h h' Sigma^-1) / (1 + h' Sigma^-1 h)                                    (2)

Rows added together use the block form of (2). The inverse is kept in float64, and made anew from Sigma now and then,
since the errors of (2) add up. `KeyedEllipticalMemory` holds one ellipsoid a key, centred on the mean of the features
seen so far: with Chan's update of the scatter S about the running mean m

    bonus(h) = (h - m)' (ridge I + S)^-1 (h - m)                                                           (3)

Sources: (1, 2) Tuyls et al. 2025 (arXiv 2510.11686), and LinUCB's and E3B's bonus alike: Henaff et al. 2022 (arXiv
2210.05805); (3) Chan, Golub & LeVeque 1983.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from wayfare.errors import BadValue

__all__ = ["EllipticalMemory", "KeyedEllipticalMemory"]

REFRESH = 1000


class EllipticalMemory:
    """(1) over one stream of features.

    dimension: D, at least 1        ridge: above 0, in the squared unit of the features
    device: where the memory lies

    Raises: BadValue for a number out of range.
    """

    def __init__(self, dimension: int, ridge: float = 0.01, device: torch.device | str = "cpu") -> None:
        _check(dimension, ridge)
        self.dimension, self.ridge = dimension, ridge
        self._eye = torch.eye(dimension, dtype=torch.float64, device=device)
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.seen = self._since = 0
        self._sigma, self._inverse = self.ridge * self._eye, self._eye / self.ridge

    def bonus(self, x: Tensor) -> Tensor:
        """x: [N, D] -> [N] float64, at least 0; changes nothing. Raises: BadValue for another shape or no numbers."""
        x = _features(x, self.dimension, self._eye)
        return ((x @ self._inverse) * x).sum(dim=1).clamp(min=0.0)

    def add(self, x: Tensor) -> None:
        """x: [N, D]; their order does not matter beyond rounding. Raises: BadValue, see `bonus`."""
        x = _features(x, self.dimension, self._eye)
        if not len(x):
            return
        self._sigma = self._sigma + x.T @ x
        self.seen, self._since = self.seen + len(x), self._since + len(x)
        if len(x) >= self.dimension or self._since >= REFRESH:
            self._inverse, self._since = _inverse(self._sigma), 0
            return
        reach = x @ self._inverse  # [N, D]
        within = torch.eye(len(x), dtype=x.dtype, device=x.device) + reach @ x.T
        drop = reach.T @ torch.linalg.solve(within, reach)
        self._inverse = self._inverse - 0.5 * (drop + drop.T)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers; the same bits after loading."""
        return {"sigma": self._sigma, "inverse": self._inverse, "seen": self.seen, "since": self._since}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises: BadValue for a state of another dimension."""
        if tuple(state["sigma"].shape) != (self.dimension, self.dimension):
            raise BadValue("state", list(state["sigma"].shape), f"of dimension {self.dimension}")
        self._sigma, self._inverse = (state[name].to(self._eye).clone() for name in ("sigma", "inverse"))
        self.seen, self._since = state["seen"], state["since"]


class KeyedEllipticalMemory:
    """(3), for keys that come again. Holds D (D + 1) numbers a key.

    dimension, ridge: see `EllipticalMemory`        device: where the memory lies
    """

    def __init__(self, dimension: int, ridge: float = 0.01, device: torch.device | str = "cpu") -> None:
        _check(dimension, ridge)
        self.dimension, self.ridge = dimension, ridge
        self._eye = torch.eye(dimension, dtype=torch.float64, device=device)
        self._of: dict[int | str, tuple[int, Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def bonus(self, keys: Sequence[int | str], x: Tensor) -> Tensor:
        """keys: N of them        x: [N, D] -> [N] float64; 0 under a key that has seen nothing. Raises: BadValue."""
        x = self._paired(keys, x)
        found = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        for key, rows in _rows(keys):
            if key in self._of:
                _, mean, scatter = self._of[key]
                apart = x[rows] - mean
                half = torch.linalg.solve_triangular(self._root(scatter), apart.T, upper=False)
                found[rows] = half.square().sum(dim=0)
        return found

    def add(self, keys: Sequence[int | str], x: Tensor) -> None:
        """keys: N of them        x: [N, D]. Raises: BadValue, see `bonus`."""
        x = self._paired(keys, x)
        for key, rows in _rows(keys):
            new, mean = len(rows), x[rows].mean(dim=0)
            apart = x[rows] - mean
            scatter = apart.T @ apart
            if key in self._of:
                seen, before, scattered = self._of[key]
                shift, both = mean - before, seen + new
                scatter = scattered + scatter + torch.outer(shift, shift) * (seen * new / both)
                new, mean = both, before + shift * (new / both)
            self._of[key] = (new, mean, scatter)

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and keys."""
        return {
            "keys": list(self._of),
            "seen": [seen for seen, _, _ in self._of.values()],
            "mean": [mean for _, mean, _ in self._of.values()],
            "scatter": [scatter for _, _, scatter in self._of.values()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises: BadValue for a state of another dimension."""
        if any(mean.shape != (self.dimension,) for mean in state["mean"]):
            raise BadValue("state", [list(mean.shape) for mean in state["mean"]], f"of dimension {self.dimension}")
        parts = zip(state["seen"], state["mean"], state["scatter"], strict=True)
        tables = ((seen, mean.to(self._eye), scatter.to(self._eye)) for seen, mean, scatter in parts)
        self._of = dict(zip(state["keys"], tables, strict=True))

    def _root(self, scatter: Tensor) -> Tensor:
        root: Tensor = torch.linalg.cholesky(self.ridge * self._eye + scatter)
        return root

    def _paired(self, keys: Sequence[int | str], x: Tensor) -> Tensor:
        if len(keys) != len(x):
            raise BadValue("keys", f"{len(keys)} of them", f"one for each of {len(x)} features")
        return _features(x, self.dimension, self._eye)


def _rows(keys: Iterable[int | str]) -> Iterable[tuple[int | str, list[int]]]:
    """Each key and its rows, in order of first appearance."""
    found: dict[int | str, list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return found.items()


def _check(dimension: int, ridge: float) -> None:
    if dimension < 1:
        raise BadValue("dimension", dimension, "at least 1")
    if not 0 < ridge < math.inf:
        raise BadValue("ridge", ridge, "above 0 and finite")


def _features(x: Tensor, dimension: int, like: Tensor) -> Tensor:
    if x.ndim != 2 or x.shape[1] != dimension:
        raise BadValue("features", list(x.shape), f"[N, {dimension}]")
    x = x.detach().to(like)
    if not bool(x.isfinite().all()):
        raise BadValue("features", float(x[~x.isfinite()][0]), "finite")
    return x


def _inverse(sigma: Tensor) -> Tensor:
    return torch.cholesky_inverse(torch.linalg.cholesky(sigma))
