"""Implicit signals: what an agent's own output tells of the memories that it was shown.

    with memory.task("ticket-4711") as task:
        recall = memory.recall("user cannot log in")
        answer = agent(recall.text)
        task.observe(answer)                    # opt in: what the answer repeats was of some use
        task.credit(reward)                     # what counts

A memory that the output repeats was read and found fit to say. That is weak evidence, and evidence of use rather than
of success: it enters what is learned with a quarter of a credit's weight, and neither evaluation nor the floor ever.
What is not repeated gets no label.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from wayfare.errors import BadValue
from wayfare.memory.index.queries import SMALL_WORDS
from wayfare.memory.index.tokens import tokens
from wayfare.memory.recalled import RecalledItem
from wayfare.memory.records import checked_text

__all__ = ["WEIGHT", "reused"]

WEIGHT = 0.25
"""Of an implicit signal, beside the credit of a task."""
REUSED = 0.5


def reused(items: Iterable[RecalledItem], output: str, *, least: float = REUSED) -> tuple[str, ...]:
    """Ids of the items whose text the output repeats: at least this share of the pairs of neighbouring words.

    output: the agent's answer, or its tool calls written out as text
    A lone word proves nothing: a memory of fewer than two words is never said to be reused.
    Raises: BadValue.
    """
    checked_text("output", output)
    if not 0 < least <= 1:
        raise BadValue("least", least, "above 0, at most 1")
    there = set(pairwise(_words(output)))
    found = []
    for item in items:
        pairs = set(pairwise(_words(item.record.content)))
        if pairs and len(pairs & there) >= least * len(pairs) and item.id not in found:
            found.append(item.id)
    return tuple(found)


def _words(text: str) -> list[str]:
    return [word for word in tokens(text) if word not in SMALL_WORDS]
