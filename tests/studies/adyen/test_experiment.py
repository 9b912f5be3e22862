"""The study runs from its config to its findings, at smoke scale, in this process."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wayfare.agents.generations import How
from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.adyen import STUDY, Config
from wayfare.studies.adyen.cells import Setting, play, tune
from wayfare.studies.adyen.experiment import run
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess

SMOKE = replace(STUDY.scales["smoke"], device="cpu")
SETTING = Setting(3, 4, 0.7, 300, 5, 0, 10, 200, "cpu")


def quiet(*_: float, **__: float) -> None:
    pass


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED
    assert findings.checks[0].kind == "instrument" and not any(check.tested for check in findings.checks)
    assert [figure.name for figure in findings.figures] == ["generations", "logs", "frontier"]
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    players = {row[0] for row in findings.tables["players"].rows}
    assert {"oracle", "uniform", "linear SquareCB", "tuned epsilon W=all", "greedy W=all", "FastCB x8"} <= players
    assert "random" not in players
    tuning = findings.tables["tuning"].rows
    assert len(tuning) == 54 and sum(row[-1] for row in tuning) == 9
    json.dumps(findings.to_json(), allow_nan=False)


def test_runs_side_by_side_are_what_each_is_alone() -> None:
    """Off-policy intervals included."""
    together = play(quiet, name="p", how=How("SquareCB"), setting=SETTING, seeds=[5, 6, 7], off_policy=True)
    alone = play(quiet, name="p", how=How("SquareCB"), setting=SETTING, seeds=[6], off_policy=True)
    assert {"p|ips covered", "p|fitted dr covered", "p|snips width"} <= set(alone)
    assert alone["p|ips covered"].shape == (1, 2)
    for name in ("p|served", "p|shift", "p|exploit curve", "p|entropy curve", "p|positives curve", "p|dr width"):
        assert alone[name][0] == pytest.approx(together[name][1], abs=1e-3), name


def test_tuning_plays_other_seeds_and_says_what_each_setting_earned() -> None:
    hows = [How("epsilon", 0.02), How("epsilon", 1.0)]
    found = tune(quiet, name="t", hows=hows, setting=SETTING, seeds=[0, 1])["t|tuning"]
    assert found.shape == (2, 2)
    same = play(quiet, name="p", how=hows[1], setting=SETTING, seeds=[0, 1])["p|served"]
    assert abs(found[1] - same).min() > 1e-6
    again = play(quiet, name="p", how=hows[1], setting=SETTING, seeds=[1_000_000, 1_000_001])["p|served"]
    assert found[1] == pytest.approx(again)


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("waves", 4), ("arms", 1), ("chance", 0.0), ("sweep_seeds", 64), ("oracle", "lasso"), ("rule", "greedy"),
        ("greed", -1.0), ("delay", -1), ("memory", -1), ("tuning_seeds", 0),
    ],
)  # fmt: skip
def test_impossible_values_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadValue) as refused:
        replace(STUDY.scales["quick"], **{field: value})
    assert refused.value.field == field


def test_periods_by_days_need_a_time() -> None:
    with pytest.raises(BadValue, match="time"):
        replace(SMOKE, period_days=7.0)
