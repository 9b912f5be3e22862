"""The study runs from its config to its findings, at smoke scale, in this process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.memrl import STUDY, Config, treasure
from wayfare.studies.memrl.experiment import run

SMOKE = STUDY.scales["smoke"]


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing(monkeypatch) -> None:
    monkeypatch.setattr(treasure, "installed", lambda: False)
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED
    states = {check.name: check.state for check in findings.checks}
    assert states["lambda = 0 is similarity"] == states["arrays are the Memory"] == "holds"
    assert {check.kind for check in findings.checks if check.tested} == {"instrument"}
    assert {figure.name for figure in findings.figures} == {"learning", "estimator", "wide"}
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    rows = {(row[0], row[1]): row for row in findings.tables["players"].rows}
    assert {("no memory", 0.1), ("MemRL", 0.25), ("wide MemRL", 0.25), ("MemRL k1=20", 0.25)} <= set(rows)
    assert rows["no memory", 0.25][3] == pytest.approx(0.8 / 6 + 0.25 * 5 / 6) and rows["no memory", 0.25][-1] == 0
    assert "hunts" not in findings.tables and any("needs wayfare[textworld]" in note for note in findings.notes)
    json.dumps(findings.to_json(), allow_nan=False)


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("families", 3, "even"),
        ("wide_families", 5, "even"),
        ("strategies", 1, "at least 2"),
        ("noise", 0.0, "above 0"),
        ("twin", 1.0, "between 0 and 1"),
        ("lucky", (0.9,), "below right"),
        ("lucky", (0.1, 0.1), "different"),
        ("late", 50, "at most passes"),
        ("k1s", (5,), "others than k1"),
        ("weights", (0.5,), "others than 0.5"),
        ("memory_seeds", 99, "at most seeds"),
        ("memory_passes", 99, "at most passes"),
        ("games", -1, "at least 0"),
    ],
)
def test_impossible_values_are_refused_by_name(field: str, value: object, allowed: str) -> None:
    with pytest.raises(BadValue, match=allowed) as refused:
        replace(STUDY.scales["quick"], **{field: value})
    assert refused.value.field == field
