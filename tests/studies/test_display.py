from __future__ import annotations

import io

import pytest
from rich.console import Console

from wayfare.studies.contract import Cell
from wayfare.studies.display import CURVE, Bar, Lines, Tally, curve, display, duration, pace

CELLS = [Cell("short", print, {}, 10.0), Cell("long", print, {}, 30.0)]  # type: ignore[arg-type]


def test_the_time_left_weighs_cells_by_their_seconds() -> None:
    tally = Tally(clock=100.0)
    tally.expect(CELLS)
    assert tally.left(now=105.0) is None
    tally.reported("short", 50, 100)
    assert (tally.done, tally.total) == (5.0, 40.0)
    assert tally.left(now=105.0) == pytest.approx(35.0)
    tally.ended("short")
    tally.reported("long", 1, 3)
    assert tally.left(now=120.0) == pytest.approx(20.0)
    assert tally.rate(now=120.0) == pytest.approx(51 / 20)


def test_cells_of_an_earlier_session_count_as_done_but_not_for_the_rate() -> None:
    tally = Tally(clock=0.0)
    tally.expect(CELLS)
    tally.stored("long")
    assert tally.left(now=10.0) is None
    tally.reported("short", 1, 2)
    assert tally.left(now=10.0) == pytest.approx(10.0)


def test_later_cells_are_counted_once() -> None:
    tally = Tally()
    tally.expect(CELLS)
    tally.expect(CELLS[:1])
    assert tally.total == 40.0


def test_outside_of_a_terminal_a_finished_cell_is_a_line() -> None:
    out = io.StringIO()
    tally = Tally()
    tally.expect(CELLS)
    shown = display(Console(file=out), tally)
    assert isinstance(shown, Lines)
    tally.ended("short")
    shown.end("short", 65.0)
    assert out.getvalue().startswith(" 25%  short finished in 1 min 05 s")


def test_in_a_terminal_bars_show_the_newest_metric() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    tally = Tally()
    tally.expect(CELLS)
    shown = display(console, tally)
    assert isinstance(shown, Bar)
    for step in range(1, 4):
        tally.reported("long", step, 4)
        shown.report("long", {"loss": 9.0, "reward": 0.1 * step})
    shown._bars.refresh()
    tally.ended("long")
    shown.end("long", 30.0)
    shown.close()
    text = out.getvalue()
    assert "all cells" in text and "reward 0.3" in text and "long finished in 30 s" in text and "left" in text


def test_a_curve_has_the_shape_of_its_values() -> None:
    assert curve([0.0, 1.0]) == "▁█"
    assert curve([1.0]) == curve([]) == curve([float("nan")]) == ""
    assert len(curve(list(range(1000)))) == CURVE
    assert curve([3.0, 3.0, 3.0]) == "▁▁▁"


def test_durations_and_pace_read_naturally() -> None:
    assert [duration(s) for s in (0.4, 59.4, 125, 3840)] == ["0 s", "59 s", "2 min 05 s", "1 h 04 min"]
    assert pace(Tally()) == "time left unknown yet"
