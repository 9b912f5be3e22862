"""Memories that are none, each with the card of an ordinary one: what a battery of probes must not let pass.

    Empty       finds nothing           Echo        says back what it is asked, then all that it holds
    Randomly    finds anything          WriteOnly   takes all in, and answers nothing
    Crashing    raises when it is asked

`MISLABELLED`: memories that are what they are, with one field of their card wrong each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wayfare.memory.cards import (
    Consolidation,
    Forgetting,
    Form,
    Formation,
    Function,
    MemoryCard,
    Retrieval,
    Topology,
    Updating,
)
from wayfare.memory.probes.subject import Hit

__all__ = ["DEGENERATE", "MISLABELLED", "ORDINARY", "Crashing", "Echo", "Empty", "Randomly", "WriteOnly", "wrong_card"]

ORDINARY = MemoryCard(
    form={Form.TOKEN}, topology={Topology.FLAT}, function={Function.FACTUAL_ENVIRONMENT},
    formation={Formation.VERBATIM}, consolidation={Consolidation.NONE}, updating={Updating.NONE},
    forgetting={Forgetting.NONE}, retrieval={Retrieval.LEXICAL},
)  # fmt: skip


class Empty:
    """Finds nothing."""

    card = ORDINARY

    def __init__(self, seed: int = 0) -> None:
        self.texts: list[str] = []
        self.rng = np.random.default_rng(seed)

    def write(self, text: str, *, key: str | None = None, at: float | None = None, links: Sequence[str] = ()) -> str:
        """See `Subject`."""
        self.texts.append(f"{key} {text}")
        return str(len(self.texts) - 1)

    def recall(self, query: str, k: int) -> Sequence[Hit]:
        """Nothing."""
        return []


class Echo(Empty):
    """Whatever is asked comes back, and all else with it."""

    def recall(self, query: str, k: int) -> Sequence[Hit]:
        """The question, then everything."""
        return [("", query), *((str(i), text) for i, text in enumerate(self.texts))]


class Randomly(Empty):
    """Any k of what was written."""

    def recall(self, query: str, k: int) -> Sequence[Hit]:
        """Drawn."""
        return [(str(i), self.texts[int(i)]) for i in self.rng.permutation(len(self.texts))[:k]]


class WriteOnly(Empty):
    """It holds a great deal."""

    def recall(self, query: str, k: int) -> Sequence[Hit]:
        """Blank texts."""
        return [("", "") for _ in range(k)]

    def size(self) -> int:
        """All."""
        return len(self.texts)


class Crashing(Empty):
    """Breaks when it is asked."""

    def recall(self, query: str, k: int) -> Sequence[Hit]:
        """Raises."""
        raise OSError("the shelf is gone")


DEGENERATE: tuple[type[Any], ...] = (Empty, Echo, Randomly, WriteOnly, Crashing)

MISLABELLED: Mapping[str, tuple[str, dict[str, Any]]] = {
    "form": ("ExpRAG", {"form": frozenset({Form.LATENT_REUSE})}),
    "planar": ("ExpRAG", {"topology": frozenset({Topology.PLANAR})}),
    "flat": ("LinkedNotes", {"topology": frozenset({Topology.FLAT})}),
    "consolidation": ("ExpRAG", {"consolidation": frozenset({Consolidation.LOCAL})}),
    "updating": ("Facts", {"updating": frozenset({Updating.NONE})}),
    "forgetting": ("Insights", {"forgetting": frozenset({Forgetting.NONE})}),
    "retrieval": ("ExpRecent", {"retrieval": frozenset({Retrieval.LEXICAL})}),
    "learns_from_outcome": ("MemRL", {"learns_from_outcome": False}),
    "deletable": ("ExpRAGSuccess", {"deletable": "approximate"}),
    "abstains": ("Transitions", {"abstains": False}),
}
"""What is wrong -> the shipped memory, and what its card is made to say instead."""


def wrong_card(card: MemoryCard, which: str) -> MemoryCard:
    """The card of a mislabelled memory."""
    return replace(card, **MISLABELLED[which][1])
