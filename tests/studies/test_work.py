from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.studies import work
from wayfare.studies.contract import Arrays, Cell
from wayfare.studies.work import Ended, Failed, Message, Reported, carry_out


def sent(function: Any, tmp_path: Path, **kwargs: Any) -> list[Message]:
    messages: list[Message] = []
    carry_out(Cell("c", function, kwargs), tmp_path / "scratch", messages.append)
    return messages


def counts(report: Any, steps: int) -> Arrays:
    for step in range(steps):
        report(step + 1, steps, loss=1.0 / (step + 1))
    return {"x": [1, 2]}  # type: ignore[dict-item]


@pytest.mark.parametrize("pace", [0.0, 1e9])
def test_which_reports_are_kept_depends_on_no_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pace: float
) -> None:
    monkeypatch.setattr(work, "EVERY", pace)
    kept = [m.done for m in sent(counts, tmp_path, steps=1000) if isinstance(m, Reported) and m.kept]
    assert kept[:3] == [1, 5, 10] and kept[-1] == 1000 and len(kept) == work.KEPT + 1


def test_a_cell_ends_with_its_arrays(tmp_path: Path) -> None:
    last = sent(counts, tmp_path, steps=3)[-1]
    assert isinstance(last, Ended) and last.arrays["x"].tolist() == [1, 2]


def raises(report: Any, error: Exception) -> Arrays:
    raise error


def test_a_cell_that_raises_ends_with_the_error_on_one_line(tmp_path: Path) -> None:
    (failed,) = sent(raises, tmp_path, error=KeyError("two\nlines"))
    assert isinstance(failed, Failed) and "\n" not in failed.error and failed.error.startswith("KeyError")
    assert "raise error" in failed.trace
    (failed,) = sent(raises, tmp_path, error=BadValue("arms", 0, "at least 1"))
    assert isinstance(failed, Failed) and failed.error == "arms must be at least 1, got 0"


def objects(report: Any) -> Arrays:
    return {"x": np.array([None])}


def test_a_cell_that_returns_objects_fails(tmp_path: Path) -> None:
    (failed,) = sent(objects, tmp_path)
    assert isinstance(failed, Failed) and "'x'" in failed.error


def keeps(report: Any) -> Arrays:
    (report.scratch / "checkpoint").write_text("half")
    return {}


def test_scratch_is_made_when_asked_for(tmp_path: Path) -> None:
    sent(counts, tmp_path, steps=1)
    assert not (tmp_path / "scratch").exists()
    sent(keeps, tmp_path)
    assert (tmp_path / "scratch" / "checkpoint").read_text() == "half"
