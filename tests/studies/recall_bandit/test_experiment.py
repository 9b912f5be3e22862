"""The study runs from its config to its findings, at smoke scale, in this process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.recall_bandit import STUDY, Config
from wayfare.studies.recall_bandit.experiment import run

SMOKE = replace(STUDY.scales["smoke"], device="cpu")


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED
    assert findings.checks[0].kind == "instrument" and not any(check.tested for check in findings.checks)
    assert {figure.name for figure in findings.figures} == {"streams", "floor", "desk"}
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    arms = {(row[0], row[1]) for row in findings.tables["arms"].rows}
    for m in ("m=0", "m=0.5"):
        everybody = ("baseline", "recency", "MemRL", "epsilon", "inverse gap", "Thompson", "safe mixture", "oracle")
        assert {(m, arm) for arm in everybody} <= arms
    assert {("m=0.5, drift", "safe mixture"), ("m=0.5, own outcomes written", "safe mixture")} <= arms
    assert [row[:2] for row in findings.tables["desk"].rows[:2]] == [("desk", 10), ("desk", 20)]
    assert len(findings.tables["logs"].rows) == 10
    json.dumps(findings.to_json(), allow_nan=False)


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("tasks", 150, "a multiple of 100"),
        ("originals", 1, "at least 2"),
        ("misled", (0.5, 0.0), "rising"),
        ("misled", (0.0, 0.25), "0 and 0.5"),
        ("desk_misled", 1.5, "from 0 to 1"),
        ("looks", (), "rising"),
        ("floor_streams", 5, "at least seeds for each m"),
        ("log_tasks", 10, "at least 50"),
    ],
)
def test_impossible_values_are_refused_by_name(field: str, value: object, allowed: str) -> None:
    with pytest.raises(BadValue, match=allowed) as refused:
        replace(STUDY.scales["quick"], **{field: value})
    assert refused.value.field == field
