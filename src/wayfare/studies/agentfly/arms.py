"""Who plays: each a way to choose cases, by name.

Those that learn ask the scorer `net` or `kernel`, `truth` knows the answers. `soft-Q` draws by exp(Q / alpha): for one
case Memento's optimal retrieval policy, for several our extension of it; `top-Q` shows the K best, as released.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from wayfare.errors import BadValue
from wayfare.memory.policy import BASELINE, Policy
from wayfare.memory.scoring import AbsentScorer

__all__ = ["SIMPLE", "Arm", "best_of_k", "online", "players", "simple"]

Source = Literal["", "net", "kernel", "learned kernel", "truth", "standardised"]


@dataclass(frozen=True)
class Arm:
    """A way to choose.

    policy: of the library; None shows nothing        source: of its Q        k: cases shown
    successes: only those        negatives: whether failed cases stand in the prompt, in a block of their own
    against: whether the frozen policy weighs them against those that succeeded
    weigh: rows learn by inverse propensity        own: whether a task may be shown its own case
    rate, bandwidth: of what learns        write: whether outcomes become cases, where the bank is not a log
    """

    policy: Policy | None
    source: Source = ""
    k: int = 1
    successes: bool = False
    negatives: bool = True
    against: bool = False
    weigh: bool = False
    own: bool = True
    rate: float = 3e-3
    bandwidth: float = 1.0
    write: bool = True

    def __post_init__(self) -> None:
        """Raises: BadValue."""
        if self.k < 1:
            raise BadValue("k", self.k, "at least 1")
        if self.policy is not None and (self.policy.scorer is None) is not (self.source == ""):
            raise BadValue("source", self.source, "where Q comes from, for a policy that asks for it alone")


SIMPLE = ("random case", "similarity", "success only", "success only (standardised)")
"""Players that learn nothing; which of them is the strongest is settled on other seeds."""


def soft(source: str, alpha: float) -> Policy:
    """exp(Q / alpha)."""
    return Policy("soft q", temperature=alpha, scorer=AbsentScorer(source))


def top(source: str) -> Policy:
    """The best by Q."""
    return Policy("top q", scorer=AbsentScorer(source))


def simple() -> dict[str, Arm]:
    """Those of `SIMPLE`."""
    found = (
        Arm(Policy("memrl", epsilon=1.0)),
        Arm(BASELINE),
        Arm(BASELINE, successes=True),
        Arm(top("standardised"), "standardised", successes=True),
    )
    return dict(zip(SIMPLE, found, strict=True))


def players(alpha: float, rate: float, bandwidth: float) -> dict[str, Arm]:
    """Of the main comparison: one case is shown."""
    return {
        **simple(),
        "MemRL": Arm(Policy("memrl", epsilon=0.01)),
        "kernel": Arm(soft("kernel", alpha), "kernel", bandwidth=bandwidth),
        "kernel (learned)": Arm(soft("learned kernel", alpha), "learned kernel", rate=rate),
        "soft-Q": Arm(soft("net", alpha), "net", rate=rate),
        "greedy Q": Arm(top("net"), "net", rate=rate),
        "oracle": Arm(top("truth"), "truth"),
    }


def best_of_k(alpha: float, rate: float, ks: Sequence[int], main: int) -> dict[str, Arm]:
    """Several cases at once; and for `main` of them without the failed ones, with these counted against the others, and
    with inverse propensities."""
    found = {}
    for k in ks:
        if k > 1:
            found[f"soft-Q K={k}"] = Arm(soft("net", alpha), "net", k, rate=rate)
            found[f"top-Q K={k}"] = Arm(top("net"), "net", k, rate=rate)
    chosen = Arm(soft("net", alpha), "net", main, rate=rate)
    found[f"soft-Q K={main} (no negatives)"] = replace(chosen, negatives=False)
    found[f"soft-Q K={main} (failures count against)"] = replace(chosen, against=True)
    found[f"soft-Q K={main} (inverse propensity)"] = replace(chosen, weigh=True)
    return found


def online(alpha: float, rate: float, k: int) -> dict[str, Arm]:
    """Where the bank begins empty."""
    similar = Arm(BASELINE, k=k)
    return {
        "no cases": Arm(None, write=False),
        "non-parametric": similar,
        "non-parametric (own cases barred)": replace(similar, own=False),
        "parametric": Arm(top("net"), "net", k, rate=rate),
        "parametric (soft-Q)": Arm(soft("net", alpha), "net", k, rate=rate),
    }
