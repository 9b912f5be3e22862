"""The study runs from its config to its findings, at smoke scale, in this process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.memory_r_plus import STUDY, Config
from wayfare.studies.memory_r_plus.experiment import run
from wayfare.studies.memory_r_plus.plan import FINE_TUNING, MEMORY, MEMORY_FAST, R1_FAST, SHUFFLED

SMOKE = STUDY.scales["smoke"]


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED and not any(check.tested for check in findings.checks)
    assert [figure.name for figure in findings.figures] == ["learning", "tuned", "others", "rewards"]
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    arms = {
        row[0]: dict(zip(findings.tables["arms"].columns, row, strict=True)) for row in findings.tables["arms"].rows
    }
    assert {
        "base",
        R1_FAST,
        MEMORY_FAST,
        MEMORY,
        SHUFFLED,
        FINE_TUNING,
        "Memory-R",
        "outcome alone",
        "reward by length",
    } < set(arms)
    assert arms[MEMORY]["seeds"] == SMOKE.seeds
    assert all(arms[name]["tokens"] >= SMOKE.token_budget for name in arms if name != "base")
    json.dumps(findings.to_json(), allow_nan=False)


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value"),
    [("hint_rate", 1.5), ("rates", ()), ("beta", 0.0), ("tuning_seeds", 3), ("other_seeds", 99), ("k", 0),
     ("explore", -1.0)],
)  # fmt: skip
def test_impossible_values_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadValue) as refused:
        replace(STUDY.scales["laptop"], **{field: value})
    assert refused.value.field == field
