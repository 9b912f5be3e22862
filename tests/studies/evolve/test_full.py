"""The full scale from its cost to its findings, with a model of random weights in the place of a real one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from wayfare.errors import BadValue
from wayfare.studies.engine import InProcess
from wayfare.studies.evolve import STUDY
from wayfare.studies.evolve.experiment import run
from wayfare.studies.evolve.full import cost, grid

FULL = STUDY.scales["full"]
TINY = replace(
    FULL, device="cpu", trials=2, grid_arms=(2,), grid_scenarios=("ads",), grid_horizon=11, lora_updates=2,
    grid_films=(3,), most_calls=484,
)  # fmt: skip


def test_the_grid_is_the_published_one_and_costs_what_it_says() -> None:
    names = [bandits.name for bandits in grid(FULL)]
    assert len(names) == len(set(names)) == 16
    assert {bandits.horizon for bandits in grid(FULL)} == {300, 1000}
    assert cost(replace(FULL, lora_updates=0)).calls == 4 * 20 * 8 * (300 + 1000) + 2 * 2 * 20 * 200
    assert cost(FULL).read > 1e8


def test_a_run_is_refused_before_it_costs_more_than_allowed() -> None:
    with pytest.raises(BadValue, match="million tokens") as refused:
        STUDY.refuse(FULL)
    assert refused.value.field == "most_calls" and "at least 1056000" in str(refused.value)
    STUDY.refuse(TINY)
    STUDY.refuse(STUDY.scales["laptop"])
    with pytest.raises(BadValue, match="most_calls"):
        run(replace(TINY, most_calls=483), InProcess())


def test_a_model_of_random_weights_runs_to_the_end_and_names_no_arm() -> None:
    findings = run(TINY, InProcess())
    rows = findings.tables["grid"].rows
    assert {row[1] for row in rows} == {"RH", "SH", "AG", "few-shot", "OFT"} and len(rows) == 22
    assert {row[1] for row in rows if row[0] == "films K=3"} == {"RH", "AG"}
    assert findings.checks[-1].name == "contextual: AG above RH"
    assert all(row[5] > 0.9 and row[6] == 0 for row in rows)
    assert findings.checks[0].kind == "instrument"
    json.dumps(findings.to_json(), allow_nan=False)
