"""The study runs from its config to its findings, at smoke scale, in this process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import house_style
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.evo_memory import STUDY, Config
from wayfare.studies.evo_memory.experiment import run

SMOKE = STUDY.scales["smoke"]


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED and not any(check.tested for check in findings.checks)
    assert [figure.name for figure in findings.figures] == ["compare", "learning", "similarity", "noise", "cost"]
    with house_style("dark"):
        for figure in findings.figures:
            assert figure.draw().axes
    rows = {(row[0], row[1]): row for row in findings.tables["memories"].rows}
    assert (
        len(rows) == 26
        and rows["puzzles", "no memory"][findings.tables["memories"].columns.index("items kept at the end")] == 0
    )
    failures = findings.tables["memories"].columns.index("failures of the module")
    assert {row[failures] for row in rows.values()} == {0.0}
    tests = findings.tables["tests"].rows
    assert len(tests) == 2 * (12 + 11) and all(row[-1] >= row[-2] for row in tests)
    assert any("nothing further is claimed" in note for note in findings.notes)
    json.dumps(findings.to_json(), allow_nan=False)


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("puzzles", 2, "at least 3"),
        ("orders", ("easy-hard",), "'random' and then"),
        ("orders", ("random", "blocked"), "any of"),
        ("noise", (), "one number at least"),
        ("noise", (0.5,), "below 0.5"),
        ("noise", (0.1, 0.1), "each once"),
        ("sweep", (1,), "from 2 to 40"),
        ("sweep", (5,), "others than families"),
        ("half", 1.0, "below 1"),
        ("cap", 0, "at least 1"),
        ("k", 0, "at least 1"),
    ],
)
def test_impossible_values_are_refused_by_name(field: str, value: object, allowed: str) -> None:
    with pytest.raises(BadValue, match=allowed) as refused:
        replace(STUDY.scales["quick"], **{field: value})
    assert field in refused.value.field
