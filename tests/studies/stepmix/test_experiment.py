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
from wayfare.studies.stepmix import STUDY, Config
from wayfare.studies.stepmix.cells import Setting, curve_edges, play
from wayfare.studies.stepmix.experiment import run
from wayfare.studies.stepmix.plan import tuned

SMOKE = replace(STUDY.scales["smoke"], device="cpu")
SETTING = Setting(4, 2, 3, 30, 0.3, 0.85, 0.05, 1e-4, "cpu")
PLAYERS = {
    "StepMix": {}, "EpsMix": {}, "unconstrained": {}, "unconstrained (ties shared)": {}, "budget": {},
    "schedule": {"weight": 0.7, "until": 10}, "offline StepMix": {"log": 30},
}  # fmt: skip


def quiet(*_: float, **__: float) -> None:
    pass


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED
    assert findings.checks[0].kind == "instrument" and not any(check.tested for check in findings.checks)
    assert {figure.name for figure in findings.figures} == {"values", "hand-over", "slack"}
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    rows = {row[0]: row for row in findings.tables["players"].rows}
    assert {"baseline", "StepMix", "EpsMix", "budget", "offline StepMix (20)", "StepMix g=0.5"} <= set(rows)
    assert rows["StepMix"][2:4] == (0, 0) and rows["unconstrained"][2] > 0
    json.dumps(findings.to_json(), allow_nan=False)


@pytest.mark.parametrize("player", PLAYERS)
def test_runs_side_by_side_are_what_each_is_alone(player: str) -> None:
    """Curves and counts of a seed do not depend on its company."""
    together = play(quiet, name="p", player=player, setting=SETTING, seeds=[5, 6, 7], **PLAYERS[player])
    alone = play(quiet, name="p", player=player, setting=SETTING, seeds=[6], **PLAYERS[player])
    for name, array in alone.items():
        assert array[0] == pytest.approx(together[name][1], abs=1e-9), name


def test_the_constraint_holds_by_exact_value_where_the_unconstrained_player_breaks_it() -> None:
    setting = replace(SETTING, episodes=400)
    found = {
        player: play(quiet, name="p", player=player, setting=setting, seeds=range(6))
        for player in ("StepMix", "EpsMix", "unconstrained")
    }
    for player in ("StepMix", "EpsMix"):
        assert found[player]["p|violations"].sum() == 0 and found[player]["p|covered"].min() > 0.95
        assert (found[player]["p|share curve"][:, -1] < found[player]["p|share curve"][:, 0] - 0.1).any()
    assert (found["unconstrained"]["p|violations"] > 0).all()
    assert (found["EpsMix"]["p|realised violations"] >= found["EpsMix"]["p|violations"]).all()


def test_a_budget_keeps_the_floor_for_the_running_mean_and_not_for_episodes() -> None:
    setting = replace(SETTING, episodes=400)
    edges = curve_edges(400)
    found = {
        player: play(quiet, name="p", player=player, setting=setting, seeds=range(6))
        for player in ("budget", "unconstrained")
    }
    running = {who: (of["p|value curve"] * np.diff(edges)).cumsum(1) / edges[1:] for who, of in found.items()}
    assert (running["budget"] >= 0.85 - 1e-9).all() and found["budget"]["p|violations"].sum() > 0
    assert (running["unconstrained"] < 0.85).any()
    assert (found["budget"]["p|share curve"][:, -1] < 0.5).any()


def test_a_schedule_of_weight_one_is_the_baseline_and_one_of_zero_the_optimist() -> None:
    shut = play(quiet, name="p", player="schedule", setting=SETTING, seeds=[1, 2], weight=1.0, until=30)
    assert shut["p|regret"] == pytest.approx(30 * shut["p|span"])
    free = play(quiet, name="p", player="schedule", setting=SETTING, seeds=[1, 2], weight=0.0, until=30)
    open_ = play(quiet, name="p", player="unconstrained", setting=SETTING, seeds=[1, 2])
    assert free["p|regret"] == pytest.approx(open_["p|regret"])


def test_the_best_safe_schedule_is_chosen_and_the_safest_when_none_is_safe() -> None:
    violations, regret = np.ones((4, 4, 2)), np.arange(32.0).reshape(4, 4, 2)
    assert tuned(SMOKE, {"tuning|violations": violations, "tuning|regret": regret}) == ((0.9, 40), (0.9, 40))
    violations[2, 3], violations[1, 1], violations[3, 3] = 0, 0, 0
    assert tuned(SMOKE, {"tuning|violations": violations, "tuning|regret": regret}) == ((0.8, 40), (0.7, 10))


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("episodes", 0, "at least 20"),
        ("actions", 1, "at least 2"),
        ("delta", 1.0, "between 0 and 1"),
        ("floor", 1.2, "a share of the baseline's value"),
        ("floors", (0.85,), "others than floor"),
        ("bonus_scales", (0.0,), "above 0"),
        ("temperature", 0.0, "above 0"),
        ("logged", (0,), "at least 1"),
        ("sweep_seeds", 64, "at most seeds"),
    ],
)
def test_impossible_values_are_refused_by_name(field: str, value: object, allowed: str) -> None:
    with pytest.raises(BadValue, match=allowed) as refused:
        replace(STUDY.scales["quick"], **{field: value})
    assert refused.value.field == field
