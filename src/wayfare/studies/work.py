"""One cell at work, in whatever process: what it sends while it runs, and how it ends.

A pool hands each message to the run, which alone writes to disk; a worker never does, except in a cell's scratch.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wayfare.errors import WayfareError
from wayfare.studies.contract import Arrays, Cell

__all__ = ["Ended", "Failed", "Message", "Reported", "carry_out"]

KEPT = 200
"""Reports of a cell that enter metrics.jsonl: one each 1/200 of the way, whatever the speed."""
EVERY = 0.2
"""Seconds between reports that only move the bar."""


@dataclass(frozen=True)
class Reported:
    """`done` of `total` steps after `seconds`; kept: whether it belongs into metrics.jsonl."""

    cell: str
    done: float
    total: float
    seconds: float
    metrics: dict[str, float]
    kept: bool


@dataclass(frozen=True)
class Ended:
    """The cell found `arrays`."""

    cell: str
    arrays: dict[str, np.ndarray]
    seconds: float


@dataclass(frozen=True)
class Failed:
    """The cell raised: the error in one line, and where."""

    cell: str
    error: str
    trace: str


Message = Reported | Ended | Failed


class SendingReport:
    """The report that a cell is given."""

    def __init__(self, cell: str, scratch: Path, send: Callable[[Message], None]) -> None:
        self._cell, self._scratch, self._send = cell, scratch, send
        self._began = time.monotonic()
        self._sent, self._mark = -EVERY, -1

    @property
    def scratch(self) -> Path:
        """Made when first asked for."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        return self._scratch

    def __call__(self, done: float, total: float, **metrics: float) -> None:
        """Which reports are kept depends on `done` and `total` alone, so that a rerun keeps the same."""
        seconds = time.monotonic() - self._began
        mark = int(KEPT * done / total) if total else KEPT
        kept = bool(metrics) and mark > self._mark
        if kept:
            self._mark = mark
        if kept or seconds - self._sent >= EVERY or done >= total:
            self._sent = seconds
            numbers = {name: float(value) for name, value in metrics.items()}
            self._send(Reported(self._cell, float(done), float(total), seconds, numbers, kept))


def carry_out(cell: Cell, scratch: Path, send: Callable[[Message], None]) -> None:
    """Run the cell; the last message sent is Ended or Failed, whatever it raises."""
    began = time.monotonic()
    try:
        found: Arrays = cell.function(SendingReport(cell.name, scratch, send), **cell.kwargs)
        arrays = {str(name): np.asarray(array) for name, array in found.items()}
        for name, array in arrays.items():
            if array.dtype.hasobject:
                raise TypeError(f"array {name!r} must be of numbers or text, got {array.dtype}")
    except Exception as error:
        send(Failed(cell.name, one_line(error), traceback.format_exc()))
    else:
        send(Ended(cell.name, arrays, time.monotonic() - began))


def one_line(error: BaseException) -> str:
    """What was raised, on one line."""
    said = " ".join(str(error).split())
    return said if isinstance(error, WayfareError) and said else f"{type(error).__name__}: {said}".rstrip(": ")
