"""The study runs from its config to its findings, at smoke scale, in this process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.agentfly import STUDY, Config
from wayfare.studies.agentfly.experiment import run
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess

SMOKE = STUDY.scales["smoke"]


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED
    states = {check.name: check.state for check in findings.checks}
    assert states["arrays are the Memory"] == "holds"
    assert {check.kind for check in findings.checks if check.tested} == {"instrument"}
    assert {figure.name for figure in findings.figures} == {"learning", "several", "sequence", "online"}
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    players = {row[0]: row for row in findings.tables["players"].rows}
    assert {"random case", "soft-Q", "greedy Q", "kernel (learned)", "soft-Q K=4 (no negatives)", "oracle"} <= set(
        players
    )
    assert players["oracle"][2] > players["similarity"][2]
    online = {row[0]: row for row in findings.tables["online"].rows}
    assert online["no cases"][2] == pytest.approx(0.225) and online["no cases"][-1] == 0 < online["parametric"][-1]
    json.dumps(findings.to_json(), allow_nan=False)


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("cases", 51, "at most 50"),
        ("cases", 1, "at least 2"),
        ("right", 1.0, "between 0 and 1"),
        ("avoid", 1.5, "from 0 to 1"),
        ("lucky", 0.9, "below right"),
        ("alpha", 0.0, "above 0"),
        ("rates", (), "one at least"),
        ("ks", (1, 2, 4), "a larger one"),
        ("ks", (2, 4, 8), "among them 1"),
        ("late", 5000, "at most tasks"),
        ("memory_seeds", 99, "at most seeds"),
        ("passes", 1, "at least 2"),
    ],
)
def test_impossible_values_are_refused_by_name(field: str, value: object, allowed: str) -> None:
    with pytest.raises(BadValue, match=allowed) as refused:
        replace(STUDY.scales["quick"], **{field: value})
    assert refused.value.field == field
