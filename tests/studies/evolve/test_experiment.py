"""The study runs from its config to its findings, at smoke scale, in this process; its checks refuse to be wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.evolve import STUDY, Config
from wayfare.studies.evolve.checks import needed, refuse_wrong_checks, rules
from wayfare.studies.evolve.experiment import run
from wayfare.studies.evolve.outcome import check_of, win_rates
from wayfare.studies.evolve.plan import settings_of

SMOKE = replace(STUDY.scales["smoke"], device="cpu")
REGRET = {"uniform": 10.0, "teacher": 2.0, "LinUCB": 1.0}


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED
    assert findings.checks[0].kind == "instrument" and not any(check.tested for check in findings.checks)
    assert {figure.name for figure in findings.figures} == {"regret", "decisions", "films"}
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    rows = {(row[0], row[1]): row for row in findings.tables["players"].rows}
    assert {player for _, player in rows} >= {"teacher", "untrained", "OFT-AG", "OFT-RH", "S2-SH", "uniform"}
    json.dumps(findings.to_json(), allow_nan=False)


def test_checks_pass_the_teacher_and_fail_chance_and_are_refused_where_they_would_not() -> None:
    asked = rules(STUDY.scales["laptop"], settings_of(STUDY.scales["laptop"]))
    main = settings_of(STUDY.scales["laptop"])[0].name

    def look(player: str, setting: str, measure: str) -> np.ndarray:
        return np.zeros(3) if measure == "unmatched" else np.full(3, REGRET[player])

    refuse_wrong_checks(asked, look, main)
    wrong = replace(asked[1], threshold=1.1)
    with pytest.raises(BadValue, match="passed by its best scripted players"):
        refuse_wrong_checks([wrong], look, main)
    with pytest.raises(BadValue, match="OFT-AG"):
        refuse_wrong_checks([replace(asked[1], threshold=-0.1)], look, main)


def test_decisions_needed_are_read_between_points_and_censored_at_twice_what_was_seen() -> None:
    found = {
        ("a", "decisions"): np.tile([100.0, 200.0, 400.0], (3, 1)),
        ("a", "regret"): np.array([[9.0, 7.0, 3.0], [9.0, 9.0, 9.0], [5.0, 4.0, 3.0]]),
        ("teacher", "regret"): np.full(3, 4.0),
    }
    result = needed(lambda player, _, measure: found[player, measure], "a")
    assert 2**result == pytest.approx([200 * 2**0.5, 800.0, 100.0])


def test_two_nets_that_never_get_there_are_not_compared() -> None:
    laptop = STUDY.scales["laptop"]
    rule = next(rule for rule in rules(laptop, settings_of(laptop)) if "fewer decisions" in rule.name)
    measures = {("teacher", "lessons", "regret"): np.full(2, 1.0)}
    for player, last in (("OFT-AG", 9.0), ("OFT-SH", 9.0)):
        measures[player, "lessons", "decisions"] = np.tile([1.0, 2.0], (2, 1))
        measures[player, "lessons", "regret"] = np.tile([9.0, last], (2, 1))
    assert "neither net" in check_of(laptop, rule, measures).reason
    measures["OFT-AG", "lessons", "regret"][:, -1] = 1.0
    assert check_of(laptop, rule, measures).state == "holds"


def test_win_rates_count_significant_pairs_and_ties_win_nothing() -> None:
    draw_of = np.random.default_rng(0)
    good, bad = draw_of.normal(5, 1, 50), draw_of.normal(0, 1, 50)
    assert win_rates({"good": [good], "bad": [bad], "same": [bad]}) == {"good": 1.0, "bad": 0.0, "same": 0.0}
    assert win_rates({"a": [np.ones(5)], "b": [np.ones(5)]}) == {"a": 0.0, "b": 0.0}


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", "xl"), ("arms", 1), ("arms", 41), ("unseen_arms", 1), ("unseen_arms", 5), ("gaps", ()),
        ("gaps", (0.0,)), ("learning_rate", 0.0), ("raw_seeds", 9), ("films", 1), ("passes", 0),
    ],
)  # fmt: skip
def test_impossible_values_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(BadValue) as refused:
        replace(STUDY.scales["quick"], **{field: value})
    assert refused.value.field == field
