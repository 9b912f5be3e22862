from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wayfare.errors import BadValue, CellFailed
from wayfare.studies.contract import Arrays, Cell, Config
from wayfare.studies.display import Quiet, Tally
from wayfare.studies.engine import Engine, InProcess
from wayfare.studies.processes import Processes
from wayfare.studies.runs import RunDirectory

# Cells are functions of `tiny_cells`, a module that other processes can import.
MODULE = """
import os, time
import numpy as np

def double(report, *, x, calls):
    with open(calls, "a") as file:
        file.write("x")
    for step in range(4):
        report(step + 1, 4, loss=float(step))
    return {"x": np.array(2 * x), "pid": np.array(os.getpid()), "threads": np.array(os.environ["OMP_NUM_THREADS"])}

def fail(report, *, x, calls):
    raise ValueError("no such coin")

def die(report, *, x, calls):
    os.kill(os.getpid(), 9)

def wait(report, *, x, calls):
    open(calls, "w").write(str(os.getpid()))
    report(0, 1)
    time.sleep(60)

def checkpoint(report, *, x, calls):
    path = report.scratch / "half"
    if path.exists():
        return {"x": np.array(int(path.read_text()) + 1)}
    path.write_text("41")
    raise RuntimeError("interrupted")
"""


@pytest.fixture
def tiny_cells(here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (here / "tiny_cells.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(here))
    import importlib

    return importlib.reload(importlib.import_module("tiny_cells"))


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.begin(tmp_path / "runs", "tiny", Config(scale="smoke"), {}, {})


def engine(run: RunDirectory, workers: int = 1, **more: Any) -> Engine:
    return Engine(run, Processes(workers), Tally(), Quiet(), **more)


def cells(function: Any, here: Path, *names: str) -> list[Cell]:
    return [Cell(name, function, {"x": i, "calls": here / name}) for i, name in enumerate(names)]


def test_cells_come_back_by_name_in_the_order_given(tiny_cells: Any, here: Path, run: RunDirectory) -> None:
    asked = cells(tiny_cells.double, here, "b", "a", "c")
    heard: list[Any] = []
    found = engine(run, workers=2, listen=lambda *said: heard.append(said)).cells(asked)
    assert list(found) == ["b", "a", "c"] and [int(f["x"]) for f in found.values()] == [0, 2, 4]
    assert {str(f["threads"]) for f in found.values()} == {"1"}
    assert os.getpid() not in {int(f["pid"]) for f in found.values()}
    assert len(heard) == len(run.metrics()) == 12 and ("a", 4.0, {"loss": 3.0}) in heard


def test_a_stored_cell_is_read_back_and_not_run_again(tiny_cells: Any, here: Path, run: RunDirectory) -> None:
    asked = cells(tiny_cells.double, here, "a", "b")
    first = engine(run).cells(asked[:1])
    both = engine(run).cells(asked)
    assert both["a"]["pid"] == first["a"]["pid"] and int(both["b"]["x"]) == 2
    assert (here / "a").read_text() == "x"


def test_a_cell_that_raises_is_named_and_the_others_are_kept(tiny_cells: Any, here: Path, run: RunDirectory) -> None:
    asked = [*cells(tiny_cells.double, here, "good"), *cells(tiny_cells.fail, here, "bad")]
    with pytest.raises(CellFailed, match="cell 'bad' failed: ValueError: no such coin"):
        engine(run).cells(asked)
    assert run.load("good") is not None and run.load("bad") is None
    assert "tiny_cells.py" in (run.path / "error.txt").read_text()


def test_a_cell_whose_process_dies_is_named(tiny_cells: Any, here: Path, run: RunDirectory) -> None:
    with pytest.raises(CellFailed, match=r"cell 'gone' failed: its process died \(signal 9\)"):
        engine(run).cells(cells(tiny_cells.die, here, "gone"))


def test_workers_end_with_the_run(tiny_cells: Any, here: Path, run: RunDirectory) -> None:
    messages = Processes(2).messages(cells(tiny_cells.wait, here, "slow", "other"), run.scratch)
    next(messages), next(messages)
    messages.close()  # type: ignore[attr-defined]
    assert not alive(int((here / "slow").read_text())) and not alive(int((here / "other").read_text()))


def alive(pid: int) -> bool:
    for _ in range(20):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


def test_a_cells_own_checkpoint_outlives_an_interruption(tiny_cells: Any, here: Path, run: RunDirectory) -> None:
    asked = cells(tiny_cells.checkpoint, here, "long")
    with pytest.raises(CellFailed):
        engine(run).cells(asked)
    assert int(engine(run).cells(asked)["long"]["x"]) == 42
    assert not run.scratch("long").exists()


def test_a_cell_that_cannot_be_sent_is_refused(here: Path, run: RunDirectory) -> None:
    with pytest.raises(BadValue, match="function of cell 'a' must be a function importable by name"):
        engine(run).cells([Cell("a", lambda report: {}, {})])


@pytest.mark.parametrize("in_process", [True, False])
def test_a_name_used_twice_is_refused(run: RunDirectory, in_process: bool) -> None:
    progress = InProcess() if in_process else engine(run)
    twin = Cell("a", simple, {})
    with pytest.raises(BadValue, match="cell name must be used by one cell only, got 'a'"):
        progress.cells([twin, twin])


def simple(report: Any) -> Arrays:
    report(1, 1, loss=0.0)
    assert report.scratch.is_dir()
    return {"x": np.ones(2)}


def test_in_process_runs_cells_here() -> None:
    assert InProcess().cells([Cell("a", simple, {})])["a"]["x"].tolist() == [1, 1]
