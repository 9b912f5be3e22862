"""The study from its config to its findings; what is foretold, worked by hand; checks that could not mean anything."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from wayfare.errors import BadValue
from wayfare.memory.cards import Topology, Updating
from wayfare.memory.probes.checking import PROBES
from wayfare.memory.probes.degenerate import ORDINARY
from wayfare.report.plots import draw
from wayfare.studies.collected import collect
from wayfare.studies.contract import UNTESTED, config_from_json, config_to_json
from wayfare.studies.engine import InProcess
from wayfare.studies.memory_survey import STUDY, Config
from wayfare.studies.memory_survey.cells import scripted
from wayfare.studies.memory_survey.checks import refuse_wrong_checks, rules
from wayfare.studies.memory_survey.experiment import run
from wayfare.studies.memory_survey.families import FAMILIES
from wayfare.studies.memory_survey.plan import best, size_of
from wayfare.studies.memory_survey.predicting import foretold, gains

SMOKE = replace(STUDY.scales["smoke"], seeds=2)
BEST = {"facts": ("facts", "MemRL"), "practice": ("MemRL", "facts"), "span": ("condensed", "facts")}


def test_smoke_runs_to_the_end_with_every_check_and_figure_and_claims_nothing() -> None:
    findings = run(SMOKE, InProcess())
    assert findings.verdict == UNTESTED and findings.checks[0].kind == "instrument" and len(findings.checks) == 11
    by = {check.name: check for check in findings.checks}
    assert by["cards agree"].estimate == by["leaves are populated"].estimate == 1.0
    for figure in findings.figures:
        assert draw(figure)["svg"].startswith(b"<?xml")
    states = {(row[0], row[1]): row[2] for row in findings.tables["leaves"].rows}
    assert states["retrieval", "recency"] == "populated" and states["topology", "hierarchical"] == "unclaimed"
    assert states["updating", "model editing"] == "claimed, not tried"
    json.dumps(findings.to_json(), allow_nan=False)


def test_scripted_players_pass_and_fail_every_check_and_a_check_that_cannot_fail_is_refused() -> None:
    measures = collect({"scripted": scripted(lambda *a, **k: None, size=size_of(SMOKE), seeds=2)})
    asked = rules(BEST)
    refuse_wrong_checks(asked, lambda player, measure: measures[player, measure])
    for rule in asked:
        wrong = replace(rule, worst=rule.best)
        with pytest.raises(BadValue, match="failed by its worst"):
            refuse_wrong_checks([wrong], lambda player, measure: measures[player, measure])


def test_the_best_are_chosen_by_function_on_other_seeds() -> None:
    score = {"facts": 0.9, "ExpRAG": 0.3, "ExpRAG, successes": 0.2, "MemRL": 0.4, "workflows": 0.1, "condensed": 0.0,
             "last observations": 0.5}  # fmt: skip
    tuned = {f"tuning {name}|{family}": np.full(2, value) for name, value in score.items() for family in FAMILIES}
    assert best(tuned, "facts") == ("facts", "last observations")
    assert best(tuned, "practice") == ("MemRL", "facts") and best(tuned, "span") == ("last observations", "facts")


def test_a_class_is_foretold_from_its_neighbours_on_the_axis_of_the_probe_and_never_from_itself() -> None:
    planar = replace(ORDINARY, topology=frozenset({Topology.PLANAR}), updating=frozenset({Updating.EXTERNAL}))
    cards = {"A": planar, "B": planar, "C": ORDINARY, "D": ORDINARY, "Transitions": ORDINARY}
    at = {number: i for i, (number, *_) in enumerate(PROBES)}
    passed = {name: np.zeros(len(PROBES), np.bool_) for name in cards}
    for name in ("A", "B"):
        passed[name][at["P3"]] = passed[name][at["P6"]] = True
    by_card, by_label = foretold("A", cards, passed)
    assert by_card[at["P3"]] and by_card[at["P6"]] and by_card.sum() == 2
    assert not by_label.any()  # of B, C and D, the long-term ones, most pass nothing
    passed["A"] = ~passed["A"]
    assert foretold("A", cards, passed)[0].tolist() == by_card.tolist()
    assert gains(cards, {**passed, "A": ~passed["A"]})["A"] == (1.0, 0.5)
    assert "C" not in gains(cards, passed)  # its outcomes are all alike


def test_a_config_survives_json() -> None:
    assert config_from_json(Config, json.loads(json.dumps(config_to_json(SMOKE)))) == SMOKE


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [("probed", ("Mem0",), "of Memory"), ("probed", ("ActivationMemory",), "of Memory"), ("lucky", 0.9, "below right"),
     ("practice", 1, "at least groups"), ("ways", 1, "at least 2"), ("steps", 5, "at least 12")],
)  # fmt: skip
def test_impossible_values_are_refused_by_name(field: str, value: object, allowed: str) -> None:
    with pytest.raises(BadValue, match=allowed) as refused:
        replace(SMOKE, **{field: value})
    assert refused.value.field == field
