"""Carries cells out: in this process."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from wayfare.studies.contract import Arrays, Cell

__all__ = ["InProcess"]


class InProcess:
    """Cells one after another in this process, nothing stored: for tests of a study and for notebooks."""

    def cells(self, cells: Sequence[Cell], later: Sequence[Cell] = ()) -> dict[str, Arrays]:
        """Arrays of each cell by its name."""
        with tempfile.TemporaryDirectory() as scratch:
            return {cell.name: cell.function(Silent(Path(scratch) / cell.name), **cell.kwargs) for cell in cells}


class Silent:
    """A report that says nothing."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    @property
    def scratch(self) -> Path:
        """Made when first asked for."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch

    def __call__(self, done: float, total: float, **metrics: float) -> None:
        """Nothing."""
