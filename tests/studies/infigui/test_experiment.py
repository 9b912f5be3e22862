"""The study runs from its config to its findings, at smoke scale, in this process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.infigui import STUDY, Config
from wayfare.studies.infigui.experiment import run

SMOKE = STUDY.scales["smoke"]


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED and not any(check.tested for check in findings.checks)
    assert [figure.name for figure in findings.figures] == ["accuracy", "lists", "groups"]
    assert draw(findings.figures[0])["svg"].startswith(b"<?xml")
    arms = {
        row[0]: dict(zip(findings.tables["arms"].columns, row, strict=True)) for row in findings.tables["arms"].rows
    }
    assert {"base", "AEPO", "any hit", "no gate", "AEPO, entropy bonus 0.1", "one answer, AEPO's rate"} < set(arms)
    assert arms["AEPO"]["seeds"] == SMOKE.seeds
    assert all(arms[name]["tokens"] >= SMOKE.token_budget for name in arms if name != "base")
    json.dumps(findings.to_json(), allow_nan=False)


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value"),
    [("hard", 16), ("rates", ()), ("entropies", (0.0,)), ("beta", 0.0), ("hot", -1.0), ("tuning_seeds", 3),
     ("other_seeds", 99), ("answers", 1)],
)  # fmt: skip
def test_impossible_values_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadValue) as refused:
        replace(STUDY.scales["laptop"], **{field: value})
    assert refused.value.field == field
