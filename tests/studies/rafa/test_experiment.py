"""The study runs from its config to its findings, at smoke scale, in this process."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.rafa import STUDY, Config
from wayfare.studies.rafa.experiment import run

SMOKE = replace(STUDY.scales["smoke"], device="cpu")


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED
    assert findings.checks[0].kind == "instrument" and not any(check.tested for check in findings.checks)
    assert {figure.name for figure in findings.figures} == {"mazes", "regret", "game-of-24"}
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    ways = {row[1] for row in findings.tables["regret"].rows}
    assert {"RAFA mean", "PSRL", "UCRL", "U=8", "entropy rule alone"} <= ways
    json.dumps(findings.to_json(), allow_nan=False)


def test_the_simulated_model_is_named_where_it_speaks() -> None:
    assert "simulated model, not language" in STUDY.title


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("theory_seeds", 1, "at least 2"),
        ("river_steps", 5, "at least 20"),
        ("sequences", 0, "at least 1"),
        ("width", 32, "a multiple of 12"),
        ("puzzles", 2000, "at most 1000"),
        ("calls_a_task", 0, "at least 1"),
    ],
)
def test_impossible_values_are_refused_by_name(field: str, value: object, allowed: str) -> None:
    with pytest.raises(BadValue, match=allowed) as refused:
        replace(STUDY.scales["quick"], **{field: value})
    assert refused.value.field == field


def test_seeds_of_cells_are_joined() -> None:
    from wayfare.studies.collected import collect

    cells = {f"maze-{i}": {"maze RAFA|success": np.full((1, 3), float(i))} for i in range(2)}
    assert collect(cells)["maze RAFA", "success"].tolist() == [[0.0] * 3, [1.0] * 3]
