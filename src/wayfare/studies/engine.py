"""Carries a study's cells out, keeps what each found, and shows how far the run is.

    InProcess    here and now, nothing stored: for notebooks and the tests of a study
    Engine       into a run directory, through a pool: `processes.Processes` (this machine) or `cluster.Ray`

What a cell finds depends on its arguments alone, so pools and numbers of workers give the same findings.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from wayfare.errors import BadValue, CellFailed
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.display import Display, Tally
from wayfare.studies.runs import RunDirectory, write_aside
from wayfare.studies.work import Ended, Failed, Message, Reported, carry_out

__all__ = ["Engine", "InProcess", "Pool"]


class Pool(Protocol):
    """Where cells run."""

    def messages(self, cells: Sequence[Cell], scratch: Callable[[str], Path]) -> Iterator[Message]:
        """What the cells say, each ending with Ended or Failed; closing the iterator ends the work."""
        ...

    def close(self) -> None:
        """End what was started for the cells of all calls."""
        ...


class InProcess:
    """Cells one after another in this process."""

    def cells(self, cells: Sequence[Cell], later: Sequence[Cell] = ()) -> dict[str, Arrays]:
        """Arrays of each cell by its name. Raises: BadValue for a name used twice; CellFailed from what it raised."""
        refuse_twins(cells)
        found: dict[str, Arrays] = {}

        def receive(message: Message) -> None:
            if isinstance(message, Ended):
                found[message.cell] = message.arrays
            elif isinstance(message, Failed):
                raise CellFailed(f"cell '{message.cell}' failed: {message.error}\n{message.trace}")

        with tempfile.TemporaryDirectory() as scratch:
            for number, cell in enumerate(cells):
                carry_out(cell, Path(scratch) / str(number), receive)
        return found


class Engine:
    """The Progress of a run that is stored.

    listen: called with each kept report (cell, done, metrics), for other writers of metrics
    """

    def __init__(
        self,
        run: RunDirectory,
        pool: Pool,
        tally: Tally,
        display: Display,
        listen: Callable[[str, float, dict[str, float]], Any] | None = None,
    ) -> None:
        self.run, self.pool, self.tally, self.display, self.listen = run, pool, tally, display, listen
        self._names: set[str] = set()

    def cells(self, cells: Sequence[Cell], later: Sequence[Cell] = ()) -> dict[str, Arrays]:
        """Arrays of each cell by its name; see `contract.Progress`."""
        refuse_twins([*cells, *later], self._names)
        self._names |= {cell.name for cell in cells}
        self.tally.expect([*cells, *later])
        found: dict[str, Arrays] = {}
        pending = []
        for cell in cells:
            stored = self.run.load(cell.name)
            if stored is None:
                pending.append(cell)
            else:
                found[cell.name] = stored
                self.tally.stored(cell.name)
        self.display.refresh()
        if pending:
            messages = self.pool.messages(pending, self.run.scratch)
            try:
                for message in messages:
                    self._receive(message, found)
            finally:
                messages.close()  # type: ignore[attr-defined]
        return {cell.name: found[cell.name] for cell in cells}

    def _receive(self, message: Message, found: dict[str, Arrays]) -> None:
        if isinstance(message, Reported):
            self.tally.reported(message.cell, message.done, message.total)
            self.display.report(message.cell, message.metrics)
            if message.kept:
                self.run.note(message.cell, message.done, message.total, message.seconds, message.metrics)
                if self.listen is not None:
                    self.listen(message.cell, message.done, message.metrics)
        elif isinstance(message, Ended):
            self.run.store(message.cell, message.arrays, message.seconds)
            found[message.cell] = message.arrays
            self.tally.ended(message.cell)
            self.display.end(message.cell, message.seconds)
        else:
            write_aside(
                self.run.path / "error.txt", f"cell '{message.cell}' failed: {message.error}\n\n{message.trace}"
            )
            raise CellFailed(f"cell '{message.cell}' failed: {message.error} (see {self.run.path / 'error.txt'})")


def refuse_twins(cells: Sequence[Cell], taken: set[str] | None = None) -> None:
    """Raises: BadValue for a name that two cells share."""
    seen = set(taken or ())
    for cell in cells:
        if cell.name in seen:
            raise BadValue("cell name", cell.name, "used by one cell only")
        seen.add(cell.name)
