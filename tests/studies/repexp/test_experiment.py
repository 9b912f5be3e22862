"""The study runs from its config to its findings, at smoke scale, in this process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.repexp import STUDY, Config
from wayfare.studies.repexp.experiment import run
from wayfare.studies.repexp.selection import CHOICES

SMOKE = STUDY.scales["smoke"]


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED and not any(check.tested for check in findings.checks)
    assert [figure.name for figure in findings.figures] == ["selection", "frontiers", "learning"]
    for figure in findings.figures[:2]:
        assert draw(figure)["svg"].startswith(b"<?xml")
    assert [row[1] for row in findings.tables["selection"].rows] == 2 * list(CHOICES)
    arms = [row[0] for row in findings.tables["arms"].rows]
    assert arms[0] == "base" and arms[2:] == [
        "repexp", "repexp, scaled ridge", "bonus 1/m for copies", "repexp, no deviation", "repexp, open gate",
        "unlikeliness",
    ]  # fmt: skip
    json.dumps(findings.to_json(), allow_nan=False)


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value"),
    [("right_rate", 1.5), ("ridge", 0.0), ("batch", 100), ("rates", ()), ("tuning_seeds", 3), ("other_seeds", 99),
     ("pool", 1)],
)  # fmt: skip
def test_impossible_values_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadValue) as refused:
        replace(STUDY.scales["laptop"], **{field: value})
    assert refused.value.field == field
