"""The study runs from its config to its findings at smoke scale, and its checks can pass and can fail."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.report.plots import draw
from wayfare.studies.collected import collect
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.greedy_wins import STUDY, Config
from wayfare.studies.greedy_wins.cells import ALPHAS, players
from wayfare.studies.greedy_wins.checks import RULES, refuse_wrong_checks
from wayfare.studies.greedy_wins.experiment import run
from wayfare.studies.greedy_wins.outcome import Measures
from wayfare.studies.greedy_wins.plan import tuned

pytestmark = pytest.mark.xdist_group("greedy-wins")  # one worker, so that what the simple players do is made once

SMOKE = replace(STUDY.scales["smoke"], device="cpu")


def quiet(*_: float, **__: float) -> None:
    pass


@pytest.fixture(scope="module")
def simple() -> Measures:
    setting = {"arms": 5, "turns": 25, "long": 120, "replicas": 200}
    found = players(quiet, setting=setting, seeds=[1, 2], alpha=0.4, late_alpha=0.4, epsilon=0.05)
    return collect({"players": found}, 3)


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED
    assert len(findings.checks) == len(RULES) and not any(check.tested for check in findings.checks)
    assert len(findings.figures) == 3
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    rows = {(row[0], row[1]) for row in findings.tables["players"].rows}
    assert {("SFT-UCB", "bernoulli"), ("RL-algorithmic", "gaussian"), ("generalist, argmax", "gaussian")} <= rows
    json.dumps(findings.to_json(), allow_nan=False)


def test_every_check_is_passed_by_its_best_simple_players_and_failed_by_its_worst(simple: Measures) -> None:
    refuse_wrong_checks(RULES, lambda player, family, measure: simple[player, family, measure])


def test_a_check_that_its_best_players_fail_is_refused(simple: Measures) -> None:
    impossible = replace(RULES[0], threshold=0.5)
    with pytest.raises(BadValue, match="SFT-UCB near UCB"):
        refuse_wrong_checks([impossible], lambda player, family, measure: simple[player, family, measure])


def test_what_is_tuned_is_the_best_at_its_own_length() -> None:
    regret = np.ones((len(ALPHAS), 2))
    regret[2, 0] = regret[4, 1] = 0.5
    chosen = tuned({"tuning|UCB|regret": regret, "tuning|epsilon|regret": regret})
    assert (chosen["alpha"], chosen["late_alpha"]) == (ALPHAS[2], ALPHAS[4])


def test_the_simple_players_come_in_their_known_order(simple: Measures) -> None:
    late = {player: simple[player, "gaussian", "long regret"].mean() for player in ("UCB", "greedy", "uniform")}
    assert late["UCB"] < late["greedy"] < late["uniform"]
    stuck = {player: simple[player, "gaussian", "suffix failure"].mean() for player in ("Thompson", "greedy")}
    assert stuck["greedy"] > stuck["Thompson"] + 0.1


def test_the_config_survives_json_and_refuses_what_cannot_be() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE
    for field, value in (("arms", 1), ("long", 4), ("width", 6), ("group", 1), ("learning_rate", 0.0)):
        with pytest.raises(BadValue, match=field):
            replace(SMOKE, **{field: value})
