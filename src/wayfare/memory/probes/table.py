"""Cards as a table of the manual, a row a memory."""

from __future__ import annotations

from collections.abc import Mapping

from wayfare.memory.cards import MemoryCard

__all__ = ["table"]

COLUMNS = {
    "carried by": ("form", "topology"), "is for": ("function",), "formed by": ("formation",),
    "consolidates": ("consolidation",), "updates": ("updating",), "forgets by": ("forgetting",),
    "found by": ("retrieval",), "is": ("scope",),
}  # fmt: skip
FLAGS = {"learns_from_outcome": "learns from outcomes", "auditable": "auditable", "abstains": "may abstain"}


def table(cards: Mapping[str, MemoryCard]) -> str:
    """Markdown. cards: by the name of the class"""
    lines = [f"| memory | {' | '.join(COLUMNS)} | deletable | besides |"]
    lines.append("| --- " * (len(COLUMNS) + 3) + "|")
    for name, card in cards.items():
        cells = ["; ".join(", ".join(sorted(getattr(card, axis))) for axis in axes) for axes in COLUMNS.values()]
        flags = ", ".join(said for field, said in FLAGS.items() if getattr(card, field))
        lines.append(f"| `{name}` | {' | '.join(cells)} | {card.deletable} | {flags} |")
    return "\n".join(lines)
