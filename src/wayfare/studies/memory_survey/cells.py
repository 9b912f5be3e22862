"""The parts of the study that take time: probes of a class, and a memory's way through a family.

Each function is one cell: plain arguments in, arrays named "player|measure" out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wayfare.memory.cards import MemoryCard
from wayfare.memory.modules import made
from wayfare.memory.modules.protocol import MemoryModule
from wayfare.memory.probes import CardReport, check_card
from wayfare.memory.probes.degenerate import DEGENERATE, MISLABELLED, wrong_card
from wayfare.memory.probes.shipped import shipped
from wayfare.studies.memory_survey.families import FAMILIES, chance, play
from wayfare.studies.memory_survey.working import Condensed, NBack

__all__ = ["OWN", "PLAYERS", "Report", "card_of", "caught", "played", "probed", "scripted"]

OWN: Mapping[str, type[Any]] = {"Condensed": Condensed, "NBack": NBack}
"""Working memories that the study brings itself."""
PLAYERS: Mapping[str, tuple[str, str]] = {
    "no memory": ("none", ""),
    "recent window": ("history", ""),
    "facts": ("facts", "factual"),
    "ExpRAG": ("exprag", "experiential"),
    "ExpRAG, successes": ("exprag-success", "experiential"),
    "MemRL": ("memrl", "experiential"),
    "workflows": ("workflows", "experiential"),
    "condensed": ("Condensed", "working"),
    "last observations": ("NBack", "working"),
}
"""Player -> the memory, and the function that its card names; the first two are the baselines."""
SECONDS = 120.0


class Report(Protocol):
    """Tells how far a cell is."""

    def __call__(self, done: float, total: float, **metrics: float) -> None: ...


def card_of(name: str) -> MemoryCard:
    """Of a shipped class, or of one of the study's own."""
    card: MemoryCard = OWN[name].card if name in OWN else shipped(name).card()
    return card


def probed(report: Report, *, name: str, seeds: Sequence[int]) -> Mapping[str, NDArray[Any]]:
    """Ten probes: agrees, passed and applicable [seeds, 10] each."""
    rows = []
    for done, seed in enumerate(seeds):
        own: dict[str, Any] = {"seed": seed, "seconds": SECONDS, "new_process": name == "Memory"}
        rows.append(check_card(OWN[name], **own) if name in OWN else shipped(name).check(**own))
        report(done + 1, len(seeds), agrees=float(rows[-1].agrees))
    return {f"{name}|{measure}": array for measure, array in _measures(rows).items()}


def _measures(reports: Sequence[CardReport]) -> dict[str, NDArray[Any]]:
    return {
        "agrees": np.array([[row.agrees for row in each.rows] for each in reports], np.float64),
        "passed": np.array([[row.outcome == "pass" for row in each.rows] for each in reports], np.float64),
        "applicable": np.array([[row.outcome != "not applicable" for row in each.rows] for each in reports]),
    }


def caught(report: Report, *, seeds: Sequence[int]) -> Mapping[str, NDArray[Any]]:
    """Whether the probes contradict each wrong card, in the field that is wrong, and each memory that is none.

    [seeds] each
    """
    found: dict[str, list[float]] = {}
    for done, seed in enumerate(seeds):
        for which, (name, changed) in MISLABELLED.items():
            told = shipped(name)
            wrong = wrong_card(told.card(), which)
            rows = told.check(card=wrong, seed=seed, seconds=SECONDS, new_process=False).rows
            caught = any(row.field in changed and not row.agrees for row in rows)
            found.setdefault(f"wrong {which}|caught", []).append(float(caught))
        for kind in DEGENERATE:
            caught = not check_card(kind, seed=seed, seconds=SECONDS, new_process=False).agrees
            found.setdefault(f"{kind.__name__}|caught", []).append(float(caught))
        report(done + 1, len(seeds))
    return {name: np.array(values) for name, values in found.items()}


def played(
    report: Report, *, player: str, size: Mapping[str, Any], seeds: Sequence[int], prefix: str = ""
) -> Mapping[str, NDArray[Any]]:
    """A memory through the three families, a new one for each: [seeds] scores a family."""
    scores = np.zeros((len(FAMILIES), len(seeds)))
    for j, seed in enumerate(seeds):
        for i, family in enumerate(FAMILIES):
            with TemporaryDirectory() as folder:
                module = _module(PLAYERS[player][0], folder, size, seed)
                scores[i, j] = play(family, module, size, seed)
                if callable(getattr(module, "close", None)):
                    module.close()  # type: ignore[attr-defined]
        report(j + 1, len(seeds), **dict(zip(FAMILIES, scores[:, j].tolist(), strict=True)))
    return {f"{prefix}{player}|{family}": scores[i] for i, family in enumerate(FAMILIES)}


def _module(name: str, folder: str, size: Mapping[str, Any], seed: int) -> MemoryModule:
    if name == "Condensed":
        return Condensed(capacity=size["context"] // 2)  # a word a code, and half of the context to spare
    if name == "NBack":
        return NBack(most=max(1, size["context"] // 6))
    return made(name, str(Path(folder) / "memory.db"), k=size["k"], seed=seed)


def scripted(report: Report, *, size: Mapping[str, Any], seeds: int) -> Mapping[str, NDArray[Any]]:
    """Players whose scores are known beforehand, to try the checks on."""
    found: dict[str, NDArray[Any]] = {}
    for family in FAMILIES:
        found[f"knows|{family}"] = np.ones(seeds)
        found[f"guesses|{family}"] = np.full(seeds, chance(family, size))
    for name, value in (("all", 1.0), ("one missing", 0.99)):
        for measure in ("agreement", "leaves", "caught"):
            found[f"{name}|{measure}"] = np.full(3, value)
    found["foretold|gain"], found["no better|gain"] = np.full(8, 0.3), np.zeros(8)
    report(1, 1)
    return found
