"""The commands of studies as a user types them; the study is `tests/studies/tiny_study.py`."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from wayfare.cli import main

STUDIES = Path(__file__).parents[1] / "studies"
TIMES = {"date", "seconds", "seconds_by_part"}
SMOKE = ["run", "tiny_study", "--scale", "smoke"]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory from which `tiny_study` can be imported."""
    monkeypatch.syspath_prepend(str(STUDIES))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def findings(folder: Path) -> dict[str, Any]:
    """The one finished run below `folder`, without what tells the time."""
    (path,) = folder.glob("tiny/[0-9]*/findings.json")
    return {key: value for key, value in json.loads(path.read_text()).items() if key not in TIMES}


def start(*words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(STUDIES), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "wayfare", *words],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background ignore it
    )  # fmt: skip


def test_a_run_writes_all_that_it_promises(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMOKE, "--tosses", "300", "--no-fair", "--workers", "1"]) == 0
    (run,) = (here / "runs" / "tiny").iterdir()
    files = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {"config.json", "run.json", "metrics.jsonl", "findings.json", "report.html", "tables/shares.csv"} <= files
    assert {"figures/shares.png", "figures/shares.svg", "figures/shares.dark.svg"} <= files
    info = json.loads((run / "run.json").read_text())
    assert {"versions", "cpu", "threads", "commit", "seconds", "cells", "finished"} <= set(info)
    assert info["command"] == "wayfare run tiny_study --scale smoke --tosses 300 --no-fair"
    assert json.loads((run / "config.json").read_text())["tosses"] == 300
    stored = json.loads((run / "findings.json").read_text())
    assert stored["slug"] == "tiny" and [c["name"] for c in stored["checks"]] == ["biased coin", "gap"]
    line = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    assert set(line) == {"cell", "done", "total", "seconds", "heads"}
    out = capsys.readouterr().out
    assert "gap" in out and "Verdict:" in out and "report.html" in out
    page = (run / "report.html").read_text()
    assert "<svg" in page and not re.search(r'(src|href)="https?://[^"]*\.(js|css|png|woff)', page)


def test_results_depend_on_no_number_of_workers(here: Path) -> None:
    assert main([*SMOKE, "--workers", "1", "--out", "one"]) == 0
    assert main([*SMOKE, "--workers", "2", "--out", "two"]) == 0
    assert findings(here / "one") == findings(here / "two")


def test_ray_gives_the_numbers_of_the_local_run(here: Path) -> None:
    pytest.importorskip("ray")
    assert main([*SMOKE, "--engine", "ray", "--workers", "2", "--out", "ray"]) == 0
    assert main([*SMOKE, "--out", "local"]) == 0
    assert findings(here / "ray") == findings(here / "local")
    (metrics,) = (here / "ray").glob("tiny/*/metrics.jsonl")
    assert len(metrics.read_text().splitlines()) == 300


def test_tensorboard_gets_each_metric_once(here: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main([*SMOKE, "--seeds", "2", "--tensorboard"]) == 0
    (folder,) = (here / "runs").glob("tiny/*/tensorboard")
    events = EventAccumulator(str(folder))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["seed-0/heads", "seed-1/heads"]
    assert [point.step for point in events.Scalars("seed-0/heads")] == list(range(1, 101))


SLOW = [*SMOKE, "--pause", "0.006", "--seeds", "4", "--workers", "2"]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What SLOW finds in one go."""
    folder = tmp_path_factory.mktemp("straight")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(STUDIES))
        assert main([*SLOW, "--out", str(folder)]) == 0
    return findings(folder)


def test_a_run_killed_at_three_random_moments_and_resumed_finds_the_same(here: Path, straight: dict[str, Any]) -> None:
    moments = random.Random(os.getpid())
    resume: list[str] = []
    for _ in range(3):
        began = time.time_ns()
        process = start(*SLOW, "--out", "killed", *resume)
        wait_for(lambda: newest(here / "killed") > began, process)  # noqa: B023
        time.sleep(moments.uniform(0.0, 0.5))
        children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        process.kill()
        process.communicate()
        assert all(gone(pid) for pid in children)
        resume = ["--resume"]
        if list((here / "killed").glob("tiny/*/findings.json")):
            break
    (run,) = (here / "killed" / "tiny").glob("[0-9]*")
    if not json.loads((run / "run.json").read_text()).get("finished"):
        assert main([*SLOW, "--out", "killed", "--resume"]) == 0
    assert findings(here / "killed") == straight
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for cell in ("seed-0", "seed-1", "seed-2", "seed-3"):
        assert [line["done"] for line in lines if line["cell"] == cell] == list(range(1, 101))


def test_ctrl_c_leaves_a_run_that_the_printed_command_resumes(here: Path, straight: dict[str, Any]) -> None:
    process = start(*SLOW, "--out", "stopped")
    wait_for(lambda: list((here / "stopped").glob("tiny/[0-9]*/cells/*.npz")), process)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in said
    (command,) = re.findall(r"go on with: wayfare (run tiny_study --resume \S+)", said)
    (before,) = (here / "stopped").glob("tiny/*/cells/seed-0.npz")
    made = before.stat().st_mtime_ns
    assert main(command.split()) == 0
    assert before.stat().st_mtime_ns == made
    assert findings(here / "stopped") == straight


def newest(folder: Path) -> int:
    """When metrics were last written there."""
    return max((path.stat().st_mtime_ns for path in folder.glob("tiny/[0-9]*/metrics.jsonl")), default=0)


def wait_for(condition: Any, process: subprocess.Popen[str], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def gone(pid: int) -> bool:
    for _ in range(60):
        if not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def unfinished(here: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main([*SMOKE, "--seeds", "2", "--fail-at", "1"]) == 1
    assert "cell 'seed-1' failed: ZeroDivisionError: the coin fell through the floor" in capsys.readouterr().err
    (run,) = (here / "runs" / "tiny").iterdir()
    return run


def test_resume_refuses_another_config_by_naming_the_field(
    unfinished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (["--tosses", "7"], "tosses must be 200 as in"),
        (["--scale", "quick"], "scale must be 'smoke' as in"),
        (["--fail-at", "None"], "fail_at must be 1 as in"),
    ):
        assert main(["run", "tiny_study", *words, "--resume"]) == 2
        assert said in one_line(capsys)
    assert main(["run", "tiny_study", "--resume", str(unfinished)]) == 1  # the same config fails in the same cell


def test_resume_refuses_other_code_by_naming_the_file(unfinished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = json.loads((unfinished / "code.json").read_text())
    assert "tiny_study.py" in code and "wayfare/studies/runs.py" in code
    (unfinished / "code.json").write_text(json.dumps({**code, "tiny_study.py": "0"}))
    assert main(["run", "tiny_study", "--resume"]) == 2
    assert "tiny_study.py changed since" in one_line(capsys)


WRONG = {
    "run tiny_stud": "slug must be one of .* got 'tiny_stud'",
    "run tiny_study --seeds abc": "seeds must be an integer, got 'abc'",
    "run tiny_study --seeds": "seeds must be given a value: an integer",
    "run tiny_study --seeds 0": "seeds must be at least 1, got 0",
    "run tiny_study --seed -4": "seed must be between 0 and .* got -4",
    "run tiny_study --bias 1.5": "bias must be between 0 and 1, got 1.5",
    "run tiny_study --bias=-0.5": "bias must be between 0 and 1, got -0.5",
    "run tiny_study --bias x": "bias must be a number, got 'x'",
    "run tiny_study --fail-at x": "fail_at must be an integer or None, got 'x'",
    "run tiny_study --tosss 3": r"option must be one that .* lists \(did you mean --tosses\?\), got '--tosss'",
    "run tiny_study --scale full": "scale must be one of smoke, quick, laptop, got 'full'",
    "run tiny_study --scale tiny": "scale must be one of smoke, quick, laptop, got 'tiny'",
    "run tiny_study --device tpu": "device must be one of auto, cpu, cuda, got 'tpu'",
    "run tiny_study --engine dask": "engine must be one of local, ray, got 'dask'",
    "run tiny_study --workers 0": "workers must be at least 1, got 0",
    "run tiny_study --threads 0": "threads must be at least 1, got 0",
    "run tiny_study --fair=3": "fair must be given as --fair or --no-fair, got '3'",
    "run tiny_study more": "argument must be a --flag with its value .* got 'more'",
    "run tiny_study --out file": "out must be a directory.* got 'file'",
    "run tiny_study --resume": "--resume found no unfinished run of tiny in runs/tiny",
    "run tiny_study --resume nowhere": "RUN_DIR must be .* got 'nowhere'",
    "run --seeds 3": "slug must be given first",
    "record nowhere": "RUN_DIR must be .* got 'nowhere'",
    "record": "run_dir must be given",
    "verify tiny_study --results nowhere": "slug must be a study with a recorded result",
    "verify nowhere": "slug must be one of .* got 'nowhere'",
    "report --results nowhere": "results must be a directory of recorded results, got 'nowhere'",
    "studies --jsn": r"did you mean --json\?",
    "stdies": r"command must be one of .* \(did you mean studies\?\), got 'stdies'",
}


@pytest.mark.parametrize("typed", WRONG)
def test_a_wrong_argument_is_one_line_and_writes_nothing(
    typed: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "file").write_text("")
    assert main(typed.split()) == 2
    assert re.search(WRONG[typed], one_line(capsys))
    assert [path.name for path in here.iterdir()] == ["file"]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and said.err.endswith("\n") and said.out == ""
    return said.err


def test_a_missing_extra_names_the_command_that_installs_it(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    found = importlib.util.find_spec
    for extra, module, words in (
        ("ray", "ray", ["--engine", "ray"]),
        ("tensorboard", "tensorboard", ["--tensorboard"]),
    ):
        with monkeypatch.context() as patched:
            patched.setattr("importlib.util.find_spec", lambda n, *a, m=module: None if n == m else found(n, *a))
            assert main([*SMOKE, *words]) == 2
        assert f"pip install 'wayfare[{extra}]'" in one_line(capsys)
    assert list(here.iterdir()) == []


def test_a_study_that_needs_an_extra_says_so_before_anything_is_written(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "needy.py").write_text(
        "from dataclasses import replace\nfrom tiny_study import STUDY\nSTUDY = replace(STUDY, run='needy_run:run')\n"
    )
    (here / "needy_run.py").write_text("import ribs\n")
    assert main(["run", "needy", "--scale", "smoke"]) == 2
    assert "study tiny needs an extra: pip install 'wayfare[pyribs]'" in one_line(capsys)
    assert not (here / "runs").exists()


def test_studies_are_listed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["studies", "--json"]) == 0
    for entry in json.loads(capsys.readouterr().out):
        assert set(entry) == {
            "slug", "title", "paper", "claim", "scale", "command", "seconds", "verdict", "checks"
        }  # fmt: skip
    assert main(["studies"]) == 0


def test_help_lists_the_knobs_with_their_defaults_at_that_scale(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["run", "tiny_study", "--scale", "laptop", "--help"])
    assert stop.value.code == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Probability of heads." in said and "Seeds of each condition. (default: 6)" in said and "--resume" in said


def test_a_smoke_run_is_not_recorded(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMOKE, "--seeds", "2", "--workers", "1"]) == 0
    capsys.readouterr()
    (run,) = (here / "runs" / "tiny").iterdir()
    assert main(["record", str(run), "--results", "kept"]) == 2
    assert "scale must be laptop or full to be recorded, got 'smoke'" in one_line(capsys)
    assert not (here / "kept").exists()


def test_parsing_imports_no_torch(here: Path) -> None:
    code = (
        "import sys; from wayfare.cli import main\n"
        "main(['studies']), main(['run', 'tiny_study', '--seeds', '0']), main(['run', 'exploit', '--arms', '0'])\n"
        "assert 'torch' not in sys.modules and 'gymnasium' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(STUDIES)}
    )
    assert done.returncode == 0, done.stderr
