"""The recorded comparison as a table of the manual: `python -m wayfare.studies.evo_memory.compared` prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wayfare.errors import BadValue
from wayfare.studies.catalogue import recorded

__all__ = ["compared"]


def compared() -> str:
    """Markdown, a row a memory, the best over both streams first. Raises: BadValue where nothing is recorded."""
    kept = recorded("evo-memory")
    if kept is None:
        raise BadValue("results of evo-memory", "none", "recorded: wayfare run evo-memory --scale laptop")
    rows = kept["tables"]["memories"]
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows["rows"]:
        told = dict(zip(rows["columns"], row, strict=True))
        found.setdefault(told["memory"], {})[told["stream"]] = told
    lines = ["| memory | puzzles | errands | steps of an errand | words shown | kept of 200, of 150 |"]
    lines.append("| --- " * 6 + "|")
    for name, told in sorted(found.items(), key=lambda each: -sum(row["success"] for row in each[1].values())):
        lines.append(_line(name, [told["puzzles"], told["errands"]]))
    return "\n".join(lines)


def _line(name: str, told: Sequence[Mapping[str, Any]]) -> str:
    scores = [f"{row['success']:.2f} ± {row['95 % +-']:.2f}" for row in told]
    shown, kept = ([f"{row[column]:.0f}" for row in told] for column in ("words of context", "items kept at the end"))
    return f"| {name} | {' | '.join(scores)} | {told[1]['steps']:.0f} | {', '.join(shown)} | {', '.join(kept)} |"


if __name__ == "__main__":
    print(compared())
