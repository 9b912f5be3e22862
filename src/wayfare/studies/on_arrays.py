"""Recall on arrays: the draws and the choice of a `Memory`, without one. Studies hold the two equal, choice by choice.

A Memory's draws follow from its seed and the task's id alone (`place_of`), so a study that plays hundreds of thousands
of tasks on arrays shows what a Memory would have shown.
"""

from __future__ import annotations

from hashlib import blake2b

from wayfare.draws import Stream
from wayfare.explore.rules.slates import SlateMixture, Top
from wayfare.memory.policy import Candidates, Policy

__all__ = ["Chooser", "place_of"]


def place_of(task: str) -> int:
    """Where the draws of a task lie in a Memory."""
    return int.from_bytes(blake2b(task.encode(), digest_size=8).digest(), "big") >> 1


class Chooser:
    """What a Memory of this seed would show of its candidates."""

    def __init__(self, seed: int) -> None:
        self._recall, self._slate = Stream(seed, "recall"), Stream(seed, "slate")

    def __call__(self, policy: Policy, seen: Candidates, k: int, place: int) -> list[int]:
        """Places of the candidates shown, best first. seen: in the precision of a receipt        place: of the task"""
        return self.drawn(policy, seen, k, place)[0]

    def drawn(
        self, policy: Policy, seen: Candidates, k: int, place: int, *, chances: bool = False
    ) -> tuple[list[int], list[float]]:
        """The same, and with `chances` how likely each of them was to be shown; else ones."""
        k = min(k, len(seen))
        if not k:
            return [], []
        parts = policy.parts(seen, k, self._recall.at(place, 0))
        if len(parts) == 1 and isinstance(parts[0][1], Top):
            return parts[0][1].best(k), [1.0] * k
        mixture = SlateMixture(parts, k)
        shown, _ = mixture.sample(self._slate.at(place, 0))
        score = policy.scores(seen)
        shown = sorted(shown, key=lambda i: (-score[i], i))
        told: list[float] = mixture.inclusion()[shown].tolist() if chances else [1.0] * k
        return shown, told
