from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wayfare.errors import BadValue, RecordRefused
from wayfare.studies.contract import Check, Findings, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.perform import How
from wayfare.studies.record import flips, record, verify

CHECKS = [
    Check("gate", "s", "instrument", 1.0, 0.5, 1.5, "above", 0.0, "u", 5, "m"),
    Check("first", "s", "claim", 1.0, 0.5, 1.5, "above", 0.0, "u", 5, "m"),
    Check("second", "s", "claim", 1.0, 0.5, 1.5, "above", 0.9, "u", 5, "m"),
]
FINDINGS = Findings(tables={}, figures=[], checks=CHECKS)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A committed checkout."""
    root = tmp_path / "checkout"
    (root / "src").mkdir(parents=True)
    (root / "src" / "part.py").write_text("x = 1\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    return root


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@t", *words], check=True)


def a_run(folder: Path, **changed: Any) -> Path:
    """A finished laptop run of a committed tree, but for what is changed."""
    info = {"slug": "tiny", "commit": "abc", "dirty": [], "finished": "now", "cells": {}, **changed}
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "shares.svg").write_text("<svg/>")
    (folder / "run.json").write_text(json.dumps(info))
    (folder / "config.json").write_text(json.dumps({"scale": changed.get("scale", "laptop")}))
    about = {"slug": "tiny", "title": "T", "paper": "P", "claim": "C", "command": "wayfare run tiny --scale laptop"}
    (folder / "findings.json").write_text(json.dumps({**about, **FINDINGS.to_json()}))
    return folder


def test_a_record_holds_findings_command_and_figures(tmp_path: Path, source: Path) -> None:
    for _ in range(2):  # the second takes the place of the first
        kept = record(a_run(tmp_path / f"run-{_}"), tmp_path / "results", source)
    assert kept == tmp_path / "results" / "tiny"
    stored = json.loads((kept / "findings.json").read_text())
    assert stored["command"] == "wayfare run tiny --scale laptop" and stored["verdict"] == "undecided at 5 seeds"
    assert (kept / "figures" / "shares.svg").read_text() == "<svg/>"
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["tiny"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"scale": "quick"}, "scale must be laptop or full to be recorded, got 'quick'"),
        ({"scale": "smoke"}, "scale must be laptop or full"),
        ({"finished": None}, "run must be finished"),
        ({"dirty": ["src/a.py", "src/b.py"]}, r"tree must be committed when a run begins, src/a\.py \(and 1 more\)"),
        ({"commit": None}, "commit must be known"),
    ],
)
def test_what_may_not_be_recorded_is_refused(tmp_path: Path, source: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(RecordRefused, match=said):
        record(a_run(tmp_path / "run", **changed), tmp_path / "results", source)
    assert not (tmp_path / "results").exists()


def test_a_tree_that_is_dirty_now_is_refused(tmp_path: Path, source: Path) -> None:
    (source / "src" / "part.py").write_text("x = 2\n")
    with pytest.raises(RecordRefused, match=r"src/part\.py is not"):
        record(a_run(tmp_path / "run"), tmp_path / "results", source)
    assert not (tmp_path / "results").exists()


def test_a_directory_without_a_run_is_not_recorded(tmp_path: Path) -> None:
    with pytest.raises(RecordRefused, match="RUN_DIR must be"):
        record(tmp_path, tmp_path / "results")


def test_nothing_flips_against_itself() -> None:
    assert flips(json.loads(json.dumps(FINDINGS.to_json())), FINDINGS) == []


@pytest.mark.parametrize(
    ("index", "changed", "said"),
    [
        (1, {"low": -0.1}, ["first: was undecided, now holds (1.0 [0.5, 1.5], claimed > 0)"]),
        (2, {"threshold": 2.0}, ["second: was fails, now undecided", "verdict of the study"]),
        (0, {"reason": "later"}, ["gate: was untested, now holds"]),
        (1, {"holds": False}, ["first: stored as holds = False, its own numbers say holds"]),
        (1, {"name": "gone"}, ["gone: was holds, now absent", "first: was absent, now holds"]),
    ],
)
def test_every_flip_is_said(index: int, changed: dict[str, Any], said: list[str]) -> None:
    stored = json.loads(json.dumps(FINDINGS.to_json()))
    stored["checks"][index] |= changed
    stored["verdict"] = Findings.from_json(stored).verdict
    lines = flips(stored, FINDINGS)
    for line in said:
        assert any(each.startswith(line) for each in lines)


def test_a_forged_verdict_is_said() -> None:
    assert flips({**FINDINGS.to_json(), "verdict": "holds"}, FINDINGS) == [
        "verdict of the study: was holds, now undecided at 5 seeds"
    ]


def test_verify_runs_the_study_again_with_the_recorded_config(tmp_path: Path) -> None:
    import tiny_study

    config = replace(tiny_study.SMOKE, bias=0.9, seeds=4)
    stored = {**tiny_study.run(config, InProcess()).to_json(), "config": config_to_json(config)}
    folder = tmp_path / "results" / "tiny"
    folder.mkdir(parents=True)
    (folder / "findings.json").write_text(json.dumps(stored))
    assert verify("tiny_study", tmp_path / "results", How(workers=1)) == []
    gap = next(check for check in stored["checks"] if check["name"] == "gap")
    gap["threshold"] = 0.9
    (folder / "findings.json").write_text(json.dumps(stored))
    said = verify("tiny_study", tmp_path / "results", How(workers=1))
    assert any(line.startswith("gap: was fails, now holds") for line in said)
    with pytest.raises(BadValue, match="recorded result"):
        verify("tiny_study", tmp_path / "nowhere", How())
