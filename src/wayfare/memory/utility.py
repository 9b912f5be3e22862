"""What credit says about a memory, as numbers to choose by: arrays in, arrays out.

With n_i the credited weight of memory i, m_i its mean reward and s^2 the variance of single credits,

    prior     m0  = (sum_i w_i m_i + PRIOR p) / (sum_i w_i + PRIOR),  w_i = n_i / (n_i + kappa)                   (1)
    Gaussian  mean_i = (n_i m_i + kappa m0) / (n_i + kappa),  width_i^2 = s^2 / (n_i + kappa)                     (2)
    Beta      mean_i = (a + sum r) / (a + b + n_i),  a = kappa m0, b = kappa (1 - m0)                              (3)
    z-mix     (1 - lambda) z(relevance) + lambda z(q)                                                             (4)

(1) is the mean over *memories*, each counted at most once: over credits it would rise with every success, and a memory
that nobody has tried would pass for one that has proved itself. (2) is the shrinkage of a random-effects model (Robbins
1956; Morris 1983). (4) is MemRL (arXiv 2601.03192): z subtracts the mean of the candidates and divides by their
population standard deviation (1 where below 1e-9), clipped to [-3, 3]; for relevance a mean and deviation measured
beforehand may be given instead, as published.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["beta_posterior", "gaussian_posterior", "prior_mean", "z_mix", "z_scores"]

Floats = NDArray[np.float64]
PRIOR = 2.0
"""How many memories the prior p of (1) is worth."""
SPREAD = 0.25
"""Variance of a single credit before there are any: that of a fair coin. Worth `PRIOR` credits."""
FLAT, CLIP = 1e-9, 3.0


def _means(n: Floats, total: Floats) -> Floats:
    found: Floats = np.divide(total, n, out=np.zeros_like(total), where=n > 0)
    return found


def prior_mean(n: ArrayLike, total: ArrayLike, p: float = 0.5, kappa: float = 1.0) -> float:
    """(1). n, total: [N] sums of weight and of weight * reward."""
    weight, rewards = np.asarray(n, np.float64), np.asarray(total, np.float64)
    w = weight / (weight + kappa)
    return float((np.dot(w, _means(weight, rewards)) + PRIOR * p) / (w.sum() + PRIOR))


def gaussian_posterior(
    n: ArrayLike, total: ArrayLike, squares: ArrayLike, p: float = 0.5, kappa: float = 1.0
) -> tuple[Floats, Floats, float]:
    """(2): means [N], widths [N] (standard deviations) and m0. s^2 is pooled over the memories given."""
    weight, rewards, second = (np.asarray(x, np.float64) for x in (n, total, squares))
    m0 = prior_mean(weight, rewards, p, kappa)
    means = _means(weight, rewards)
    within = float(np.maximum(second - weight * means * means, 0.0).sum())
    variance = (within + PRIOR * SPREAD) / (float(weight.sum()) + PRIOR)
    return (rewards + kappa * m0) / (weight + kappa), np.sqrt(variance / (weight + kappa)), m0


def beta_posterior(n: ArrayLike, total: ArrayLike, p: float = 0.5, kappa: float = 1.0) -> tuple[Floats, Floats]:
    """(3): a, b [N] of each memory's Beta distribution."""
    weight, rewards = np.asarray(n, np.float64), np.asarray(total, np.float64)
    m0 = prior_mean(weight, rewards, p, kappa)
    return kappa * m0 + rewards, kappa * (1 - m0) + np.maximum(weight - rewards, 0.0)


def z_scores(values: ArrayLike, scale: tuple[float, float] | None = None) -> Floats:
    """z of (4). scale: (mean, deviation) measured beforehand; None: of these values."""
    x = np.asarray(values, np.float64)
    if not len(x):
        return x
    mean, deviation = (float(x.mean()), float(x.std())) if scale is None else scale
    found: Floats = np.clip((x - mean) / (deviation if deviation >= FLAT else 1.0), -CLIP, CLIP)
    return found


def z_mix(relevance: ArrayLike, q: ArrayLike, weight: float, scale: tuple[float, float] | None = None) -> Floats:
    """(4). weight: lambda; scale: for relevance."""
    return (1.0 - weight) * z_scores(relevance, scale) + weight * z_scores(q)
