"""What the probes found out about a class: a row a probe, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wayfare.memory.cards import MemoryCard

__all__ = ["CardReport", "Outcome", "ProbeResult"]

Outcome = Literal["pass", "fail", "not applicable"]


@dataclass(frozen=True)
class ProbeResult:
    """probe: P1 .. P10        title: what it is about        outcome: whether the behaviour was seen
    field: of the card that it bears on        declared: what the card says there
    evidence: what was seen, in numbers        agrees: whether the card says what was seen
    """

    probe: str
    title: str
    outcome: Outcome
    field: str
    declared: str
    evidence: str
    agrees: bool


@dataclass(frozen=True)
class CardReport:
    """name: of the class        rows: one a probe, P1 first        seen: by its number, what it saw: `held_against`"""

    name: str
    card: MemoryCard
    rows: tuple[ProbeResult, ...]
    seen: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def agrees(self) -> bool:
        """Whether every row does."""
        return all(row.agrees for row in self.rows)

    @property
    def disagreements(self) -> tuple[ProbeResult, ...]:
        """Rows that do not."""
        return tuple(row for row in self.rows if not row.agrees)

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """By the probe's number."""
        return {row.probe: row.outcome for row in self.rows}

    @property
    def text(self) -> str:
        """As a table; a row whose card says otherwise is marked."""
        lines = [f"{self.name}: the card {'agrees' if self.agrees else 'DISAGREES'} with what was seen", ""]
        lines.append(f"  {'':4}{'probe':18}{'seen':16}{'the card says':44}evidence")
        for row in self.rows:
            mark = "  " if row.agrees else "! "
            said = f"{row.field}: {row.declared}" if row.field else row.declared
            lines.append(f"{mark}{row.probe:4}{row.title:18}{row.outcome:16}{said:44}{row.evidence}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        rows = [asdict(row) for row in self.rows]
        return {"name": self.name, "agrees": self.agrees, "card": self.card.to_json(), "rows": rows}

    def __str__(self) -> str:
        return self.text
