from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wayfare.errors import BadValue, ResumeRefused
from wayfare.studies.contract import Config
from wayfare.studies.runs import RunDirectory, write_aside

VERSIONS = {"wayfare": "1", "numpy": "2", "torch": "3"}
CODE = {"wayfare/a.py": "aa", "wayfare/b.py": "bb"}
CONFIG = Config(scale="smoke", seeds=2)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.begin(tmp_path / "runs", "tiny", CONFIG, {"versions": VERSIONS}, CODE)


def again(run: RunDirectory) -> RunDirectory:
    return RunDirectory(run.path)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int8).reshape(2, 3),
        np.array(0.1 + 0.2),
        np.array([np.nan, np.inf, -0.0]),
        np.asfortranarray(np.random.default_rng(0).random((3, 4))),
        np.array(["a", "long"]),
        np.empty((0, 3), dtype=bool),
    ],
)
def test_what_a_cell_found_comes_back_bit_for_bit(run: RunDirectory, array: Any) -> None:
    run.store("a|b c/d", {"C'|X=0|by episode": array, "file": array}, 1.0)
    back = again(run).load("a|b c/d")
    assert back is not None and list(back) == ["C'|X=0|by episode", "file"]
    for found in back.values():
        assert found.dtype == array.dtype and found.shape == array.shape and found.tobytes() == array.tobytes()


def test_arrays_of_objects_are_refused(run: RunDirectory) -> None:
    with pytest.raises(BadValue, match="numbers or text"):
        run.store("a", {"x": np.array([None])}, 1.0)
    assert run.load("a") is None


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_aside(tmp_path / "f", "old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError):
        write_aside(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"


def test_metrics_of_unfinished_cells_are_dropped_and_a_torn_line_too(run: RunDirectory) -> None:
    for cell in ("a", "b", "a"):
        run.note(cell, 1, 2, 0.5, {"loss": float("nan")})
    run.store("a", {"x": np.zeros(1)}, 1.0)
    run.release()
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"cell": "a", "do')
    resumed = again(run)
    resumed.keep_metrics_of_finished_cells()
    assert [line["cell"] for line in resumed.metrics()] == ["a", "a"]
    assert resumed.metrics()[0]["loss"] is None


def test_the_latest_unfinished_run_is_found(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    runs = [RunDirectory.begin(root, "tiny", CONFIG, {}, CODE) for _ in range(3)]
    runs[2].finish()
    assert RunDirectory.latest_unfinished(root, "tiny").path == runs[1].path
    runs[1].finish()
    runs[0].finish()
    with pytest.raises(ResumeRefused, match="no unfinished run of tiny"):
        RunDirectory.latest_unfinished(root, "tiny")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"slug": "other"}, "slug must be 'tiny'"),
        ({"config": Config(scale="smoke", seeds=3)}, "seeds must be 2 .* got 3"),
        ({"config": Config(scale="quick", seeds=2)}, "scale must be 'smoke'"),
        ({"versions": {**VERSIONS, "wayfare": "2"}}, "version of wayfare must be 1 .* got 2"),
        ({"versions": {"wayfare": "1", "numpy": "2"}}, "version of torch must be 3 .* got None"),
        ({"code": {**CODE, "wayfare/b.py": "cc"}}, r"wayfare/b\.py changed"),
        ({"code": {"wayfare/a.py": "aa"}}, r"wayfare/b\.py changed"),
        ({"code": {"wayfare/a.py": "", "wayfare/c.py": ""}}, r"wayfare/a\.py and 2 more changed"),
    ],
)
def test_going_on_with_anything_else_is_refused_by_name(run: RunDirectory, changed: dict[str, Any], named: str) -> None:
    same: dict[str, Any] = {"slug": "tiny", "config": CONFIG, "versions": VERSIONS, "code": CODE}
    again(run).refuse_other(**same)
    with pytest.raises(ResumeRefused, match=named):
        again(run).refuse_other(**{**same, **changed})


def test_a_finished_run_is_not_resumed(run: RunDirectory) -> None:
    run.finish()
    with pytest.raises(ResumeRefused, match="is finished"):
        again(run).refuse_other("tiny", CONFIG, VERSIONS, CODE)


def test_one_process_holds_a_run_and_its_death_frees_it(run: RunDirectory) -> None:
    with pytest.raises(ResumeRefused, match="another process"):
        again(run).hold()
    run.release()
    code = (
        "import sys, time; from pathlib import Path; from wayfare.studies.runs import RunDirectory; "
        "run = RunDirectory(Path(sys.argv[1])); run.hold(); print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(run.path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(ResumeRefused, match="another process"):
            again(run).hold()
    finally:
        other.kill()
        other.wait()
    again(run).hold()


def test_seconds_add_up_over_sessions(run: RunDirectory) -> None:
    run.info["seconds"] = 100.0
    write_aside(run.path / "run.json", json.dumps(run.info))
    resumed = again(run)
    resumed.save()
    assert 100.0 <= again(run).info["seconds"] < 101.0


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResumeRefused, match="RUN_DIR must be"):
        RunDirectory(tmp_path)
