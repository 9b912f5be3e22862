"""Foretelling what a class will do in each probe, by other classes alone.

    card     as most of the other classes that stand where it stands on the axis that the probe bears on; where none
             stands just there, as the nearest of them (Jaccard); ties as the card of all
    label    as most of the other classes of its label: short-term or long-term, by the name of the class

The measure of a class is the balanced accuracy over its ten outcomes, passed or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.cards import AXES, MemoryCard
from wayfare.memory.probes.checking import PROBES

__all__ = ["SHORT", "foretold", "gains"]

Bits = NDArray[np.bool_]
SHORT = frozenset({"History", "ExpRecent", "Transitions", "Replay"})
"""Classes whose names say that they hold what came last: a history, the recent, a buffer. All others: long-term."""
FIELDS = tuple(field for _, _, field, *_ in PROBES)


def foretold(name: str, cards: Mapping[str, MemoryCard], passed: Mapping[str, Bits]) -> tuple[Bits, Bits]:
    """By the card and by the label: [10] each. passed: of every class, the class itself is not looked at"""
    others = [other for other in passed if other != name]
    by_card, by_label = np.zeros(len(FIELDS), np.bool_), np.zeros(len(FIELDS), np.bool_)
    same = [other for other in others if (other in SHORT) == (name in SHORT)] or others
    for i, field in enumerate(FIELDS):
        near = [_likeness(cards[name], cards[other], field) for other in others]
        best = [other for other, likeness in zip(others, near, strict=True) if likeness == max(near)]
        by_card[i] = _most(best, others, passed, i)
        by_label[i] = _most(same, others, passed, i)
    return by_card, by_label


def gains(cards: Mapping[str, MemoryCard], passed: Mapping[str, Bits]) -> dict[str, tuple[float, float]]:
    """Class -> balanced accuracy by card and by label; classes whose outcomes are all alike have none."""
    found = {}
    for name in passed:
        truth = passed[name]
        if truth.any() and not truth.all():
            by_card, by_label = foretold(name, cards, passed)
            found[name] = (_balanced(by_card, truth), _balanced(by_label, truth))
    return found


def _likeness(a: MemoryCard, b: MemoryCard, field: str) -> float:
    mine, theirs = getattr(a, field), getattr(b, field)
    if field not in AXES:
        return float(mine == theirs)
    return len(mine & theirs) / len(mine | theirs)


def _most(voters: Sequence[str], others: Sequence[str], passed: Mapping[str, Bits], i: int) -> bool:
    share = float(np.mean([passed[other][i] for other in voters]))
    if share == 0.5:
        share = float(np.mean([passed[other][i] for other in others]))
    return share > 0.5


def _balanced(said: Bits, truth: Bits) -> float:
    return float((said[truth].mean() + (~said[~truth]).mean()) / 2)
