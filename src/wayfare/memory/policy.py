"""Which of the candidates are shown: a policy over sets, frozen in an id.

    candidates -> scores f [n] -> a mixture of designs over sets of k (`explore.rules.slates`)

    similarity    Top(relevance)                                        the baseline
    memrl         (1 - epsilon) Top(z-mix) + epsilon uniform            MemRL's rule, `utility` (4)
    epsilon       (1 - e) Top(f) + e uniform, e so that `explore` holds
    inverse gap, boltzmann, ucb, thompson                               conditional Poisson sampling with the weights of
                                                                        `explore.rules.slate_weights`
    soft q        conditional Poisson sampling with w_i = exp(Q_i / alpha), Q from a plug-in (`scoring`); for k = 1 the
                  optimal retrieval policy of Memento, mu*(c | s, M) = exp(Q / alpha) / sum exp(Q / alpha); for k > 1
                  ours
    top q         Top(Q): for k > 1 what Memento's code does

The learned score of memory i, with features phi and the effect of its own credits,

    f_i = intercept + slope relative_i + beta . phi_i + n_i / (n_i + kappa) (mean_i - m0)                         (1)

relative_i is the relevance as a share of the best candidate's. The scale of a search's scores depends on the length and
the words of the texts, between 0.1 and 1; it must not decide how many credits outweigh the search. The numbers of (1)
were chosen on pilot streams of the study `recall-bandit`, other than those that it records.

Before any credit beta = 0 and every effect is 0: the order of f is the baseline's. What is frozen in a policy's id are
the rule and the numbers in (1); the statistics of the memories are part of the situation, so that a credit changes the
next recall at once. `fit` learns intercept, slope and beta from credits: another id, which has to prove itself.

A policy knows no store; the study simulates with this very code.

Sources: `utility` and `explore.rules.slate_weights` name theirs; soft and top q are after Zhou et al. 2025 (arXiv
2508.16153), the softmax there from maximum-entropy reinforcement learning.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wayfare.draws import Draws
from wayfare.errors import BadValue
from wayfare.explore.rules import slate_weights
from wayfare.explore.rules.slates import ConditionalPoisson, Top
from wayfare.memory.scoring import AbsentScorer, Scored, Scorer
from wayfare.memory.utility import gaussian_posterior, z_mix

__all__ = ["BASELINE", "FEATURES", "LEARNED", "RULES", "SCORED", "Candidates", "Policy", "Rule", "fit"]

Floats = NDArray[np.float64]
Plain = Literal["similarity", "memrl", "epsilon", "inverse gap", "boltzmann", "ucb", "thompson"]
Asking = Literal["soft q", "top q"]
Rule = Plain | Asking
RULES: tuple[str, ...] = get_args(Plain)
"""Those that stand by themselves."""
SCORED: tuple[str, ...] = get_args(Asking)
"""Those that need a scorer."""
FEATURES = ("words", "vectors", "links", "age", "recalled", "kind 0", "kind 1", "kind 2", "kind 3")
"""Names of phi, each in [0, 1]: scores of the searches; 0.5^(age / 30 days); log2(1 + times recalled) / 16, at most 1;
which of four classes the kind's name falls into."""
UNSEEN = 0.5
"""Q of a memory without credit, as published for rewards in [0, 1]."""
RIDGE = 20.0
"""How many credits the numbers before a fit are worth."""
LEAST_SLOPE = 0.05


@dataclass(frozen=True)
class Candidates:
    """What phase A leaves, best relevance first.

    ids, versions: of the records        relevance: [n] in [0, 1]        features: [n, F], see `FEATURES`
    n, total, squares: [n] sums of weight, weight * reward, weight * reward^2        q: [n], NaN where never credited
    recalled: [n] times shown before        scored: what a policy's scorer said of them, None without one
    """

    ids: tuple[str, ...]
    versions: tuple[int, ...]
    relevance: Floats
    features: Floats
    n: Floats
    total: Floats
    squares: Floats
    q: Floats
    recalled: Floats
    scored: Scored | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def relative(self) -> Floats:
        """[n] relevance as a share of the best one's; 0 where none is relevant."""
        best = float(self.relevance.max()) if len(self) else 0.0
        return self.relevance / best if best > 0 else np.zeros(len(self))


@dataclass(frozen=True)
class Policy:
    """A rule and its numbers.

    explore: expected number of shown items that are not among the k best by the rule's own scores; `thompson` explores
    as many as its posterior doubts, from `least` up to this
    weight, epsilon, relevance_scale: of MemRL's rule (lambda; share of uniform sets; mean and deviation of relevance)
    intercept, slope, beta: of (1)        prior, kappa: of the shrinkage (`utility` (1), (2))
    optimism: widths added by `ucb`        fitted_through: the log of its fit ends at this seq; None: not fitted
    vectors_since: seq at which the namespace moved to the vectors that it ranks by; None: the first ones
    temperature: alpha of `soft q`, in the unit of Q; 0 takes the best, equal ones alike        scorer: that gives Q
    Raises: BadValue.
    """

    rule: Rule = "thompson"
    explore: float = 0.3
    least: float = 0.03
    weight: float = 0.5
    epsilon: float = 0.01
    relevance_scale: tuple[float, float] | None = None
    intercept: float = 0.5
    slope: float = 0.7
    beta: tuple[float, ...] = (0.0,) * len(FEATURES)
    prior: float = 0.5
    kappa: float = 3.0
    optimism: float = 1.0
    fitted_through: int | None = None
    vectors_since: int | None = None
    temperature: float = 0.1
    scorer: Scorer | None = None

    def __post_init__(self) -> None:
        if self.rule not in (*RULES, *SCORED):
            raise BadValue("policy", self.rule, f"safe, or one of {', '.join((*RULES, *SCORED))}")
        if (self.rule in SCORED) is not isinstance(self.scorer, Scorer):
            allowed = "an object with `id` and `q` (wayfare.memory.scoring.Scorer)" if self.rule in SCORED else "None"
            raise BadValue("scorer", self.scorer, f"{allowed} for the rule {self.rule}")
        bounds = {
            "explore": (0.0, 50.0), "least": (0.0, 50.0), "weight": (0.0, 1.0), "epsilon": (0.0, 1.0),
            "prior": (0.0, 1.0), "slope": (0.0, 1e3), "intercept": (-1e3, 1e3), "kappa": (1e-6, 1e6),
            "optimism": (0.0, 1e3), "temperature": (0.0, 1e6),
        }  # fmt: skip
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise BadValue(name, value, f"a number from {low:g} to {high:g}")
        if len(self.beta) != len(FEATURES) or not all(math.isfinite(b) for b in self.beta):
            raise BadValue("beta", self.beta, f"{len(FEATURES)} finite numbers")
        if self.relevance_scale is not None:
            mean, deviation = self.relevance_scale
            if not (math.isfinite(mean) and math.isfinite(deviation) and deviation > 0):
                raise BadValue("relevance_scale", self.relevance_scale, "(mean, deviation above 0)")

    @property
    def id(self) -> str:
        """The rule, and a hash of every number; with a scorer also of its id, which changes as that learns."""
        return self._hashed if self.scorer is None else self._hash()

    @cached_property
    def _hashed(self) -> str:
        return self._hash()

    def _hash(self) -> str:
        text = json.dumps(self.to_json(), sort_keys=True)
        return f"{self.rule.replace(' ', '-')}-{blake2b(text.encode(), digest_size=5).hexdigest()}"

    def with_(self, **changes: Any) -> Policy:
        """A copy with some numbers changed."""
        return replace(self, **changes)

    def scores(self, candidates: Candidates) -> Floats:
        """f [n]: relevance, the z-mix, Q, or (1). Raises: BadValue where the scorer has not been asked."""
        if self.rule == "similarity":
            return candidates.relevance
        if self.scorer is not None:
            if candidates.scored is None or candidates.scored.id != self.scorer.id:
                told = None if candidates.scored is None else candidates.scored.id
                raise BadValue("scored", told, f"candidates valued by {self.scorer.id}")
            return candidates.scored.q
        if self.rule == "memrl":
            q = np.where(np.isnan(candidates.q), UNSEEN, candidates.q)
            return z_mix(candidates.relevance, q, self.weight, self.relevance_scale)
        mean, _, m0 = self._posterior(candidates)
        base = self.intercept + self.slope * candidates.relative + candidates.features @ np.array(self.beta)
        found: Floats = base + mean - m0
        return found

    def _posterior(self, candidates: Candidates) -> tuple[Floats, Floats, float]:
        return gaussian_posterior(candidates.n, candidates.total, candidates.squares, self.prior, self.kappa)

    def parts(self, candidates: Candidates, k: int, draws: Draws) -> list[tuple[float, Top | ConditionalPoisson]]:
        """The mixture over sets of min(k, n): components and their shares, which sum to one.

        draws: of this decision; only `thompson` uses them
        """
        f, n = self.scores(candidates), len(candidates)
        if self.rule in ("similarity", "top q"):
            return [(1.0, Top(f))]
        k = min(k, n)
        if self.rule == "soft q":
            return [(1.0, ConditionalPoisson(slate_weights.softmax(f, k, self.temperature)))]
        if self.rule in ("memrl", "epsilon"):
            share = self.epsilon
            if self.rule == "epsilon":
                stray = k * (1.0 - k / n) if n else 0.0
                share = min(1.0, self.explore / stray) if stray > 0 else 0.0
            return [(1.0 - share, Top(f)), (share, ConditionalPoisson(np.ones(n)))] if share else [(1.0, Top(f))]
        if self.rule == "inverse gap":
            weights = slate_weights.inverse_gap(f, k, self.explore)
        elif self.rule == "boltzmann":
            weights = slate_weights.boltzmann(f, k, self.explore)
        else:
            _, width, _ = self._posterior(candidates)
            if self.rule == "ucb":
                weights = slate_weights.boltzmann(f + self.optimism * width, k, self.explore)
            else:
                weights = slate_weights.thompson(f, width, k, self.explore, draws, self.least)
        return [(1.0, ConditionalPoisson(weights))]

    def to_json(self) -> dict[str, Any]:
        """All of it, of a scorer the id; `from_json` gives an equal policy, whose scorer is absent."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        found["beta"] = list(self.beta)
        found["relevance_scale"] = None if self.relevance_scale is None else list(self.relevance_scale)
        if self.vectors_since is None:
            del found["vectors_since"]
        if self.scorer is None:  # so that the ids of the other rules are what they were before there were scorers
            del found["scorer"], found["temperature"]
        else:
            found["scorer"] = self.scorer.id
        return found

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Policy:
        """From what `to_json` gave. Raises: BadValue for a field that is not a policy's."""
        unknown = kept.keys() - cls.__dataclass_fields__.keys()
        if unknown:
            raise BadValue("policy", sorted(unknown), f"made of {', '.join(cls.__dataclass_fields__)}")
        scale = kept.get("relevance_scale")
        given = {**kept, "relevance_scale": None if scale is None else (float(scale[0]), float(scale[1]))}
        if isinstance(given.get("scorer"), str):
            given["scorer"] = AbsentScorer(given["scorer"])
        if "beta" in given:
            given["beta"] = tuple(float(b) for b in given["beta"])
        return cls(**given)


BASELINE = Policy("similarity")
"""The k most relevant."""
LEARNED = Policy("thompson")
"""The incumbent of a new namespace: nothing fitted yet."""


def fit(
    rows: Sequence[tuple[float, float, float, Floats, float]], before: Policy = LEARNED, through: int | None = None
) -> Policy:
    """`before` with intercept, slope and beta of (1) fitted to credits, by ridge regression towards its own numbers.

    rows: (reward in [0, 1], weight u_i, relative relevance, features [F], effect of the memory when it was shown), one
    for each credited item; what was not used has no row        through: seq at which the log of the fit ends
    The slope stays at least 0.05. Raises: BadValue for no rows.
    """
    if not rows:
        raise BadValue("rows", 0, "one credit at least")
    rewards, weights, relevance, effects = (np.array([row[i] for row in rows], np.float64) for i in (0, 1, 2, 4))
    x = np.column_stack([np.ones(len(rows)), relevance, np.array([row[3] for row in rows], np.float64)])
    start = np.array([before.intercept, before.slope, *before.beta])
    left = rewards - effects - x @ start
    gram = x.T @ (weights[:, None] * x) + RIDGE * np.eye(x.shape[1])
    found = start + np.linalg.solve(gram, x.T @ (weights * left))
    return before.with_(
        intercept=float(found[0]),
        slope=max(LEAST_SLOPE, float(found[1])),
        beta=tuple(float(b) for b in found[2:]),
        fitted_through=through,
    )
