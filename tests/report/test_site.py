"""The site is built from files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.report.site import build, read_record


@pytest.fixture
def results(tmp_path: Path, study: Any, findings: Any, run_info: dict[str, Any]) -> Path:
    folder = tmp_path / "results" / "exploit"
    (folder / "figures").mkdir(parents=True)
    about = {**vars(study), **{k: v for k, v in run_info.items() if k != "config"}}
    about |= {
        "verdict": findings.verdict,
        "notes": findings.notes,
        "checks": [vars(check) for check in findings.checks],
    }
    about |= {"seconds": 202.2, "seconds_by_part": {**run_info["seconds"], "total": 202.2}}
    about["tables"] = {name: vars(table) for name, table in findings.tables.items()}
    about["figures"] = [{"name": f.name, "caption": f.caption} for f in findings.figures]
    (folder / "findings.json").write_text(json.dumps(about))
    (folder / "config.json").write_text(json.dumps(run_info["config"]))
    for figure in findings.figures:
        for kind, made in draw(figure).items():
            (folder / "figures" / f"{figure.name}{'.dark.svg' if kind == 'svg_dark' else '.' + kind}").write_bytes(made)
    return tmp_path / "results"


def test_the_index_lists_every_study_with_its_verdict(results: Path, tmp_path: Path) -> None:
    index = build(results, tmp_path / "site")
    text = index.read_text()
    assert index == tmp_path / "site" / "index.html"
    assert 'href="exploit.html"' in text and "Undecided at 5 seeds" in text and "1 published claim," in text
    assert "Greedy training that &lt;explores&gt;" in text


def test_a_studys_page_is_the_report_with_the_way_back(results: Path, tmp_path: Path) -> None:
    build(results, tmp_path / "site")
    text = (tmp_path / "site" / "exploit.html").read_text()
    for piece in (
        'href="index.html"',
        "0.709 [0.701, 0.717]",
        'class="on-dark"',
        "updates",
        "3 min 22 s",
        "World A needs",
    ):
        assert piece in text


def test_tables_and_figures_come_back(results: Path) -> None:
    _, findings, _, figures = read_record(results / "exploit")
    assert findings.tables[0].rows == [["full", 0.7091234], ["<i>x</i>", None]]
    assert set(figures["curves"]) == {"png", "svg", "svg_dark"}


def test_no_record_is_a_page_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    assert "Nothing is recorded yet." in build(tmp_path / "results", tmp_path / "site").read_text()


def test_what_is_not_a_record_is_refused_before_anything_is_written(results: Path, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="results must be a directory"):
        build(tmp_path / "nowhere", tmp_path / "site")
    broken = results / "broken"
    broken.mkdir()
    (broken / "findings.json").write_text("{")
    with pytest.raises(BadValue, match="readable JSON"):
        build(results, tmp_path / "site")
    (broken / "findings.json").write_text('{"title": "x", "verdict": "holds"}')
    with pytest.raises(BadValue, match="no paper, claim, checks"):
        build(results, tmp_path / "site")
    assert not (tmp_path / "site").exists()
