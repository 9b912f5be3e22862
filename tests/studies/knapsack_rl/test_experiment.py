"""The study runs from its config to its findings, at smoke scale, in this process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.knapsack_rl import STUDY, Config
from wayfare.studies.knapsack_rl.experiment import run

SMOKE = STUDY.scales["smoke"]


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED and not any(check.tested for check in findings.checks)
    assert [figure.name for figure in findings.figures] == ["teaching", "learning", "others"]
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    arms = {
        row[0]: dict(zip(findings.tables["arms"].columns, row, strict=True)) for row in findings.tables["arms"].rows
    }
    plain = next(name for name in arms if name.endswith("twice the rollouts")).removesuffix(", twice the rollouts")
    assert set(arms) == {
        "base", plain, "knapsack", "proportional to p (1 - p)", "dynamic sampling", "only 0.1 < p < 0.9",
        f"{plain}, twice the rollouts",
    }  # fmt: skip
    assert arms["knapsack"]["seeds"] == SMOKE.seeds
    assert all(arms[name]["tokens"] >= SMOKE.token_budget for name in arms if name != "base")
    assert arms[f"{plain}, twice the rollouts"]["tokens"] >= 2 * SMOKE.token_budget
    json.dumps(findings.to_json(), allow_nan=False)


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value"),
    [("hint_rate", 1.5), ("answers", 65), ("train_prompts", 15), ("rates", ()), ("beta", 0.0), ("tuning_seeds", 3),
     ("other_seeds", 99), ("eval_answers", 1)],
)  # fmt: skip
def test_impossible_values_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadValue) as refused:
        replace(STUDY.scales["laptop"], **{field: value})
    assert refused.value.field == field
