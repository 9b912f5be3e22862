"""The policy whose value is wanted, as its chance of each action in each row of a log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfare.errors import BadValue
from wayfare.explore.evaluation.log import DecisionLog
from wayfare.explore.rules.evidence import ActionRule, Scores

__all__ = ["Target", "probabilities", "refuse_method"]

Floats = NDArray[np.float64]
Target = ArrayLike | ActionRule | Callable[[Any], ArrayLike]
"""[N, A] probabilities; an action rule (with scores); or a function from contexts [N, D] to probabilities [N, A]."""

EXACT = ("closed form", "quadrature")
ROUNDING = 1e-6


def probabilities(
    log: DecisionLog, target: Target, *, scores: ArrayLike | None = None, estimated: bool = False
) -> Floats:
    """[N, A], 0 where an action is not allowed, each row of sum 1.

    scores: [N, A] for an action rule: how good each action looks
    estimated: accept rules whose propensities are estimated from samples

    Raises: BadValue for probabilities that are not, naming the row; for a rule without scores or without propensities;
    and for a policy that learns, which `replay` evaluates.
    """
    policy: Any = target
    if hasattr(policy, "learn"):
        raise BadValue(
            "target",
            type(target).__name__,
            "a policy that stays as it is; for one that learns use `replay(log, policy)`",
        )
    if hasattr(policy, "propensities"):
        refuse_method("target", (policy.propensity_method,), estimated)
        if scores is None:
            raise BadValue("scores", None, f"an array of shape {list(log.shape)} for the rule {type(target).__name__}")
        seen = np.asarray(scores, dtype=np.float64)
        if seen.shape != log.shape:
            raise BadValue("scores", list(seen.shape), f"of shape {list(log.shape)}")
        return _checked(log, policy.propensities(Scores(seen), log.allowed))
    if scores is not None:
        raise BadValue("scores", "an array", "left out: only an action rule takes scores")
    return _checked(log, policy(log.features) if callable(policy) else policy)


def refuse_method(field: str, methods: tuple[str, ...], estimated: bool) -> None:
    """Propensities must be exact; estimated ones on demand. Raises: BadValue otherwise."""
    for method in methods:
        if method not in EXACT and not (method == "estimated" and estimated):
            told = "'closed form' or 'quadrature', or 'estimated' with estimated=True"
            instead = "; without propensities only the direct method is left, estimator='dm'" if field == "log" else ""
            raise BadValue(f"propensity_method of the {field}", method, told + instead)


def _checked(log: DecisionLog, given: Any) -> Floats:
    try:
        table = np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadValue("target", type(given).__name__, f"probabilities of shape {list(log.shape)}") from error
    if table.shape != log.shape:
        raise BadValue("target", list(table.shape), f"of shape {list(log.shape)}: one probability a row and action")
    for bad, rule in (
        (~np.isfinite(table).all(axis=1) | (table < 0).any(axis=1), "at least 0 and finite"),
        (np.abs(table.sum(axis=1) - 1.0) > ROUNDING, "of sum 1"),
        (((table > 0) & ~log.allowed).any(axis=1), "0 for actions not allowed in its row"),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            raise BadValue(f"target[{row}]", table[row].tolist(), rule)
    return table
