"""The study runs from its config to its findings, at smoke scale; every check can pass and can fail."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.report.statistics import Interval
from wayfare.studies.contract import config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.memos import STUDY, Config
from wayfare.studies.memos.checks import refuse_wrong_checks, rules, scripted
from wayfare.studies.memos.experiment import run
from wayfare.studies.memos.policies import COUNTS

SMOKE = STUDY.scales["smoke"]
LAPTOP = STUDY.scales["laptop"]


def test_smoke_runs_to_the_end_with_every_check_figure_and_table() -> None:
    findings = run(SMOKE, InProcess())
    states = {check.name: check.state for check in findings.checks}
    for name in ("cache and text: logits", "cache and text: tokens", "cache and text: places", "adapter: taken out"):
        assert states[name] == "holds", name
    assert states["adapter: closed-book"] == states["mixed: scheduler cheaper than always text"] == "untested"
    lifecycle = dict(findings.tables["lifecycle"].rows)
    assert set(lifecycle) == set(COUNTS) and lifecycle["operations"] == SMOKE.operations and not lifecycle["lost"]
    assert [row[0] for row in findings.tables["costs"].rows] == list(SMOKE.lengths)
    assert len(findings.tables["policies"].rows) == 4 * 8
    assert [figure.name for figure in findings.figures] == ["policies", "first-token"]
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    json.dumps(findings.to_json(), allow_nan=False)


def test_every_check_is_passed_by_its_best_and_failed_by_its_worst_scripted_measures() -> None:
    asked, known = rules(LAPTOP), scripted(LAPTOP.seeds)
    refuse_wrong_checks(asked, lambda *name: known[name])
    assert asked[0].kind == "instrument" and len({rule.name for rule in asked}) == len(asked)
    for rule in asked:
        for cast, state in ((rule.best, "holds"), (rule.worst, "fails")):
            values = rule.measure(lambda part, measure, cast=cast: known[cast.get(part, part), measure])
            value = float(values.mean())
            assert len(values) == LAPTOP.seeds
            assert rule.on(Interval(value, value, value, "scripted", 5), 5).state == state, rule.name


def test_the_thresholds_are_those_of_the_card() -> None:
    told = {rule.name: rule.threshold for rule in rules(LAPTOP) if rule.kind == "claim"}
    assert (
        told["cache and text: logits"] == 1e-4 and told["adapter: closed-book"] == told["adapter: written back"] == 0.9
    )
    assert told["adapter: taken out"] == (0.0, 0.0)
    assert {value for name, value in told.items() if "near the best" in name} == {1.1}
    assert {value for name, value in told.items() if "cheaper than" in name} == {1.0}
    assert len(rules(replace(LAPTOP, operations=0))) == len(rules(LAPTOP)) - 3


def test_a_threshold_that_nobody_can_miss_is_refused() -> None:
    known = scripted(2)
    wrong = replace(rules(LAPTOP)[2], threshold=2.0)
    with pytest.raises(BadValue, match="failed by its worst"):
        refuse_wrong_checks((wrong,), lambda *name: known[name])
    assert all(np.isfinite(array).all() for array in known.values())


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("lengths", (7,), "even numbers"),
        ("lengths", (2000,), "even numbers"),
        ("lengths", (128, 64), "rising"),
        ("others", 600, "people"),
        ("repeats", 1, "at least 3"),
        ("learning_rate", 1.0, "below 1"),
        ("background", 0.0, "above 0"),
        ("operations", -1, "at least 0"),
        ("models", 0, "at least 1"),
    ],
)
def test_impossible_values_are_refused_by_name(field: str, value: object, allowed: str) -> None:
    with pytest.raises(BadValue, match=allowed) as refused:
        replace(STUDY.scales["quick"], **{field: value})
    assert refused.value.field == field
