"""What a run shows while it runs: a bar with rate and time left in a terminal, a line now and then elsewhere.

The bar counts the cells' estimated seconds, whose ratios decide; the time left follows from how fast they went so far.
Each running cell has a line with its newest metric and a small curve of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from wayfare.studies.contract import Cell

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["Bar", "Display", "Lines", "Quiet", "Tally", "display"]

QUIET_FOR = 15.0
"""Seconds between lines outside of a terminal."""
BLOCKS = "▁▂▃▄▅▆▇█"
CURVE = 24


class Tally:
    """How much of the run is done, in estimated seconds; and how long the rest takes at the rate so far."""

    def __init__(self, clock: float | None = None) -> None:
        self._began = time.monotonic() if clock is None else clock
        self._weight: dict[str, float] = {}
        self._share: dict[str, float] = {}
        self._steps: dict[str, float] = {}
        self._stored: set[str] = set()

    def expect(self, cells: Sequence[Cell]) -> None:
        """Count these cells in; again counts for nothing."""
        for cell in cells:
            self._weight.setdefault(cell.name, cell.seconds)

    def stored(self, cell: str) -> None:
        """The cell was done before this session: it says nothing about the rate."""
        self._share[cell] = 1.0
        self._stored.add(cell)

    def reported(self, cell: str, done: float, total: float) -> None:
        """`done` of `total` steps of the cell."""
        self._share[cell] = min(done / total, 1.0) if total else 1.0
        self._steps[cell] = done

    def ended(self, cell: str) -> None:
        """The cell is done."""
        self._share[cell] = 1.0

    def share(self, cell: str) -> float:
        """How much of the cell is done, 0 to 1."""
        return self._share.get(cell, 0.0)

    @property
    def total(self) -> float:
        """Of all cells that are known of."""
        return sum(self._weight.values())

    @property
    def done(self) -> float:
        """Of all cells, finished or not."""
        return sum(self._weight.get(cell, 0.0) * share for cell, share in self._share.items())

    def rate(self, now: float | None = None) -> float:
        """Steps a second in this session, over all cells."""
        return sum(self._steps.values()) / max(self._elapsed(now), 1e-9)

    def left(self, now: float | None = None) -> float | None:
        """Seconds left, or None while nothing was done in this session."""
        before = sum(self._weight.get(cell, 0.0) for cell in self._stored)
        gone = self.done - before
        return None if gone <= 0 else self._elapsed(now) * (self.total - self.done) / gone

    def _elapsed(self, now: float | None) -> float:
        return (time.monotonic() if now is None else now) - self._began


class Display(Protocol):
    """What the run tells; `tally` is up to date at each call."""

    def begin(self, cell: str) -> None:
        """The cell started, or reported for the first time."""

    def report(self, cell: str, metrics: Mapping[str, float]) -> None:
        """The cell went on."""

    def end(self, cell: str, seconds: float) -> None:
        """The cell is finished."""

    def refresh(self) -> None:
        """The tally changed."""

    def close(self) -> None:
        """Leave the screen as it should stay."""


class Quiet:
    """Shows nothing."""

    def begin(self, cell: str) -> None:
        """Nothing."""

    def report(self, cell: str, metrics: Mapping[str, float]) -> None:
        """Nothing."""

    def end(self, cell: str, seconds: float) -> None:
        """Nothing."""

    def refresh(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines:
    """A line when a cell is finished, and one now and then in between."""

    def __init__(self, console: Console, tally: Tally) -> None:
        self._console, self._tally = console, tally
        self._said = time.monotonic()

    def begin(self, cell: str) -> None:
        """Nothing: it says so when it goes on."""

    def report(self, cell: str, metrics: Mapping[str, float]) -> None:
        """A line when the last is a while ago."""
        if time.monotonic() - self._said >= QUIET_FOR:
            self._say(f"{cell} {said(metrics)}".strip())

    def end(self, cell: str, seconds: float) -> None:
        """A line."""
        self._say(f"{cell} finished in {duration(seconds)}")

    def refresh(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def _say(self, what: str) -> None:
        self._said = time.monotonic()
        share = self._tally.done / self._tally.total if self._tally.total else 0.0
        self._console.print(
            f"{share:4.0%}  {what}  ({pace(self._tally)})", markup=False, highlight=False, soft_wrap=True
        )


class Bar:
    """One bar for the run and one for each running cell."""

    def __init__(self, console: Console, tally: Tally) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self._tally = tally
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            TaskProgressColumn(),
            TextColumn("{task.fields[said]}", markup=False),
        )
        self._bars: Bars = Progress(*columns, console=console, transient=True)
        self._whole = self._bars.add_task("all cells", total=None, said="")
        self._cells: dict[str, TaskID] = {}
        self._seen: dict[str, list[float]] = {}
        self._bars.start()

    def begin(self, cell: str) -> None:
        """A bar for the cell."""
        if cell not in self._cells:
            self._cells[cell] = self._bars.add_task(f"  {cell}", total=1.0, said="")

    def report(self, cell: str, metrics: Mapping[str, float]) -> None:
        """The newest of its first metric and the curve so far."""
        self.begin(cell)
        if metrics:
            name = "reward" if "reward" in metrics else next(iter(metrics))
            self._seen.setdefault(cell, []).append(metrics[name])
            text = f"{said({name: metrics[name]})} {curve(self._seen[cell])}"
            self._bars.update(self._cells[cell], said=text)
        self._bars.update(self._cells[cell], completed=self._tally.share(cell))
        self.refresh()

    def end(self, cell: str, seconds: float) -> None:
        """A line that stays; the cell's bar goes."""
        if cell in self._cells:
            self._bars.remove_task(self._cells.pop(cell))
        self._bars.print(f"  {cell} finished in {duration(seconds)}", markup=False, highlight=False)
        self.refresh()

    def refresh(self) -> None:
        """The bar of the run."""
        self._bars.update(self._whole, total=self._tally.total, completed=self._tally.done, said=pace(self._tally))

    def close(self) -> None:
        """The bars go, the lines stay."""
        self._bars.stop()


def display(console: Console, tally: Tally) -> Display:
    """A bar where there is a terminal, lines elsewhere."""
    return Bar(console, tally) if console.is_terminal else Lines(console, tally)


def pace(tally: Tally) -> str:
    """'410 steps/s, 2 min 05 s left'."""
    left = tally.left()
    rate = tally.rate()
    parts = [f"{rate:,.3g} steps/s" if rate < 1000 else f"{rate:,.0f} steps/s"] if rate > 0 else []
    return ", ".join([*parts, "time left unknown yet" if left is None else f"{duration(left)} left"])


def duration(seconds: float) -> str:
    """'8 s', '2 min 05 s', '1 h 04 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def said(metrics: Mapping[str, float]) -> str:
    """'reward 0.512, loss 0.0031'."""
    return ", ".join(f"{name} {value:.3g}" for name, value in metrics.items())


def curve(values: Sequence[float]) -> str:
    """The values as blocks of eight heights, at most CURVE of them, each the mean of its stretch."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return ""
    count = min(CURVE, len(finite))
    edges = [len(finite) * i // count for i in range(count + 1)]
    means = [sum(finite[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    span = high - low or 1.0
    return "".join(BLOCKS[min(int((mean - low) / span * len(BLOCKS)), len(BLOCKS) - 1)] for mean in means)
