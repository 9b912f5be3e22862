"""A softmax policy over a few answers climbs its exact regularised reward; where that ends is known in closed form.

With pi = softmax(z), rewards r, a reference q, and H the entropy,

    J = sum_y pi(y) r(y) - alpha D + beta H(pi),    D one of none, KL(pi | q) 'reverse', KL(q | pi) 'forward'   (1)
    z <- z + rate dJ/dz

    dJ/dz(y) = pi(y) (r(y) - mean r) - beta pi(y) (log pi(y) + H)
               - alpha pi(y) (log pi(y)/q(y) - KL(pi | q))           reverse
               + alpha (q(y) - pi(y))                                forward                                    (2)

'tempered' is forward with q replaced at each step by what the answers that are drawn call for,

    sum_y pi(y) q^phi(y) / Z(y),    phi(y) = floor + (1 - floor) (r(y) - min r) / (max r - min r)              (3)

held fixed when the slope is taken, as a trainer does that tempers by the reward of each answer. At the optimum

    reverse   pi proportional to q^(alpha / (alpha + beta)) exp(r / (alpha + beta))                             (4)
    forward   r + alpha q / pi - beta (log pi + 1) = lambda, so pi = (alpha q / beta) / omega((lambda - r) / beta
              + 1 + log(alpha q / beta)), omega Wright's; pi = alpha q / (lambda - r) for beta = 0              (5)

Reverse KL gives no mass where q has none; forward KL keeps at least about alpha q / lambda of everything.

Source: the objective is that of Deng et al. 2025 (arXiv 2510.03865); (3) in this form, (4) and (5) are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.errors import BadValue

__all__ = ["Divergence", "RegularisedReward", "climb", "hole", "optimum"]

Floats = NDArray[np.float64]
Divergence = Literal["none", "reverse", "forward", "tempered"]


@dataclass(frozen=True)
class RegularisedReward:
    """(1). alpha, beta: weights, at least 0        floor: of phi, in 'tempered'

    Raises: BadValue.
    """

    divergence: Divergence = "none"
    alpha: float = 0.0
    beta: float = 0.0
    floor: float = 0.5

    def __post_init__(self) -> None:
        if self.divergence not in get_args(Divergence):
            raise BadValue("divergence", self.divergence, f"one of {', '.join(get_args(Divergence))}")
        for name in ("alpha", "beta"):
            if not 0 <= getattr(self, name) < math.inf:
                raise BadValue(name, getattr(self, name), "finite and at least 0")
        if not 0 <= self.floor <= 1:
            raise BadValue("floor", self.floor, "between 0 and 1")

    def slope(self, z: Floats, reward: Floats, q: Floats, flat: Floats | None = None) -> Floats:
        """(2): [V] logits, rewards and reference -> [V]. flat: what `flattened` gives, for 'tempered'"""
        logp = z - np.logaddexp.reduce(z)
        pi = np.exp(logp)
        found: Floats = pi * (reward - pi @ reward) - self.beta * pi * (logp - pi @ logp)
        if self.divergence == "reverse":
            apart = logp - np.log(q)
            found = found - self.alpha * pi * (apart - pi @ apart)
        elif self.divergence == "forward":
            found = found + self.alpha * (q - pi)
        elif self.divergence == "tempered":
            found = found + self.alpha * (pi @ (self.flattened(reward, q) if flat is None else flat) - pi)
        return found

    def flattened(self, reward: Floats, q: Floats) -> Floats:
        """[V, V] the reference as each answer's reward tempers it: a row an answer, of which (3) is the mean."""
        rise = (reward - reward.min()) / max(float(np.ptp(reward)), 1e-300)
        flat: Floats = q[None, :] ** (self.floor + (1.0 - self.floor) * rise)[:, None]
        flat /= flat.sum(axis=1, keepdims=True)
        return flat


def climb(
    objective: RegularisedReward, reward: ArrayLike, q: ArrayLike, *, steps: int = 3000, rate: float = 1.0
) -> Floats:
    """[steps + 1, V] policies from the reference on.

    Raises: BadValue for a reference that is none, or lacks an answer: what has no mass cannot gain any.
    """
    r, start = np.asarray(reward, np.float64), np.asarray(q, np.float64)
    if start.shape != r.shape or not (start > 0).all() or abs(float(start.sum()) - 1) > 1e-9:
        raise BadValue("q", start.tolist(), f"{len(r)} chances above 0 that sum to 1")
    z, found, flat = np.log(start), np.empty((steps + 1, len(r))), objective.flattened(r, start)
    for step in range(steps + 1):
        found[step] = np.exp(z - np.logaddexp.reduce(z))
        z = z + rate * objective.slope(z, r, start, flat)
    return found


def optimum(objective: RegularisedReward, reward: ArrayLike, q: ArrayLike) -> Floats:
    """(4) or (5): [V]. Raises: BadValue for another divergence, or a weight of 0."""
    from scipy.optimize import brentq
    from scipy.special import wrightomega

    alpha, beta, r, ref = objective.alpha, objective.beta, np.asarray(reward, np.float64), np.asarray(q, np.float64)
    if alpha <= 0 or objective.divergence not in ("reverse", "forward"):
        raise BadValue("divergence", objective.divergence, "reverse or forward, with alpha above 0")
    if objective.divergence == "reverse":
        logits = (r + alpha * np.log(ref)) / (alpha + beta)
        found: Floats = np.exp(logits - np.logaddexp.reduce(logits))
        return found

    def policy(excess: float) -> Floats:
        """At lambda = max r + excess."""
        apart = (r.max() - r) + excess
        if beta == 0:
            plain: Floats = alpha * ref / apart
            return plain
        share = np.log(alpha * ref / beta)
        told: Floats = np.exp(share) / wrightomega(apart / beta + 1.0 + share).real
        return told

    # pi(y) is at least alpha q / (alpha + beta log-terms): the sum passes 1 between these two
    low = 1e-300 if beta == 0 else -beta * (2.0 + math.log(len(r))) - 1.0
    high = alpha + beta * (2.0 + math.log(len(r))) + 1.0
    return policy(float(brentq(lambda excess: policy(excess).sum() - 1.0, low, high, xtol=1e-15, rtol=1e-14)))


def hole(depth: float, *, answers: int = 64, rare: int = 8, best: int = 2, other: float = 0.6) -> tuple[Floats, Floats]:
    """(rewards, reference) [answers] each: `rare` answers have `depth` times the chance of the others; `best` of them
    pay 1, the other rare ones nothing, and the common ones from nothing to `other`, evenly spread.

    Raises: BadValue for a depth not above 0, or counts that do not fit.
    """
    if not 0 < depth <= 1:
        raise BadValue("depth", depth, "above 0 and at most 1")
    if not 1 <= best <= rare < answers:
        raise BadValue("best, rare, answers", (best, rare, answers), "at least 1, in rising order, the last above")
    q, reward = np.ones(answers), np.zeros(answers)
    q[:rare] = depth
    reward[:best], reward[rare:] = 1.0, np.linspace(0.0, other, answers - rare)
    return reward, q / q.sum()
