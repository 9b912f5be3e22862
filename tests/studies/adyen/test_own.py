"""A user's own log, from a CSV to findings."""

from __future__ import annotations

import csv
import json
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wayfare.errors import BadValue, MissingExtra
from wayfare.explore.rules import Scores, SquareCB
from wayfare.report.plots import draw
from wayfare.studies.adyen import STUDY, Config
from wayfare.studies.adyen.experiment import run
from wayfare.studies.adyen.own import oracle_for, read_log
from wayfare.studies.engine import InProcess

DAY = 86_400.0
NAMES = ("direct", "retry", "token")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four weeks of 600 decisions; every hundredth has no reward yet."""
    g = np.random.default_rng(0)
    rows = 2400
    x, allowed = g.normal(size=(rows, 2)), g.random((rows, 3)) < 0.7
    allowed[:, 0] = True
    chance = 1 / (1 + np.exp(-(1.0 + 1.5 * np.stack([x[:, 0], -x[:, 0], x[:, 1]], axis=1))))
    p = SquareCB(5.0).propensities(Scores(0.0 * chance), allowed)
    a = (p.cumsum(axis=1) > g.random((rows, 1))).argmax(axis=1)
    path = tmp_path_factory.mktemp("log") / "log.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["when", "amount", "hour", *NAMES, "how", "ok", "p"])
        for i in range(rows):
            ok = "" if i % 100 == 99 else int(g.random() < chance[i, a[i]])
            may = [int(each) for each in allowed[i]]
            writer.writerow([1.7e9 + i * 28 * DAY / rows, *x[i], *may, NAMES[a[i]], ok, p[i, a[i]]])
    return path


def config(table: Path, **more: object) -> Config:
    given = {
        "log": str(table), "context": ("amount", "hour"), "action": "how", "reward": "ok", "propensity": "p",
        "allowed": NAMES, "time": "when", "period_days": 7.0, "least_effective": 100.0, "device": "cpu",
    }  # fmt: skip
    return replace(STUDY.scales["quick"], **{**given, **more})


@pytest.mark.parametrize("oracle", ["boosting", "logistic"])
def test_a_log_is_evaluated_week_by_week_and_nobody_is_served(table: Path, oracle: str) -> None:
    mine = config(table, oracle=oracle)
    STUDY.refuse(mine)
    findings = run(mine, InProcess())
    rows = findings.tables["periods"].rows
    columns = findings.tables["periods"].columns
    assert [row[0] for row in rows] == [1, 2, 3]
    assert all(row[1] == 594 for row in rows) and all(row[-1] == "" for row in rows)
    for row in rows:
        value = dict(zip(columns, row, strict=True))
        assert value["dr low"] < value["dr value"] < value["dr high"] and value["logged"] < value["dr value"]
    check = findings.checks[0]
    assert check.kind == "ours" and check.holds and check.n_seeds == 3
    assert findings.verdict == "not tested at this scale"
    assert any("24, left out" in note for note in findings.notes)
    assert draw(findings.figures[0])["svg"].startswith(b"<?xml")
    json.dumps(findings.to_json(), allow_nan=False)


def test_without_a_time_lines_are_in_order_and_a_rest_joins_the_last_period(table: Path) -> None:
    log, periods = read_log(config(table, time="", period_days=0.0, requests=700))
    assert len(log) == 2376 and np.bincount(periods).tolist() == [700, 700, 976]
    _, by_time = read_log(config(table, period_days=0.0, requests=700))
    assert (periods == by_time).all()


def test_xgboost_is_used_where_it_is_installed(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.tree import DecisionTreeClassifier

    with pytest.raises(MissingExtra, match="xgboost"):
        monkeypatch.setitem(sys.modules, "xgboost", None)
        oracle_for("xgboost", 3).fit(np.zeros((2, 1)), np.array([0, 1]), np.array([0, 1]))
    made: list[dict[str, Any]] = []

    def classifier(**settings: Any) -> DecisionTreeClassifier:
        made.append(settings)
        return DecisionTreeClassifier(max_depth=3)

    stand_in = types.ModuleType("xgboost")
    stand_in.XGBClassifier = classifier  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xgboost", stand_in)
    g = np.random.default_rng(0)
    x, a = g.normal(size=(400, 1)), g.integers(2, size=400)
    scores = oracle_for("xgboost", 2, seed=3).fit(x, a, (x[:, 0] > 0).astype(float)).scores(x)
    assert made[0]["random_state"] == 3 and ((scores[:, 0] > 0.5) == (x[:, 0] > 0)).mean() > 0.95


def test_boosted_chances_are_calibrated_on_held_out_rows() -> None:
    g = np.random.default_rng(1)
    x, a = g.normal(size=(1500, 3)), g.integers(2, size=1500)
    y = (g.random(1500) < 0.8).astype(float)  # nothing to be learned
    scores = oracle_for("boosting", 2).fit(x, a, y).scores(g.normal(size=(1000, 3)))
    assert scores.std() < 0.05 and abs(scores.mean() - 0.8) < 0.04


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("log", {"log": "nowhere.csv"}),
        ("context", {"context": ()}),
        ("column", {"reward": "paid"}),
        ("column", {"time": "date"}),
    ],
)
def test_a_log_that_cannot_be_read_is_refused_before_the_run(table: Path, field: str, more: dict[str, Any]) -> None:
    with pytest.raises(BadValue) as refused:
        STUDY.refuse(config(table, **more))
    assert refused.value.field == field


def test_the_study_without_a_log_has_nothing_to_refuse() -> None:
    STUDY.refuse(STUDY.scales["laptop"])
