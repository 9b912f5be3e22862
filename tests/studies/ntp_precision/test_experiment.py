"""The study runs from its config to its findings, at smoke scale, in this process; and what its probe tells."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from wayfare.agents.language_rl import Base, base_model, task_of
from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.ntp_precision import STUDY, Config
from wayfare.studies.ntp_precision.experiment import run
from wayfare.studies.ntp_precision.plan import BASELINE, BROAD, MATCHED, PLAIN, PRECISE
from wayfare.studies.ntp_precision.probes import prior

SMOKE = STUDY.scales["smoke"]


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED and not any(check.tested for check in findings.checks)
    assert [figure.name for figure in findings.figures] == ["learning", "priors", "frontiers", "others"]
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    arms = {
        row[0]: dict(zip(findings.tables["arms"].columns, row, strict=True)) for row in findings.tables["arms"].rows
    }
    assert {PLAIN, PRECISE, BROAD, BASELINE, MATCHED, "near and tail", "label smoothing 0.1"} < set(arms)
    assert all(row["tokens"] >= SMOKE.token_budget for row in arms.values())
    assert {row[0] for row in findings.tables["priors"].rows} == set(arms) - {BASELINE, MATCHED}
    json.dumps(findings.to_json(), allow_nan=False)


def test_an_untrained_model_is_as_broad_as_its_words_and_cooler_ones_are_sharper() -> None:
    base = Base("countdown3", steps=1, rows=1, rate=1e-9)
    model = base_model(base)
    told = prior(model, task_of(base), [])
    most = math.log(model.vocabulary)
    assert 0.7 * most < told["prior/entropy"] < most < told["prior/loss"] + 0.1
    assert told["prior/entropy at 1"] == told["prior/entropy"] > told["prior/entropy at 0.5"]
    assert 4 / model.vocabulary < told["prior/top"] < 1


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value"),
    [("corrupted", 1.5), ("precise", 0.1), ("broad", 0.0), ("betas", (0.5,)), ("rates", ()), ("smoothing", 1.0),
     ("tuning_seeds", 3), ("other_seeds", 99)],
)  # fmt: skip
def test_impossible_values_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadValue) as refused:
        replace(STUDY.scales["laptop"], **{field: value})
    assert refused.value.field == field
